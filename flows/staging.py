"""The staging trial: everything that can be known before a user is affected."""

from __future__ import annotations

from datetime import timedelta

from flows.looks import broken, down
from flows.pages import report
from policies.errors import EvidenceError, RefusedError, UnavailableError
from policies.lifecycle import Release
from policies.vocabulary import Evidence
from tasks.documents.task import draw_drift
from tasks.evaluation.task import (
    check_contract,
    check_parity,
    check_scores,
    check_serving_path,
    check_signature,
)
from tasks.ledger.task import Log
from tasks.registry.task import champion_inputs, reference
from tasks.telemetry.ports import SampleRow
from tasks.telemetry.task import days_of, sample, sample_evidence
from tasks.traffic.task import check_fallback, check_loading, probe, probe_champion

TIMED_CALLS = 40
WORTH_OF_TRAFFIC = timedelta(days=31)


def trial(log: Log, state: Release) -> list[Evidence]:
    """Every staging check, on recent traffic and on the real serving path."""
    if state.plan is None:
        return []
    try:
        loading = check_loading(state.plan)
        if loading.effect:
            return [loading]
        now = log.now()
        rows = sample(state.model, state.policy, now - WORTH_OF_TRAFFIC, now)
        enough = sample_evidence(state.policy, rows)
        if enough.status != "ok":
            return [loading, enough]
        return [loading, enough, *checks(log, state, rows)]
    except UnavailableError as error:
        return [down("staging", error)]
    except (RefusedError, EvidenceError) as error:
        return [broken("staging", error)]


def checks(log: Log, state: Release, rows: list[SampleRow]) -> list[Evidence]:
    if state.artefact is None:
        return []
    policy, artefact = state.policy, state.artefact
    inputs, labels = [row.inputs for row in rows], [row.label for row in rows]
    offline = reference(artefact)
    old = probe_champion(state, inputs, timed_calls=TIMED_CALLS)
    new = probe(state.model, "candidate", inputs, "recent traffic", timed_calls=TIMED_CALLS)
    online = probe(state.model, "candidate", [row.inputs for row in offline], "reference rows")
    found = [
        check_contract(policy, inputs),
        check_signature(champion_inputs(state), artefact, inputs),
        # Before parity: a model that raises shows no features, and its errors are the cause.
        *check_serving_path(
            policy, old.latency_ms, new.latency_ms, new.memory_mb, new.errors, len(rows)
        ),
        *check_parity(
            policy,
            [row.features for row in offline],
            online.features,
            [row.score for row in offline],
            online.scores,
        ),
        *check_scores(policy, inputs, labels, old.scores, new.scores, days_of(policy, rows)),
        check_fallback(old, len(rows)),
    ]
    report(log, draw_drift(log.release_id, [row.inputs for row in offline], inputs))
    return found
