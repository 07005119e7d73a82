"""What becomes of many simulated releases of one kind, as shares."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from policies.schema import Guardrail, ReleasePolicy
from tasks.planning.assumed import Assumed
from tasks.planning.counted import margin_of
from tasks.planning.voyage import Voyage, sail
from tasks.planning.weighing import Cache

MULTIPLES = (0.5, 1.0, 1.5, 2.0, 3.0)  # of the margin: the harms that a plan tries
RARELY = 0.95  # "19 in 20"
Tick = Callable[[], None]


@dataclass(frozen=True)
class Fate:
    """``harm``: in margins of ``guardrail``; ``effect``: the same in the metric's unit."""

    guardrail: str
    harm: float
    effect: float
    runs: int
    promoted: float
    rolled_back: float
    held: float
    exposed_median: int
    exposed_mean: int
    exposed_most: int  # nineteen in twenty expose no more


@dataclass(frozen=True)
class Trial:
    """One kind of candidate: how many margins worse it is, by guardrail."""

    guardrail: str
    harm: float
    effect: float
    harms: Mapping[str, float]
    runs: int


def trials(
    policy: ReleasePolicy, assumed: Assumed, runs: int, multiples: Sequence[float] = MULTIPLES
) -> list[Trial]:
    """The sound one; every guardrail where a rollback is first allowed; each at several harms."""
    sound = assumed.sound
    border = {rail.name: rail.rollback_at / rail.margin for rail in policy.guardrails}
    found = [Trial("", 0.0, 0.0, sound, runs), Trial("every guardrail", 0.0, 0.0, border, runs)]
    for rail in policy.guardrails:
        better = rail.name in sound  # then no harm is a kind of its own
        for harm in (0.0, *multiples) if better else multiples:
            effect = harm * _margin(rail, assumed)
            found.append(Trial(rail.name, harm, effect, {**sound, rail.name: harm}, runs))
    return found


def _margin(rail: Guardrail, assumed: Assumed) -> float:
    base = assumed.base_rates.get(rail.name)
    return rail.margin if base is None else margin_of(rail, base)


def voyages(
    policy: ReleasePolicy,
    assumed: Assumed,
    asked: Sequence[Trial],
    seed: int,
    numbers: Sequence[int],
) -> list[list[Voyage]]:
    """For each trial its releases of these numbers.

    What was weighed for one trial serves the others of the same number, and no other number: so
    numbers can be shared out.
    """
    cache: Cache = {}
    return [
        [sail(policy, assumed, trial.harms, seed, number, cache) for number in numbers]
        for trial in asked
    ]


def fate(trial: Trial, ended: Sequence[Voyage]) -> Fate:
    outcomes = Counter(each.outcome for each in ended)
    exposed = sorted(each.exposed for each in ended)
    share = {name: count / len(ended) for name, count in outcomes.items()}
    return Fate(
        guardrail=trial.guardrail,
        harm=trial.harm,
        effect=trial.effect,
        runs=len(ended),
        promoted=share.get("promoted", 0.0),
        rolled_back=share.get("rolled back", 0.0),
        held=share.get("held", 0.0),
        exposed_median=round(at_share(exposed, 0.5)),
        exposed_mean=round(sum(exposed) / len(exposed)),
        exposed_most=round(at_share(exposed, RARELY)),
    )


def at_share(ordered: Sequence[float], share: float) -> float:
    """The least value that this share of them does not exceed."""
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def slack(share: float, runs: int) -> float:
    """Three standard errors of a simulated share; of none or all, what three in a row may hide."""
    inner = min(max(share, 1.0 / runs), 1.0 - 1.0 / runs)
    return 3.0 * math.sqrt(inner * (1.0 - inner) / runs)
