"""The staging checks as plain functions: a release makes nodes of them, a rehearsal calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.schema import ReleasePolicy
from policies.vocabulary import Artefact, Evidence
from tasks.evaluation import contract, gaps, parity, scores, serving, signature, slices
from tasks.evaluation.ports import DataContract

Rows = Sequence[dict[str, Any]]


def check_contract(checker: DataContract, policy: ReleasePolicy, rows: Rows) -> Evidence:
    lines = checker.validate(rows, policy.staging.contract)
    return contract.contract_check(lines, len(rows))


def check_signature(
    champion: Mapping[str, str] | None, candidate: Artefact, rows: Rows
) -> Evidence:
    return signature.input_compatibility(champion, candidate.inputs, rows, candidate.optional)


def check_serving_path(
    policy: ReleasePolicy,
    champion_ms: Sequence[float],
    candidate_ms: Sequence[float],
    memory_mb: float | None,
    errors: int,
    rows: int,
    faults: Sequence[str] = (),
) -> list[Evidence]:
    rules = policy.staging.serving
    return [
        serving.error_check(errors, rows, faults),
        serving.latency_check(rules, champion_ms, candidate_ms),
        serving.memory_check(rules, memory_mb),
    ]


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


def check_scores(
    policy: ReleasePolicy,
    rows: Rows,
    labels: Sequence[float | None],
    champion: Sequence[float | None],
    candidate: Sequence[float | None],
    days: Sequence[str],
) -> list[Evidence]:
    rules, least = policy.staging.scores, policy.staging.min_labelled_rows
    columns = gaps.gap_columns(policy.guardrails)
    paired = scores.labelled_scores(rules, rows, labels, champion, candidate, days, columns)
    return [
        *scores.score_checks(rules, paired, min_rows=least),
        *slices.slice_checks(rules, paired, min_rows=least),
        *gaps.gap_checks(rules, policy.guardrails, paired, min_rows=least),
    ]


def check_probabilities(candidate: Sequence[float | None]) -> Evidence:
    return scores.probability_check(candidate)
