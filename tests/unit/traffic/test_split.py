"""The split: the same for ever, sticky, monotone, and of the size asked for."""

from __future__ import annotations

import mmh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.vocabulary import ModelRef, TrafficPlan, TrafficVariant
from tasks.traffic.flag import flag_of
from tasks.traffic.split import bucket_of, goes_to_candidate, variant_of
from tests.unit.letters import LETTERS

# Published: another implementation of the split is right when it agrees with these.
VECTORS = [
    ("flight-delay", "JFK-1", 5605),
    ("flight-delay", "unit-42", 1043),
    ("m", "a", 5612),
    ("m", "é", 8446),
    ("flight-delay", "2013-05-01 UA 1545", 9025),
    ("churn", "customer 7", 2525),
]
units = st.text(LETTERS, min_size=1, max_size=40)
weights = st.integers(0, 10_000)


def plan(weight_bp: int) -> TrafficPlan:
    def version(number: str, digit: str) -> TrafficVariant:
        return TrafficVariant(
            ref=ModelRef(model="m", version=number), digest="sha256:" + digit * 64
        )

    return TrafficPlan(
        model="m", champion=version("1", "a"), candidate=version("2", "b"), weight_bp=weight_bp
    )


@pytest.mark.parametrize(("key", "unit", "bucket"), VECTORS)
def test_published_vectors(key: str, unit: str, bucket: int) -> None:
    """A unit keeps its bucket in every later version of this program."""
    assert bucket_of(key, unit) == bucket


def test_the_hash_is_murmur3_x86_32_with_seed_0() -> None:
    """Reference value of the published algorithm."""
    assert mmh3.hash("hello", signed=False) == 0x248BFA47


@given(units, weights)
def test_flag_and_weight_agree(unit: str, weight_bp: int) -> None:
    """Who reads the flag and who reads the weight send a unit the same way."""
    name = variant_of("m", flag_of(plan(weight_bp)), unit)
    assert (name == "candidate") is goes_to_candidate("m", unit, weight_bp)


@given(units, weights, weights)
def test_monotone(unit: str, one: int, other: int) -> None:
    """A growing weight never takes a unit away from the candidate."""
    low, high = sorted((one, other))
    assert goes_to_candidate("m", unit, high) or not goes_to_candidate("m", unit, low)


@given(units)
def test_none_and_all(unit: str) -> None:
    """Weight 0 reaches nobody, full weight everybody."""
    assert not goes_to_candidate("m", unit, 0)
    assert goes_to_candidate("m", unit, 10_000)


def test_share_is_the_weight() -> None:
    """Of 20 000 units at 10 %, the share reached lies within four standard errors."""
    reached = sum(goes_to_candidate("m", f"unit-{n}", 1_000) for n in range(20_000))
    assert abs(reached / 20_000 - 0.1) < 4 * (0.1 * 0.9 / 20_000) ** 0.5


def test_models_are_split_independently() -> None:
    """Those who try one model's candidate are not the ones who try the next model's."""
    both = sum(
        goes_to_candidate("one", f"u{n}", 1_000) and goes_to_candidate("two", f"u{n}", 1_000)
        for n in range(20_000)
    )
    assert 120 < both < 280


def test_without_a_unit_the_default_answers() -> None:
    assert variant_of("m", flag_of(plan(10_000)), "") == "champion"


def test_a_text_without_bytes_is_refused_and_ends_no_process() -> None:
    """Half a surrogate pair, which JSON can carry, has no UTF-8: mmh3 5.3 crashes on it."""
    with pytest.raises(UnicodeEncodeError):
        bucket_of("m", "\ud800")
