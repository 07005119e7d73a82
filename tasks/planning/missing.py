"""Users of whom a metric was never posted, drawn by day and step.

Of each arm's own users, and from the canary on until everybody is answered by the candidate. A day
counts when it is too late for a value of its last user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.schema import Guardrail, ReleasePolicy
from policies.vocabulary import FULL_WEIGHT_BP, Step
from tasks.planning.assumed import Assumed
from tasks.planning.counted import Counted
from tasks.planning.streams import Waiting, users_of

if TYPE_CHECKING:
    from numpy.random import Generator


class Missing(Counted):
    """Counts as ``Counted`` weighs them, of users instead of requests."""

    def __init__(
        self, policy: ReleasePolicy, rail: Guardrail, assumed: Assumed, harm: float, rng: Generator
    ) -> None:
        super().__init__(policy, rail, assumed, harm, rng)
        self._users = assumed.users_per_hour
        self._waiting = Waiting(policy.labels.horizon_hours)

    def pass_time(self, begin: float, end: float, step: Step) -> None:
        if 0 < step.weight_bp < FULL_WEIGHT_BP:
            self._waiting.add(begin, end, step)

    def see(self, now: float) -> None:
        """A day on which nobody of either arm posted anything has no window."""
        for day, step, since, until in self._waiting.known(now):
            na, nb = users_of(self._users, step, since, until)
            xa, xb = self._drawn(step, na, nb)
            if xa + xb < na + nb:
                self._note(day, step, (na, xa, nb, xb))
                self.known += 1.0

    def rows_at(self, step: Step) -> int | None:
        """Users are no answers."""
        return None
