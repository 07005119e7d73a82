"""Is the split that users met the split that was asked for? If not, nothing can be compared.

Randomised units are counted where they are first asked for an answer at a step, whoever answers
in the end, against the candidate's weight there. The Dirichlet-multinomial Bayes factor of the
counts may be looked at after every unit (Lindon and Malek 2022, "Anytime-valid inference for
multinomial count data"). Its prior is centred at the weight; a sharp one (10,000 units' worth)
finds small leaks in large traffic, blunt ones find a gross mistake among a hundred units. All of
them are averaged, which is a Bayes factor again.

Each step is asked by itself, and the alarm is shared out evenly among the steps with a split. A
product over steps would be no e-process here: a unit that returns at the next step was dealt its
side by the same bucket, so a step's counts are not news given those before, while each by itself
is a fair draw. The greatest value so far counts: a split that was mended later mends no answer
of before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from policies.schema import ReleasePolicy
from policies.vocabulary import FULL_WEIGHT_BP, Counts, Evidence, Step, WindowPair
from tasks.evidence.summary import NO_COUNTS, merge_counts

NAME = "sample ratio"
ALARM = 1e-3  # chance of one false alarm in a release, however often it is looked at
CONCENTRATIONS = (10.0, 100.0, 1_000.0, 10_000.0)  # of the priors, in units
_ADVICE = (
    "Nothing of this release can be compared any more: roll it back, find what sends units "
    "elsewhere, and begin again."
)


@dataclass(frozen=True)
class Split:
    """What was counted at one step so far."""

    step: str
    share: float  # asked for
    units: int
    candidate: int
    log_e: float  # the greatest so far

    def told(self) -> str:
        seen = self.candidate / self.units
        return (
            f"{self.step}: {self.candidate:,} of {self.units:,} units were sent to the candidate, "
            f"{seen:.2%} where {self.share:.2%} was asked for"
        )


def is_split(step: Step) -> bool:
    """Whether some users meet the candidate there and others do not."""
    return 0 < step.weight_bp < FULL_WEIGHT_BP


def log_bayes_factor(
    counts: Sequence[int], shares: Sequence[float], concentration: float = 10_000.0
) -> float:
    """Log marginal likelihood of the counts, in whatever order, over that of the shares asked for.

    The prior is Dirichlet(concentration x shares); an arm each.
    """
    prior = [concentration * share for share in shares]
    seen = [a + n for a, n in zip(prior, counts, strict=True)]
    asked = math.fsum(n * math.log(p) for n, p in zip(counts, shares, strict=True))
    return _log_beta(seen) - _log_beta(prior) - asked


def log_e_split(champion: int, candidate: int, share: float) -> float:
    """Log of the mean Bayes factor over the priors."""
    counts, shares = (candidate, champion), (share, 1.0 - share)
    logs = [log_bayes_factor(counts, shares, c) for c in CONCENTRATIONS]
    top = max(logs)
    return top + math.log(math.fsum(math.exp(each - top) for each in logs) / len(logs))


def sample_ratio(policy: ReleasePolicy, step: Step, windows: Sequence[WindowPair]) -> Evidence:
    """The check at a step with a split, over this and all earlier ones."""
    planned = {each.name: each.weight_bp / FULL_WEIGHT_BP for each in policy.steps()
               if is_split(each)}  # fmt: skip
    limit = math.log(len(planned) / ALARM)
    found = [split for name, share in planned.items() if (split := _split(name, share, windows))]
    common = Evidence(
        name=NAME,
        kind="check",
        status="scarce",
        limit=limit / math.log(10.0),
        unit="powers of ten of evidence",
        method="beta-binomial, each step by itself",
        windows=tuple(sorted(windows, key=lambda w: (w.start, w.step))),
        detail=f"No answer at {step.name} says whose it was (unit), so the split is not shown.",
    )
    if not any(split.step == step.name for split in found):
        return common
    worst = max(found, key=lambda split: split.log_e)
    broken = worst.log_e >= limit
    return common.model_copy(
        update={
            "status": "invalid" if broken else "ok",
            "effect": worst.log_e / math.log(10.0),
            "n": sum(split.units for split in found),
            "detail": f"{worst.told()}. {_ADVICE}" if broken else f"{worst.told()}.",
        }
    )


def _split(name: str, share: float, windows: Sequence[WindowPair]) -> Split | None:
    days = sorted((w for w in windows if w.step == name), key=lambda w: w.start)
    sums: Mapping[str, list[Counts]] = {
        arm: list(accumulate((getattr(w, arm) or NO_COUNTS for w in days), merge_counts))
        for arm in ("champion", "candidate")
    }
    looks = [(a.n, b.n) for a, b in zip(sums["champion"], sums["candidate"], strict=True)]
    if not looks or sum(looks[-1]) == 0:
        return None
    champion, candidate = looks[-1]
    log_e = max(log_e_split(a, b, share) for a, b in looks)
    return Split(name, share, champion + candidate, candidate, log_e)


def _log_beta(parts: Sequence[float]) -> float:
    return math.fsum(math.lgamma(part) for part in parts) - math.lgamma(math.fsum(parts))
