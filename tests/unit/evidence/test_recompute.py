"""A verdict recomputed from its file: the same, or told apart with numbers."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.errors import EvidenceError
from policies.standing import standings
from policies.vocabulary import Decision
from tasks.evidence.evidence_file import evidence_of, read_evidence
from tasks.evidence.recompute import Answer, Recomputed, recompute
from tests.unit.evidence.recorded_look import (
    POLICY,
    at_place,
    document,
    entries,
    leaves,
    put,
    restamped,
    text,
    windows,
)

FIRST = ("looked", "payload", "evidence", 0)
ERRORS = ("looked", "payload", "evidence", 1)
RAIL = ("opened", "payload", "policy_document", "guardrails", 0)


def judged(data: bytes) -> Recomputed:
    return recompute(read_evidence(data))


def told(found: Recomputed) -> str:
    return "\n".join(each.sentence() for each in found.differences)


LOOKS = [
    ("a better candidate", windows(-0.05, days=40), POLICY.steps()[2], "PASS"),
    ("too few days", windows(days=5, live=2), POLICY.steps()[2], "HOLD"),
    ("a much worse candidate", windows(0.5), POLICY.steps()[2], "ROLL BACK"),
    ("the shadow", {"quality": windows(0.03, days=9)["quality"]}, POLICY.steps()[1], "HOLD"),
    ("nothing seen yet", {"quality": []}, POLICY.steps()[1], "HOLD"),
    ("the soak", windows(-0.05, days=40), POLICY.steps()[-1], "PASS"),
]


@pytest.mark.parametrize(("name", "seen", "step", "verdict"), LOOKS, ids=[c[0] for c in LOOKS])
def test_what_was_recorded_is_found_again(name: str, seen: Any, step: Any, verdict: str) -> None:
    """At every kind of step, with every verdict: the same, without a difference."""
    found = judged(evidence_of(entries(seen, step)).encode())
    assert (found.answer, told(found)) == (Answer.SAME, "")
    assert found.verdict.decision.value == verdict


ALTERED = [
    ("a window", (*FIRST, "windows", 3, "paired", "mean"), -0.5, "quality: effect"),
    ("a count", (*ERRORS, "windows", 2, "candidate", "events"), 9, "errors: effect"),
    ("a weight", (*FIRST, "weight"), 0.01, "quality: weight is recorded as 0.01"),
    ("a margin", (*FIRST, "margin"), 0.9, "quality: margin is recorded as 0.9"),
    ("the policy", (*RAIL, "margin"), 0.9, "quality: margin"),
    ("the policy's error rate", ("opened", "payload", "policy_document", "budget",
     "promote_beta"), 0.4, "upper"),
    ("the verdict", ("looked", "payload", "verdict", "decision"), "ROLL BACK", "the verdict is"),
    ("a finding", ("looked", "payload", "verdict", "judged", 0, "finding"), "harmful",
     "the findings"),
    ("a reason", ("looked", "payload", "verdict", "judged", 0, "reason"), "fine",
     "quality: reason"),
    ("a code", ("looked", "payload", "verdict", "judged", 0, "code"), "harm_proven",
     "quality: code"),
    ("a guardrail's name", (*FIRST, "name"), "mistakes", "mistakes is recorded"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "place", "new", "named"), ALTERED, ids=[c[0] for c in ALTERED])
def test_what_was_altered_is_named(name: str, place: Any, new: Any, named: str) -> None:
    """Even with every digest and hash made to fit again; without, the hashes tell it as well."""
    altered = put(document(with_errors=place[:4] == ERRORS), place, new)
    found = judged(restamped(altered))
    assert found.answer is Answer.DIFFERS
    assert named in told(found)
    assert "hash" not in told(found)
    assert "the hash of entry" in told(judged(json.dumps(altered).encode()))


@pytest.mark.parametrize(
    ("place", "named"),
    [
        (("looked", "payload", "evidence_digest"), "the evidence's digest"),
        (("opened", "payload", "policy_digest"), "the policy's digest"),
        (("looked", "hash"), "the hash of entry 2 (looked)"),
        (("opened", "hash"), "the hash of entry 1 (opened)"),
    ],
)
def test_an_altered_digest_is_named(place: Any, named: str) -> None:
    """Which one, what it says, and what it should be."""
    found = judged(json.dumps(put(document(), place, "sha256:" + "0" * 64)).encode())
    assert found.answer is Answer.DIFFERS
    assert f"{named} is recorded as sha256:000" in told(found)


def test_a_guardrail_that_was_left_out_is_missed() -> None:
    """A look that forgets what the policy asks of its step is not the same, whatever it says."""
    altered = document(with_errors=True)
    del altered["looked"]["payload"]["evidence"][1]
    found = judged(restamped(altered))
    assert found.verdict.decision is not Decision.PASS
    assert "errors is recorded as not looked at" in told(found)


def test_other_statistics_are_told_and_not_recomputed() -> None:
    """An older release is not judged by newer statistics; its digests are still held to."""
    old = evidence_of(entries(statistics="1"))
    found = judged(old.encode())
    assert (found.answer, found.statistics, told(found)) == (Answer.NOT_RECOMPUTED, "1", "")
    place = ("looked", "payload", "verdict", "decision")
    assert judged(restamped(put(json.loads(old), place, "ROLL BACK"))).answer is Answer.DIFFERS


PLACES = sorted(leaves(document()), key=str)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(-2, 2),
                   st.sampled_from(["", "x", "PASS", "ok", "2013-06-01T00:00:00Z", [], {}]),
                   st.sampled_from([1e308, -1e308, 5e-324, 2**53 - 1]))  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(place=st.sampled_from(PLACES), new=VALUES)
def test_no_single_alteration_passes(place: Any, new: Any) -> None:
    """Any value anywhere in the file: found, or refused in words; never a pass, never a crash."""
    if json.dumps(at_place(document(), place)) == json.dumps(new):
        return
    if at_place(document(), place) == new and not isinstance(new, bool):
        return  # 1 and 1.0 are one number
    altered = put(document(), place, new)
    try:
        assert judged(json.dumps(altered).encode()).answer is not Answer.SAME
    except EvidenceError as error:
        assert error.advice
    with suppress(EvidenceError):  # with all that can be made to fit: no crash at least
        judged(restamped(altered))


USED = [place for place in PLACES
        if place[:3] == FIRST[:3] and place[3] == 0
        and (place[4] in ("effect", "lower", "upper", "margin", "rollback_at", "weight",
                          "log_e_harm", "log_e_safe", "n", "clusters")
             or place[-1] in ("mean", "n", "events"))]  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(place=st.sampled_from(USED), by=st.integers(1, 5))
def test_no_altered_number_survives_recomputation(place: Any, by: int) -> None:
    """Every number that the verdict stands on, with all digests made to fit again."""
    old = at_place(document(), place)
    step = by if isinstance(old, int) and not isinstance(old, bool) else 1e-6 * by
    found = None
    try:
        found = judged(restamped(put(document(), place, (old or 0) + step)))
    except EvidenceError as error:  # more events than rows
        assert error.advice
    assert found is None or found.answer is Answer.DIFFERS


def test_where_each_stands_is_told() -> None:
    """The effect, the interval, both e-values with what they need, and what would change it."""
    found = judged(evidence_of(entries(windows(0.0))).encode())
    quality, check = standings(found.policy, found.evidence, found.verdict)
    assert quality.code == "not_yet_within_margin"
    assert quality.safe is not None and quality.harm is not None
    assert quality.safe.needed == pytest.approx(1 / POLICY.budget.promote_beta)
    assert quality.would_change.startswith("To be safe it needs e-value")
    assert check.would_change == "Fails above 1."


MALFORMED = [
    ("twice the same window", (*FIRST, "windows", 1), None, "2 windows for"),
    ("events above n", (*ERRORS, "windows", 0, "candidate", "events"), 51, "51 events in 50"),
    ("a negative variance", (*FIRST, "windows", 0, "paired", "m2"), -1.0, "m2 is -1.0"),
    ("a negative count", (*ERRORS, "windows", 0, "candidate", "n"), -1, "n is -1"),
    ("an unknown kind", (*FIRST, "kind"), "oracle", "kind is the text 'oracle'"),
    ("an unknown step", ("looked", "payload", "step"), "canary 6 %", "no step of its policy"),
    ("the same name twice", (*FIRST, "name"), "coverage", "'coverage' 2 times"),
    ("text for a number", (*FIRST, "margin"), "0.02", "margin is the text"),
    ("a time without zone", (*FIRST, "windows", 0, "start"), "2013-05-01T00:00:00", "time zone"),
    ("an entry of another kind", ("looked", "kind"), "closed", "kind is the text 'closed'"),
    ("a number beyond reason", (*FIRST, "windows", 0, "paired", "mean"), 1e308, "weighed"),
]


@pytest.mark.parametrize(
    ("name", "place", "new", "named"), MALFORMED, ids=[c[0] for c in MALFORMED]
)
def test_what_cannot_be_judged_is_refused(name: str, place: Any, new: Any, named: str) -> None:
    """It says what is wrong and what to do; it never passes."""
    known = document(with_errors=place[:4] == ERRORS)
    altered = put(known, place, new)
    if new is None:
        altered = put(known, place, copy.deepcopy(at_place(known, (*place[:-1], 0))))
    with pytest.raises(EvidenceError) as refused:
        judged(restamped(altered))
    assert named in refused.value.message
    assert refused.value.advice


UNREADABLE = [
    (b"", "not readable JSON"),
    (b"\x80\x81", "not readable JSON"),
    (b"[1, 2]", "no evidence file"),
    (b'{"format": "seatrial-evidence", "format_version": "9"}', "format version '9'"),
    (b'{"format": "seatrial-evidence", "format": "x"}', "stands twice"),
    (b'{"a": NaN}', "NaN stands where"),
    (b'{"a": -Infinity}', "-Infinity stands where"),
    (b'{"a": 1e999}', "1e999 stands where"),
    (b'{"a": ' + b"9" * 5000 + b"}", "not readable JSON"),
    (b'"\\ud800"', "not readable JSON"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"format": "seatrial-evidence", "format_version": "1"}', "opened is missing"),
    (b" " * 16_000_001, "larger than 16 MB"),
]


@pytest.mark.parametrize(("data", "named"), UNREADABLE, ids=[c[1] for c in UNREADABLE])
def test_what_is_no_evidence_file_is_refused(data: bytes, named: str) -> None:
    with pytest.raises(EvidenceError) as refused:
        judged(data)
    assert named in refused.value.message
    assert refused.value.advice


def test_the_same_entries_give_the_same_file() -> None:
    """Byte for byte; and a look is chosen by its entry's number."""
    assert evidence_of(entries()) == text() == evidence_of(entries(), 2)
    with pytest.raises(EvidenceError, match="Entry 1 is no look"):
        evidence_of(entries(), 1)
    with pytest.raises(EvidenceError, match="no look to write"):
        evidence_of(entries()[:1])


def test_an_entry_that_was_altered_is_not_written() -> None:
    opened, looked = entries()
    altered = looked.model_copy(update={"payload": looked.payload | {"look": 4}})
    with pytest.raises(EvidenceError, match="not what its hash says"):
        evidence_of([opened, altered])
