"""The offline trial's nodes on the release graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.schema import ReleasePolicy
from policies.vocabulary import Artefact, Evidence
from tasks.connections import current
from tasks.evaluation import contract, parity, scores, serving, signature, slices
from tasks.node import node

Rows = Sequence[dict[str, Any]]


@node("data contract", "does recent traffic keep the data contract?")
def check_contract(policy: ReleasePolicy, rows: Rows) -> Evidence:
    lines = current().contract.validate(rows, policy.staging.contract)
    return contract.contract_check(lines, len(rows))


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
    rules, least = policy.staging.scores, policy.staging.min_labelled_rows
    paired = scores.labelled_scores(rules, rows, labels, champion, candidate, days)
    return [
        *scores.score_checks(rules, paired, min_rows=least),
        *slices.slice_checks(rules, paired, min_rows=least),
    ]


@node("parity", "do offline and online agree on the reference rows?")
def check_parity(
    policy: ReleasePolicy,
    offline_features: Sequence[Mapping[str, Any]],
    online_features: Sequence[Mapping[str, Any]] | None,
    offline_scores: Sequence[float],
    online_scores: Sequence[float | None],
) -> list[Evidence]:
    rules = policy.staging.parity
    return [
        parity.feature_parity(rules, offline_features, online_features),
        parity.score_parity(rules, offline_scores, online_scores),
    ]


@node("serving path", "is it quick, small and free of errors on the serving path?")
def check_serving_path(
    policy: ReleasePolicy,
    champion_ms: Sequence[float],
    candidate_ms: Sequence[float],
    memory_mb: float | None,
    errors: int,
    rows: int,
) -> list[Evidence]:
    rules = policy.staging.serving
    return [
        serving.error_check(errors, rows),
        serving.latency_check(rules, champion_ms, candidate_ms),
        serving.memory_check(rules, memory_mb),
    ]


@node("signature", "can the candidate read what requests carry?")
def check_signature(
    champion: Mapping[str, str] | None, candidate: Artefact, rows: Rows
) -> Evidence:
    return signature.input_compatibility(champion, candidate.inputs, rows)
