"""The staging trial: everything that can be known before a user is affected."""

from __future__ import annotations

from flows.looks import broken, down
from flows.pages import report
from flows.trial import TIMED_CALLS, WORTH_OF_TRAFFIC, Checks, Measured, check_all
from policies.errors import EvidenceError, RefusedError, UnavailableError
from policies.lifecycle import Release
from policies.vocabulary import Evidence
from tasks.documents.task import draw_drift
from tasks.evaluation.task import (
    check_contract,
    check_parity,
    check_probabilities,
    check_scores,
    check_serving_path,
    check_signature,
)
from tasks.ledger.task import Log
from tasks.registry.task import champion_inputs, reference
from tasks.telemetry.ports import SampleRow
from tasks.telemetry.sampling import sample_evidence
from tasks.telemetry.task import sample
from tasks.traffic.task import check_fallback, check_loading, probe, probe_champion

CHECKS = Checks(
    contract=check_contract,
    signature=check_signature,
    serving_path=check_serving_path,
    probabilities=check_probabilities,
    parity=check_parity,
    scores=check_scores,
    fallback=check_fallback,
)


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
    artefact, inputs = state.artefact, [row.inputs for row in rows]
    offline = reference(artefact)
    asked = [row.inputs for row in offline]
    seen = Measured(
        rows=rows,
        reference=offline,
        champion_inputs=champion_inputs(state),
        champion=probe_champion(state, inputs),
        candidate=probe(
            state.model, "candidate", inputs, "recent traffic", timed_calls=TIMED_CALLS
        ),
        on_reference=probe(state.model, "candidate", asked, "reference rows"),
    )
    found = check_all(CHECKS, state.policy, artefact, seen)
    report(log, draw_drift(log.release_id, asked, inputs))
    return found
