"""The offline trial's nodes on the release graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.drift import Drifted
from policies.schema import Distance, ReleasePolicy
from policies.vocabulary import Artefact, Evidence, Histogram
from tasks.connections import current
from tasks.evaluation import contract, drift, trial
from tasks.node import node

Rows = Sequence[dict[str, Any]]


@node("data contract", "does recent traffic keep the data contract?")
def check_contract(policy: ReleasePolicy, rows: Rows) -> Evidence:
    return trial.check_contract(current().contract, policy, rows)


@node("contract of a day", "do a day's requests keep the data contract?")
def check_day(policy: ReleasePolicy, rows: Rows) -> Evidence | None:
    """Without what counts rows: a day has as many as it has. ``None``: nothing is left to ask."""
    asked = [e for e in policy.staging.contract if not e.type.startswith("expect_table_row_count")]
    if not asked:
        return None
    return contract.contract_check(current().contract.validate(rows, asked), len(rows))


@node("scores", "is the candidate at least as good offline, slice by slice?")
def check_scores(
    policy: ReleasePolicy,
    rows: Rows,
    labels: Sequence[float | None],
    champion: Sequence[float | None],
    candidate: Sequence[float | None],
    days: Sequence[str],
) -> list[Evidence]:
    return trial.check_scores(policy, rows, labels, champion, candidate, days)


@node("probabilities", "does the candidate answer with probabilities?")
def check_probabilities(candidate: Sequence[float | None]) -> Evidence:
    return trial.check_probabilities(candidate)


@node("parity", "do offline and online agree on the reference rows?")
def check_parity(
    policy: ReleasePolicy,
    offline_features: Sequence[Mapping[str, Any]],
    online_features: Sequence[Mapping[str, Any]] | None,
    offline_scores: Sequence[float],
    online_scores: Sequence[float | None],
) -> list[Evidence]:
    return trial.check_parity(
        policy, offline_features, online_features, offline_scores, online_scores
    )


@node("serving path", "is it quick, small and free of errors on the serving path?")
def check_serving_path(
    policy: ReleasePolicy,
    champion_ms: Sequence[float],
    candidate_ms: Sequence[float],
    memory_mb: float | None,
    errors: int,
    rows: int,
    faults: Sequence[str] = (),
) -> list[Evidence]:
    return trial.check_serving_path(
        policy, champion_ms, candidate_ms, memory_mb, errors, rows, faults
    )


@node("signature", "can the candidate read what requests carry?")
def check_signature(
    champion: Mapping[str, str] | None, candidate: Artefact, rows: Rows
) -> Evidence:
    return trial.check_signature(champion, candidate, rows)


@node("drift", "how far have they moved?")
def measure_drift(
    distance: Distance, shapes: Sequence[tuple[Histogram, Histogram]]
) -> list[Drifted]:
    return [drift.measure(distance, reference, window) for reference, window in shapes]
