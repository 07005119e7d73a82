"""Releases of a demo as its ledger recorded them; and how they might have gone on otherwise."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from policies.vocabulary import Entry
from tasks.ledger import chain

LEDGER = Path(__file__).parent / "demo-ledger.jsonl.gz"
BETTER, UNIT_BUG = "flight-delay-better", "flight-delay-unit-bug"


@cache
def ledger() -> tuple[Entry, ...]:
    """Every entry of the demo, its chain verified."""
    lines = [json.loads(line) for line in gzip.decompress(LEDGER.read_bytes()).splitlines()]
    chain.verify((line["canon"], line["hash"]) for line in lines)
    return tuple(chain.read(line["canon"], line["hash"]) for line in lines)


def released() -> list[Entry]:
    return [e for e in ledger() if e.model == BETTER and e.release_id]


def refused() -> list[Entry]:
    return [e for e in ledger() if e.model == UNIT_BUG and e.release_id]


def in_canary() -> list[Entry]:
    """The same release as it stood after its fourth look at the canary."""
    return _until(released(), "canary 5 %", 4)


def by_group() -> list[Entry]:
    """The same release, had the three airports been looked at each by itself."""
    entries = []
    for entry in released():
        payload = entry.payload
        if entry.kind == "looked" and payload["stage"] != "staging":
            whole = payload["evidence"][0]
            groups = [
                whole | {"name": f"quality · origin {each}", "margin": 0.08, "weight": 0.1}
                for each in ("EWR", "JFK", "LGA")
            ]
            payload = payload | {"evidence": [*payload["evidence"], *groups]}
        entries.append(entry.model_copy(update={"payload": payload}))
    return entries


def asking() -> list[Entry]:
    """The same release while one of two people has signed."""
    entries = released()
    place = next(n for n, entry in enumerate(entries) if entry.kind == "vote")
    return entries[: place + 1]


def rolled_back() -> list[Entry]:
    """The same release, had its quality been harmful at the fourth look at 25 %."""
    entries = _until(released(), "ramp 25 %", 4)
    look = entries[-1]
    payload = json.loads(json.dumps(look.payload))
    quality = payload["evidence"][0]
    quality |= {"effect": 0.0412, "lower": 0.0151, "upper": 0.0733, "log_e_harm": 4.2}
    why = (
        "quality is worse than 0.008 allows: effect +0.0412 (+0.0151 to +0.0733), 27851 rows in "
        "31 days; harm e-value 40.2 of 20 needed."
    )
    verdict = payload["verdict"]
    verdict |= {"decision": "ROLL BACK", "finding": "harmful", "reason": why}
    verdict["judged"][0] |= {"finding": "harmful", "reason": why}
    ends = {"seconds_to_zero_traffic": 0.118}
    stop = {"reason": why, "finding": "harmful", "outcome": "rolled_back"}
    found = [*entries[:-1], look.model_copy(update={"payload": payload})]
    _add(found, "containing", stop, move=True)
    _add(found, "contained", ends | {"revision": 6, "observed": []}, move=True)
    _add(found, "quarantined", {"digest": "sha256:" + "5" * 64, "reason": why})
    incident = {
        "incident_id": "inc-4f93a63e",
        "severity": "SEV2",
        "severity_reason": "It answered 25 % of the traffic when it was stopped (SEV2 from 5 %).",
        "title": f"{BETTER} v2 stopped at ramp 25 %",
        "reason": why,
        "on_call": "flight-operations-on-call",
        "runbook": "docs/guides/on-call.md",
        "opened_at": found[-1].at.isoformat(),
    }
    _add(found, "incident", incident)
    told = {"incident_id": "inc-4f93a63e", "where": "slack:#releases", "title": "SEV2"}
    _add(found, "notified", told)
    closed = stop | ends | {"stage": "ramp 25 %", "exposed_requests": 1190}
    _add(found, "closed", closed, move=True)
    return found


def _until(entries: list[Entry], step: str, number: int) -> list[Entry]:
    for place, entry in enumerate(entries):
        data = entry.payload
        if entry.kind == "looked" and (data["step"], data["look"]) == (step, number):
            return entries[: place + 1]
    raise AssertionError(step)


def _add(entries: list[Entry], kind: str, payload: dict[str, Any], *, move: bool = False) -> None:
    last = entries[-1]
    recorded = (last.recorded_at or last.at) + timedelta(seconds=0.2)
    more = {
        "seq": last.seq + 1,
        "kind": kind,
        "move": move,
        "actor": "system:release",
        "payload": payload,
        "recorded_at": recorded,
    }
    entries.append(last.model_copy(update=more))
