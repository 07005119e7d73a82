"""Whether a source can carry a release: what a survey says, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from policies.lifecycle import Release
from policies.schema import ReleasePolicy
from policies.vocabulary import Arm, Value
from tasks.telemetry.ports import AgeShare, Survey

STALE = timedelta(hours=24)  # a model that nobody asked for a day has no traffic to try on
ODD_SHARE = 0.01  # retries and restarts leave a few odd labels; more is a broken feed


class Check(Value):
    """One line of the doctor's table."""

    part: str
    well: bool
    told: str
    advice: str = ""


def checks(
    survey: Survey, policy: ReleasePolicy, live: Release | None, now: datetime
) -> Iterator[Check]:
    """Every check, in the order in which a release would stumble over it."""
    yield _newest(survey, now)
    if survey.lost:
        yield _lost(survey)
    yield _repeated(survey)
    yield _scores(survey)
    yield _clocks(survey)
    yield _maturity(survey, policy)
    yield _lag(survey, policy)
    yield _odd_labels(survey)
    yield from _metrics(survey, policy)
    if live is not None and live.plan is not None:
        yield _arms(survey, live)


def _check(part: str, well: bool, told: str, advice: str) -> Check:
    return Check(part=part, well=well, told=told, advice="" if well else advice)


def _newest(survey: Survey, now: datetime) -> Check:
    advice = "Send requests, or look whether the log of predictions still arrives."
    if survey.newest is None:
        return _check("predictions", False, "none", advice)
    age = now - survey.newest
    told = f"{survey.served:,} rows answered, the newest {_age(age)} ago"
    return _check("predictions", age <= STALE, told, advice)


def _lost(survey: Survey) -> Check:
    lines = survey.lines + survey.lost
    return _check(
        "log of predictions",
        False,
        f"{survey.lost:,} of {lines:,} lines are known to be lost",
        "Look at the disk of the gateway: they count as missing rows in every comparison.",
    )


def _repeated(survey: Survey) -> Check:
    told = f"{survey.repeated:,} of {survey.lines:,} lines repeat a row and arm"
    return _check(
        "repeated predictions",
        survey.repeated <= ODD_SHARE * survey.lines,
        told,
        "Give every request an id of its own: the first line of an id counts, the rest are lost.",
    )


def _scores(survey: Survey) -> Check:
    told = f"{survey.bad_scores:,} are no probability, {survey.failed:,} failed and say why"
    advice = "Scores must be from 0 to 1; what is not counts as an error of its model."
    return _check("scores", survey.bad_scores == 0, told, advice)


def _clocks(survey: Survey) -> Check:
    told = f"{survey.from_the_future:,} rows and labels are later than now"
    advice = "Set the clocks of what writes them, or mend time_zone in the mapping."
    return _check("clocks", survey.from_the_future == 0, told, advice)


def _maturity(survey: Survey, policy: ReleasePolicy) -> Check:
    needed, horizon = policy.labels.min_maturity, policy.labels.horizon_hours
    ages = _by_age(survey.ages)
    if not survey.mature:
        told = f"no row is older than the horizon of {horizon:g} h yet"
        return _check("labels", False, told, "Wait for it: nothing can be judged before.")
    share = survey.mature_labelled / survey.mature
    told = f"{share:.1%} of {survey.mature:,} mature rows in time ({needed:.0%} needed); {ages}"
    advice = "Post the missing outcomes; evidence with fewer labels is no comparison."
    return _check("labels", share >= needed, told, advice)


def _by_age(ages: Iterable[AgeShare]) -> str:
    return ", ".join(f"{a.days_old} d {a.labelled / a.rows:.0%}" for a in ages if a.rows)


def _lag(survey: Survey, policy: ReleasePolicy) -> Check:
    horizon = policy.labels.horizon_hours
    if survey.lag_median_hours is None or survey.lag_p99_hours is None:
        return _check("label lag", False, "no row has a label", "Post outcomes, with these ids.")
    told = (
        f"median {survey.lag_median_hours:.1f} h, 99 % within {survey.lag_p99_hours:.1f} h; "
        f"the policy waits {horizon:g} h"
    )
    advice = "Raise labels.horizon_hours, or have labels sooner: later ones never count."
    return _check("label lag", survey.lag_p99_hours <= horizon, told, advice)


def _odd_labels(survey: Survey) -> Check:
    odd = {
        "unknown": survey.unknown_labels,
        "repeated": survey.repeated_labels,
        "early": survey.early_labels,
        "late": survey.late_labels,
    }
    told = f"of {survey.labels:,}: " + ", ".join(f"{n:,} {word}" for word, n in odd.items())
    most = max(odd, key=lambda word: odd[word])
    advice = {
        "unknown": "Post outcomes under the ids of the predictions; unknown ones never join.",
        "repeated": "Post each outcome once: the first counts.",
        "early": "A label before its prediction never counts: check the clocks, or reused ids.",
        "late": "Later than the policy's horizon never counts: post sooner, or raise it.",
    }[most]
    return _check("odd labels", odd[most] <= ODD_SHARE * survey.labels, told, advice)


def _metrics(survey: Survey, policy: ReleasePolicy) -> Iterator[Check]:
    """Those that a guardrail waits for, and those that nobody asks for."""
    seen = {metric.metric: metric for metric in survey.metrics}
    for name in sorted(_asked_for(policy) | seen.keys()):
        found = seen.get(name)
        values, unknown = (found.values, found.unknown) if found else (0, 0)
        told = f"{values:,} posted, {unknown:,} of unknown rows"
        if name not in _asked_for(policy):
            yield Check(part=f"metric {name}", well=True, told=f"{told}; no guardrail asks for it")
            continue
        yield _check(
            f"metric {name}",
            values > 0 and unknown <= ODD_SHARE * values and survey.without_unit == 0,
            f"{told}; {survey.without_unit:,} rows without a unit",
            f'Post {{"id": …, "metric": "{name}", "value": …}} under the ids of the predictions, '
            "and log whose each was: a guardrail waits for it.",
        )


def _asked_for(policy: ReleasePolicy) -> set[str]:
    named = {name for rail in policy.guardrails for name in (rail.name_of_metric, rail.per)}
    return {name for name in named if name not in (None, "requests")}


def _arms(survey: Survey, live: Release) -> Check:
    """The live release must be seen: who answered, and who scored beside."""
    seen = {arm.arm: arm for arm in survey.arms}
    plan = live.plan
    assert plan is not None  # noqa: S101 - the caller looked
    needed = [*Arm] if plan.mirror or plan.weight_bp else [Arm.CHAMPION]
    silent = [arm.value for arm in needed if arm.value not in seen]
    candidate = seen.get(Arm.CANDIDATE.value)
    unserved = bool(plan.weight_bp) and (candidate is None or candidate.served == 0)
    told = "; ".join(
        f"{a.arm} scored {a.scored:,} rows and answered {a.served:,}" for a in survey.arms
    )
    return _check(
        f"arms of {live.release_id}",
        not silent and not unserved,
        told or "no row of this release",
        "Look at `seatrial doctor`: the switch and the serving processes; in a mapping, at arm, "
        "version and release.",
    )


def _age(age: timedelta) -> str:
    hours = age / timedelta(hours=1)
    return f"{age / timedelta(minutes=1):.0f} min" if hours < 2 else f"{hours:.1f} h"
