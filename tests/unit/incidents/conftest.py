"""A release that was stopped at its canary, as ledger entries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policies.loader import find
from policies.vocabulary import Entry

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def entries() -> list[Entry]:
    loaded = find("medium")
    rules = loaded.policy.incident.model_copy(update={"sev1_from_bp": 2500, "sev2_from_bp": 1000})
    policy = loaded.policy.model_copy(update={"incident": rules})
    canary = policy.steps()[2]
    verdict = {"decision": "ROLL BACK", "finding": "harmful", "reason": "quality is worse."}
    told: list[tuple[str, float, str, dict[str, Any]]] = [
        (
            "opened",
            0,
            "system:release",
            {
                "model": "delay",
                "version": "2",
                "requester": "rita",
                "artefact": {
                    "ref": {"model": "delay", "version": "2"},
                    "digest": "sha256:" + "a" * 64,
                    "inputs": {"dest": "string"},
                },
                "policy": policy.policy,
                "policy_digest": loaded.digest,
                "policy_document": policy.model_dump(mode="json"),
                "versions": {},
            },
        ),
        ("entering", 1, "system:release", {"step": canary.plain(), "plan": plan(canary.weight_bp)}),
        (
            "entered",
            1,
            "system:release",
            {"step": canary.plain(), "plan": plan(canary.weight_bp), "observed": []},
        ),
        (
            "looked",
            7,
            "system:release",
            {
                "step": canary.name,
                "stage": "canary",
                "look": 1,
                "evidence": [],
                "evidence_digest": "sha256:" + "e" * 64,
                "verdict": verdict,
                "next_look": None,
            },
        ),
        (
            "containing",
            7.5,
            "system:release",
            {"reason": "quality is worse.", "finding": "harmful", "outcome": "rolled_back"},
        ),
        (
            "contained",
            8,
            "system:release",
            {"revision": 3, "seconds_to_zero_traffic": 0.31, "observed": []},
        ),
        ("quarantined", 8, "system:release", {"digest": "sha256:" + "a" * 64, "reason": "harmful"}),
        (
            "closed",
            9,
            "system:release",
            {
                "outcome": "rolled_back",
                "stage": canary.name,
                "finding": "harmful",
                "reason": "quality is worse.",
                "exposed_requests": 321,
                "seconds_to_zero_traffic": 0.31,
            },
        ),
    ]
    return [
        Entry(
            seq=seq,
            kind=kind,
            move=kind != "quarantined",
            release_id="rel-1",
            model="delay",
            actor=actor,
            at=BEGAN + timedelta(hours=hours),
            payload=payload,
        )
        for seq, (kind, hours, actor, payload) in enumerate(told, start=1)
    ]


def plan(weight_bp: int) -> dict[str, Any]:
    return {"model": "delay", "champion": None, "weight_bp": weight_bp, "mirror": True}
