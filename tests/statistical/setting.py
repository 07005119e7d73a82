"""What every simulation of releases assumes, in one frozen value with a digest.

Tables of error rates and the side-by-side of ``tests/benchmarks/judges.py`` print the digest:
two tables with the same one speak of the same releases. Nothing here depends on the machine.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Peeking:
    """Two equal arms of one metric, looked at after every hundredth of the rows."""

    rows_an_arm: int = 10_000
    looks: int = 100
    alpha: float = 0.05
    proportions: tuple[float, ...] = (0.01, 0.2)
    lognormal_sigmas: tuple[float, ...] = (1.0, 1.5)
    buyers: float = 0.05  # the rest spend nothing
    buyers_sigma: float = 2.0
    effects_in_sd: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2)
    proportion_effects: tuple[float, ...] = (0.25, 0.5, 1.0)  # of the rarer one


@dataclass(frozen=True)
class Release:
    """Error-rate guardrails through canary, ramp and soak, while the base rate drifts."""

    base_rates: tuple[float, ...] = (0.005, 0.01, 0.02, 0.05, 0.2)
    shares: tuple[float, ...] = (0.01, 0.05, 0.25, 0.5, 0.5)  # canary, ramp, soak
    windows_a_step: int = 20
    rows_a_window: int = 60_000  # of both models together
    drift: float = 2.2  # the last window's base rate as a multiple of the first's
    margin: float = 0.1  # of the champion's rate
    rollback_at: float = 0.04  # 0.4 of the margin
    alpha: float = 0.05  # false rollbacks
    beta: float = 0.05  # false promotions
    scales: tuple[float, ...] = (1.0, 0.05, 0.0025)  # of the information planned

    @property
    def windows(self) -> int:
        return self.windows_a_step * len(self.shares)

    @property
    def candidate_rows(self) -> tuple[int, ...]:
        """The candidate's rows in each window."""
        rows = [round(self.rows_a_window * share) for share in self.shares]
        return tuple(n for n in rows for _ in range(self.windows_a_step))

    @property
    def drifts(self) -> tuple[float, ...]:
        """The multiple of the base rate in each window: a straight line."""
        last = max(self.windows - 1, 1)
        return tuple(1 + (self.drift - 1) * w / last for w in range(self.windows))


@dataclass(frozen=True)
class Tail:
    """Answers whose hours are slow or fast for both models, and a quantile frozen before them."""

    quantile: float = 0.99
    before_days: int = 7
    rows_before: int = 2_000  # the fewest that may freeze it: twenty are above
    spread: float = 1.0  # of the logarithm of an hour's answers
    load: float = 0.1  # of the logarithm between hours
    median_ms: float = 40.0
    rows_a_window: int = 6_000  # an hour of both models together; steps as in ``Release``
    margin: float = 0.5  # of the champion's share of late answers
    rollback_at: float = 0.2
    alpha: float = 0.05


@dataclass(frozen=True)
class Harm:
    """What is true of a simulated candidate: each metric's rate over the champion's."""

    name: str
    ratios: tuple[float, ...]
    kind: str  # "none", "inside", "at the margin" or "harm": what a rule ought to do follows


HARMS = (
    Harm("A/A", (1, 1, 1, 1, 1), "none"),
    Harm("all 5 % better", (0.95, 0.95, 0.95, 0.95, 0.95), "none"),
    Harm("2 % metric +3 %", (1, 1, 1.03, 1, 1), "inside"),
    Harm("2 % metric +10 %", (1, 1, 1.1, 1, 1), "at the margin"),
    Harm(".5 % metric +10 %", (1.1, 1, 1, 1, 1), "at the margin"),
    Harm("2 % metric +25 %", (1, 1, 1.25, 1, 1), "harm"),
    Harm("2 % metric x2", (1, 1, 2, 1, 1), "harm"),
    Harm("1 % metric x2", (1, 2, 1, 1, 1), "harm"),
    Harm(".5 % metric x2", (2, 1, 1, 1, 1), "harm"),
)


@dataclass(frozen=True)
class Setting:
    """All of it; ``release`` is judged by the hour, ``fine`` by the minute."""

    peeking: Peeking = Peeking()
    release: Release = Release()
    fine: Release = Release(windows_a_step=200, rows_a_window=6_000)
    tail: Tail = Tail()
    harms: tuple[Harm, ...] = HARMS
    seed: int = 20130501

    def digest(self) -> str:
        """The same for the same numbers, on every machine."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


SETTING = Setting()


def digest() -> str:
    return SETTING.digest()
