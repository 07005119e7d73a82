"""What the release needs from the switch and from the processes that serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from policies.vocabulary import Serving, TrafficPlan, Value


class Probe(Value):
    """What one variant answered to sample rows on the real serving path."""

    scores: tuple[float | None, ...]  # one a row; None where it failed
    features: tuple[dict[str, Any], ...] | None  # what the model saw, where it can tell
    latency_ms: tuple[float, ...]  # per call, warm, one row a call
    champion_ms: tuple[float, ...] = ()  # the champion's, timed by turns with ``latency_ms``
    errors: int
    memory_mb: float | None
    digest: str
    faults: tuple[str, ...] = ()  # some of what went wrong, each once


class Router(Protocol):
    """The switch. ``apply`` returns the plan with its revision; belief comes from ``observe``."""

    def apply(self, plan: TrafficPlan, *, after: int | None = None) -> TrafficPlan:
        """Validate and publish atomically. Idempotent: the plan already published is kept.

        ``after``: the revision the caller decided on (0: none yet). When somebody has published
        since, ``StaleMoveError`` and nothing changes; only containment leaves it out.
        ``RefusedError`` for a plan that is wrong, or while the model is killed.
        """

    def current(self, model: str) -> TrafficPlan | None:
        """The published plan, ``None`` when there is none."""

    def kill(self, model: str, to: str | None, reason: str, actor: str) -> TrafficPlan:
        """Out of service now: ``to`` answers, or what follows it in the policy's chain (None: the
        first of the chain that is there).

        Outranks every revision until ``restore``. Never needs anything but the flag document.
        """

    def restore(self, model: str, actor: str, *, after: int | None = None) -> TrafficPlan:
        """Lift the kill. ``after``: only the one published as this revision, as for ``apply``."""

    def killed_to(self, model: str) -> str | None: ...


class ServingPlane(Protocol):
    """The processes that answer. ``UnavailableError`` when they do not."""

    def observe(self, model: str) -> Sequence[Serving]:
        """What every replica reports. An empty answer is ``UnavailableError``."""

    def heard(self, model: str) -> Sequence[Serving]:
        """What those replicas report that answer: enough to see harm, never to go on."""

    def probe(
        self, model: str, variant: str, rows: Sequence[dict[str, Any]], *, timed_calls: int = 0
    ) -> Probe:
        """Score rows with one variant without serving anybody and without logging.

        ``timed_calls``: how many one-row calls to time after warming up, by turns with as many of
        the champion's: what else the machine does then slows both.
        """
