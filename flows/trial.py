"""The order of the staging checks, whoever carries them out.

A release passes nodes of its graph, a rehearsal plain functions; what is measured and how it is
judged is the same. Nothing here needs the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from policies.schema import ReleasePolicy
from policies.vocabulary import Artefact, Evidence
from tasks.registry.reference import ReferenceRow
from tasks.telemetry.ports import SampleRow
from tasks.telemetry.sampling import days_of
from tasks.traffic.ports import Probe

TIMED_CALLS = 40
WORTH_OF_TRAFFIC = timedelta(days=31)


class Checks(NamedTuple):
    """Who answers each question."""

    contract: Callable[..., Evidence]
    signature: Callable[..., Evidence]
    serving_path: Callable[..., list[Evidence]]
    probabilities: Callable[..., Evidence]
    parity: Callable[..., list[Evidence]]
    scores: Callable[..., list[Evidence]]
    fallback: Callable[..., Evidence]


@dataclass(frozen=True)
class Measured:
    """What both models answered, and what they were asked."""

    rows: Sequence[SampleRow]
    reference: Sequence[ReferenceRow]
    champion_inputs: Mapping[str, str] | None  # None: a baseline rule
    champion: Probe
    candidate: Probe
    on_reference: Probe  # the candidate on its reference rows

    @property
    def inputs(self) -> list[dict[str, Any]]:
        return [row.inputs for row in self.rows]

    @property
    def champion_ms(self) -> tuple[float, ...]:
        """A rule answers at once; a model was timed by turns with the candidate."""
        if self.champion_inputs is None:
            return (0.0,) * len(self.candidate.latency_ms)
        return self.candidate.champion_ms


def check_all(
    do: Checks, policy: ReleasePolicy, artefact: Artefact, seen: Measured
) -> list[Evidence]:
    """Every check of staging, in the order in which people read them."""
    inputs, offline = seen.inputs, seen.reference
    old, new, online = seen.champion, seen.candidate, seen.on_reference
    return [
        do.contract(policy, inputs),
        do.signature(seen.champion_inputs, artefact, inputs),
        # Before parity: a model that raises shows no features, and its errors are the cause.
        *do.serving_path(
            policy,
            seen.champion_ms,
            new.latency_ms,
            new.memory_mb,
            new.errors,
            len(inputs),
            new.faults,
        ),
        # Before parity and scores: an answer that is a class fails both without telling why.
        do.probabilities(new.scores),
        *do.parity(
            policy,
            [row.seen for row in offline],
            online.features,
            [row.score for row in offline],
            online.scores,
        ),
        *do.scores(
            policy,
            inputs,
            [row.label for row in seen.rows],
            old.scores,
            new.scores,
            days_of(policy, seen.rows),
        ),
        do.fallback(old, len(inputs)),
    ]
