"""Who belongs to an audience: the same for the gateway and for whoever evaluates the flag."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.vocabulary import Audience, ModelRef, TrafficPlan, TrafficVariant
from tasks.traffic.audience import belongs, local_hour, rule_of
from tasks.traffic.document import apply, check, empty
from tasks.traffic.flag import flag_of, plan_of
from tasks.traffic.split import variant_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NIGHT = Audience(hours=(22, 5), time_zone="America/New_York")
STAFF = Audience(segments=("staff", "testers"))
NORTH = Audience(regions=("NO",), segments=("staff",))


def version(number: str) -> TrafficVariant:
    return TrafficVariant(ref=ModelRef(model="m", version=number), digest="sha256:" + number * 64)


PLAN = TrafficPlan(model="m", champion=version("1"), candidate=version("2"), weight_bp=10_000)


@pytest.mark.parametrize(
    ("audience", "segment", "region", "hour", "member"),
    [
        (None, None, None, 12, True),
        (STAFF, "staff", None, 12, True),
        (STAFF, "Staff", None, 12, False),
        (STAFF, None, None, 12, False),
        (STAFF, "", None, 12, False),
        (NORTH, "staff", "NO", 12, True),
        (NORTH, "staff", "SE", 12, False),
        (NORTH, "guests", "NO", 12, False),
        (NIGHT, None, None, 12, False),  # 7 in the morning there
        (NIGHT, None, None, 3, True),  # 22 o'clock
        (NIGHT, None, None, 2, False),  # 21 o'clock
        (NIGHT, None, None, 9, True),  # 4 o'clock
        (NIGHT, None, None, 10, False),  # 5 o'clock: the end is no longer part of it
    ],
)
def test_all_that_is_declared_must_hold(
    audience: Audience | None, segment: str | None, region: str | None, hour: int, member: bool
) -> None:
    """Exactly as written, in the audience's own time; who tells nothing does not belong."""
    assert belongs(audience, segment, region, NOON.replace(hour=hour)) is member


def evaluated(rule: Any, context: dict[str, Any]) -> Any:
    """JsonLogic as far as audiences use it."""
    if not isinstance(rule, dict):
        return rule
    ((name, given_),) = rule.items()
    if name == "var":
        return context.get(given_)
    values = [evaluated(value, context) for value in given_]
    results: dict[str, Any] = {
        "in": lambda: values[0] in values[1],
        ">=": lambda: values[0] >= values[1],
        "<": lambda: values[0] < values[1],
        "and": lambda: all(values),
        "or": lambda: any(values),
    }
    return results[name]()


names = st.sampled_from(["staff", "testers", "NO", "SE"])
groups = st.lists(names, max_size=3, unique=True).map(tuple)
hours = st.none() | st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(
    lambda both: both[0] != both[1]
)
audiences = st.builds(
    Audience, segments=groups, regions=groups, hours=hours,
    time_zone=st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"]),
)  # fmt: skip
moments = st.integers(0, 365 * 24 * 60).map(lambda minutes: NOON + timedelta(minutes=minutes))


@given(audiences, names | st.none(), names | st.none(), moments)
def test_the_flags_rule_says_the_same(
    audience: Audience, segment: str | None, region: str | None, now: datetime
) -> None:
    """Another reader of the flag, given the local hour, sends the same requests the same way."""
    context = {"segment": segment, "region": region, "local_hour": local_hour(audience, now)}
    assert evaluated(rule_of(audience), context) is belongs(audience, segment, region, now)


@given(audiences)
def test_a_flag_keeps_its_audience(audience: Audience) -> None:
    """There and back; the document that holds it is fit to serve."""
    plan = PLAN.model_copy(update={"audience": audience, "revision": 1})
    assert plan_of("m", flag_of(plan)) == plan
    assert check(apply(empty(), plan)[0]) == []


def test_who_does_not_belong_gets_the_champion() -> None:
    flag = flag_of(PLAN.model_copy(update={"audience": STAFF}))
    assert variant_of("m", flag, "u") == "candidate"
    assert variant_of("m", flag, "u", belongs=False) == "champion"


def test_a_rule_that_is_not_the_metadatas_is_refused() -> None:
    """Nobody widens the audience by hand while the record says another."""
    document, _ = apply(empty(), PLAN.model_copy(update={"audience": STAFF}))
    flag = document["flags"]["m"]
    flag["targeting"]["if"][0] = {"and": []}
    assert "contradict" in " ".join(check(document))
    flag["targeting"] = {"if": "everybody"}
    assert "not a fractional split" in " ".join(check(document))


@pytest.mark.parametrize("wrong", [(24, 1), (-1, 3), (1, 2, 3)])
def test_hours_that_do_not_exist_are_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        Audience(hours=wrong)
