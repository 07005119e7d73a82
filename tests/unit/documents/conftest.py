"""One release as its ledger entries: staging, shadow, signatures, a canary that is rolled back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policies.loader import find
from policies.vocabulary import Entry, Evidence, Judged, Step, Verdict

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
ARTEFACT_DIGEST = "sha256:" + "a" * 64
SHADOW_DIGEST = "sha256:" + "c" * 64


def plan(step: Step) -> dict[str, Any]:
    ref = {"model": "delay", "version": "2"}
    return {
        "model": "delay",
        "champion": {"ref": ref | {"version": "1"}, "digest": "sha256:" + "b" * 64},
        "candidate": {"ref": ref, "digest": ARTEFACT_DIGEST},
        "weight_bp": step.weight_bp,
        "mirror": step.mirror,
        "step": step.name,
        "release_id": "rel-1",
    }


def looked(step: Step, items: list[Evidence], verdict: Verdict, digest: str) -> dict[str, Any]:
    return {
        "step": step.name,
        "stage": step.stage.value,
        "look": 3,
        "evidence": [item.plain() for item in items],
        "evidence_digest": digest,
        "verdict": verdict.plain(),
        "next_look": None,
    }


def verdict(decision: str, finding: str, reason: str, **found: str) -> Verdict:
    judged = [Judged.model_validate({"name": n.replace("_", " "), "finding": f, "reason": reason})
              for n, f in found.items()]  # fmt: skip
    return Verdict.model_validate(
        {"decision": decision, "finding": finding, "reason": reason, "judged": judged}
    )


STAGING = [
    Evidence(name="log loss", kind="check", effect=0.001, limit=0.02, n=4000),
    Evidence(
        name="log loss by origin",
        kind="check",
        effect=0.01,
        limit=0.05,
        n=4000,
        detail="Worst first: LGA +0.0100 (n 900).",
    ),
    Evidence(name="rollback target", kind="check", effect=0.0, limit=0.0, n=1),
]
QUALITY = Evidence(
    name="quality",
    kind="sequential",
    effect=-0.0123,
    lower=-0.02,
    upper=-0.004,
    margin=0.02,
    rollback_at=0.008,
    weight=0.5,
    log_e_harm=-3.0,
    log_e_safe=6.0,
    n=12345,
    clusters=14,
    unit="days",
)


@pytest.fixture
def entries() -> list[Entry]:
    return story()


def story(**tags: str) -> list[Entry]:
    loaded = find("medium")
    policy = loaded.policy
    staging, shadow, canary = policy.steps()[:3]
    found: list[Entry] = []

    def add(kind: str, hours: float, payload: dict[str, Any], *, move: bool = True) -> None:
        found.append(
            Entry(
                seq=len(found) + 11,
                kind=kind,
                move=move,
                release_id="rel-1",
                model="delay",
                actor="system:release" if move else "ann",
                at=BEGAN + timedelta(hours=hours),
                payload=payload,
                hash=f"hash-{len(found) + 11}",
            )
        )

    def enter(step: Step, hours: float) -> None:
        add("entering", hours, {"step": step.plain(), "plan": plan(step)})
        seen = {"replica": "gateway-1", "model": "delay", "revision": 4, "weight_bp": 0}
        observed = [seen | {"serving": {"candidate": ARTEFACT_DIGEST}, "mirror": True}]
        add("entered", hours, {"step": step.plain(), "plan": plan(step), "observed": observed})

    artefact = {
        "ref": {"model": "delay", "version": "2"},
        "digest": ARTEFACT_DIGEST,
        "inputs": {"dest": "string", "temp": "double"},
        "tags": tags,
        "run_id": "run-9",
        "trainer": "tom",
    }
    add(
        "opened",
        0,
        {
            "model": "delay",
            "version": "2",
            "requester": "rita",
            "artefact": artefact,
            "champion": plan(canary)["champion"],
            "previous": None,
            "policy": policy.policy,
            "policy_digest": loaded.digest,
            "policy_document": policy.model_dump(mode="json"),
            "versions": {"lifecycle": "1"},
        },
    )
    enter(staging, 0)
    passed = verdict("PASS", "safe", "All checks hold.", log_loss="safe", rollback_target="safe")
    add("looked", 1, looked(staging, STAGING, passed, "sha256:" + "d" * 64))
    enter(shadow, 2)
    passed = verdict("PASS", "safe", "Every guardrail is within its margin.", quality="safe")
    add("looked", 200, looked(shadow, [QUALITY], passed, SHADOW_DIGEST))
    request = {
        "request_id": "req-1",
        "nonce": "n" * 32,
        "release_id": "rel-1",
        "gate": "canary",
        "model": "delay",
        "version": "2",
        "artefact_digest": ARTEFACT_DIGEST,
        "evidence_digest": SHADOW_DIGEST,
        "policy_digest": loaded.digest,
        "requester": "rita",
        "trainer": "tom",
        "roles": {"peer": 1, "manager": 1},
        "asked_at": (BEGAN + timedelta(hours=200)).isoformat(),
        "expires_at": (BEGAN + timedelta(hours=272)).isoformat(),
    }
    add("asked", 200, {"request": request})
    sign_off = {
        "request_id": "req-1",
        "person": "ann",
        "role": "peer",
        "decision": "approve",
        "key_id": "SHA256:key",
        "signed_text": "…",
        "signature": "…",
    }
    add("vote", 201, {"sign_off": sign_off}, move=False)
    add("granted", 202, {"request_id": "req-1", "gate": "canary", "sign_offs": []})
    enter(canary, 202)
    harmful = verdict("ROLL BACK", "harmful", "quality is worse.", quality="harmful")
    add("looked", 230, looked(canary, [QUALITY], harmful, "sha256:" + "e" * 64))
    stop = {"reason": "quality is worse.", "finding": "harmful", "outcome": "rolled_back"}
    add("containing", 230, stop)
    add("contained", 230, {"revision": 5, "seconds_to_zero_traffic": 0.4, "observed": []})
    add(
        "closed",
        230,
        {
            "outcome": "rolled_back",
            "stage": canary.name,
            "finding": "harmful",
            "reason": "quality is worse.",
            "exposed_requests": 1234,
            "seconds_to_zero_traffic": 0.4,
        },
    )
    return found


@pytest.fixture
def make_story() -> Any:
    """Build the story with registry tags of your own."""
    return story
