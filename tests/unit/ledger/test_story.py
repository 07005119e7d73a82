from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.vocabulary import Decision, Entry, Evidence, Finding, Step, TrafficPlan, Verdict
from tasks.ledger.story import _KINDS, why
from tests.unit.letters import LETTERS

NOW = datetime(2013, 6, 1, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32
STEP = Step.model_validate({"name": "canary 5 %", "stage": "canary", "weight_bp": 500})
PLAN = TrafficPlan.model_validate(
    {
        "model": "m",
        "champion": {"ref": {"model": "m", "version": "2"}, "digest": DIGEST},
        "weight_bp": 500,
        "revision": 7,
    }
)
QUALITY = Evidence(
    name="quality",
    kind="sequential",
    effect=-0.0191,
    lower=-0.0302,
    upper=-0.0081,
    margin=0.02,
    n=12345,
    clusters=34,
)
SOURCE = Evidence(name="errors", kind="sequential", status="down", detail="no answer in 5 s")
VERDICT = Verdict(decision=Decision.PASS, finding=Finding.SAFE, reason="quality is not worse")
VOTE = {
    "request_id": "q1",
    "person": "Mia",
    "role": "board",
    "decision": "approve",
    "comment": "fine",
    "key_id": "SHA256:k",
}

TABLE: list[tuple[str, dict[str, Any], str]] = [
    (
        "alert",
        {"about": "documents", "why": "The page is not written.", "advice": "Make room."},
        "raised an alert: The page is not written. – Make room.",
    ),
    (
        "alert",
        {"about": "labels", "status": "not observed", "why": "No row."},
        "raised an alert: labels was not observed: No row.",
    ),
    (
        "alert",
        {"about": "people", "why": "Asked 16 minutes ago.", "missing": ["1 × peer"], "after": 4},
        "raised an alert: Asked 16 minutes ago. (missing: 1 × peer)",
    ),
    (
        "incident",
        {
            "incident_id": "inc-m-1",
            "severity": "SEV4",
            "status": "suspected",
            "title": "m: prediction drift",
            "reason": "Scores moved.",
        },
        "suspected incident inc-m-1 (SEV4): m: prediction drift – Scores moved.",
    ),
    ("alert_over", {"about": "labels"}, "saw that labels is well again"),
    (
        "notified",
        {"title": "t", "where": "waiting:f.json: Slack does not answer."},
        "could not tell people yet: t – Slack does not answer. (waiting:f.json)",
    ),
    ("delivered", {"title": "t", "where": "slack:C/1"}, "told people late: t (sent to slack:C/1)"),
    (
        "risk_review_due",
        {"why": "Never reviewed.", "packet": "documents/p.md", "packet_digest": DIGEST},
        "asked for a risk review – Never reviewed. (packet documents/p.md; sha256:abababababab…)",
    ),
    (
        "risk_reviewed",
        {"reason": "the tier fits", "since": "2026-01-01T00:00:00+00:00"},
        "reviewed the risk – the tier fits (judged last 2026-01-01)",
    ),
    (
        "opened",
        {"model": "m", "version": "2", "requester": "Ada", "policy": "high", "champion": None},
        "opened the release of m v2 against the baseline rule – Ada asked for it under policy high",
    ),
    (
        "entered",
        {
            "step": STEP.model_dump(mode="json"),
            "plan": PLAN.model_dump(mode="json"),
            "observed": [{"replica": "g1", "revision": 7}],
        },
        "entered canary 5 % – the candidate answers 5 % of requests (observed: g1 at revision 7)",
    ),
    (
        "looked",
        {
            "step": "canary 5 %",
            "look": 3,
            "evidence": [QUALITY.model_dump(mode="json"), SOURCE.model_dump(mode="json")],
            "evidence_digest": DIGEST,
            "verdict": VERDICT.model_dump(mode="json"),
        },
        "looked at canary 5 % (look 3): PASS – quality is not worse (quality: effect −0.0191, "
        "interval −0.0302 to −0.0081, margin 0.02, 12 345 rows, 34 units; "
        "errors: source down, no answer in 5 s; evidence sha256:abababababab…)",
    ),
    (
        "vote",
        {"sign_off": VOTE},
        "approved as board (request q1) – fine (signed by Mia with SHA256:k)",
    ),
    (
        "granted",
        {"request_id": "q1", "gate": "full", "sign_offs": [{"role": "board", "person": "Mia"}]},
        "opened the gate to full – request q1 has every sign-off it asked for "
        "(signed: Mia (board))",
    ),
    (
        "containing",
        {"reason": "quality is worse", "finding": "harmful", "outcome": "rolled_back"},
        "began to take the candidate out – quality is worse (finding harmful)",
    ),
    (
        "contained",
        {"revision": 8, "seconds_to_zero_traffic": 0.2134},
        "took the candidate out of service – no traffic after 0.213 s (switch revision 8)",
    ),
    (
        "promoted",
        {"plan": PLAN.model_dump(mode="json"), "alias": "champion"},
        "promoted m v2 to champion (switch revision 7)",
    ),
    (
        "closed",
        {"outcome": "rolled_back", "stage": "canary 5 %", "reason": "worse", "exposed_requests": 9},
        "closed the release at canary 5 %: rolled back – worse (9 requests answered by the "
        "candidate)",
    ),
    (
        "kill",
        {"model": "m", "to": "baseline", "reason": "smoke"},
        "killed m: baseline answers – smoke",
    ),
    ("moonwalk", {"reason": "unknown to this version"}, "moonwalk – unknown to this version"),
]


def entry(kind: str, payload: dict[str, Any], seq: int = 1) -> Entry:
    return Entry(seq=seq, kind=kind, actor="Ada", at=NOW, payload=payload)


def test_no_entries_no_story() -> None:
    assert why([]) == []


@pytest.mark.parametrize(("kind", "payload", "sentence"), TABLE, ids=[row[0] for row in TABLE])
def test_each_entry_is_one_sentence(kind: str, payload: dict[str, Any], sentence: str) -> None:
    (row,) = why([entry(kind, payload)])
    assert row.sentence() == sentence
    assert (row.seq, row.at, row.who) == (1, NOW, "Ada")


def test_the_story_is_in_the_order_of_the_record() -> None:
    """By seq, never by time: clocks may jump, the chain does not."""
    told = why([entry("kill", {}, seq=2), entry("alert", {}, seq=1)])
    assert [row.seq for row in told] == [1, 2]


NAMES = (
    "step plan evidence verdict sign_off sign_offs request roles observed reason look n champion "
    "ref effect lower seconds_to_zero_traffic exposed_requests weight_bp evidence_digest"
)
FIELDS = st.sampled_from(NAMES.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(LETTERS, max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(sorted(_KINDS)), st.dictionaries(FIELDS, JSON, max_size=5))
def test_no_payload_stops_the_story(kind: str, payload: dict[str, Any]) -> None:
    """An auditor sees every entry, even a malformed one."""
    (row,) = why([entry(kind, payload)])
    assert row.what
