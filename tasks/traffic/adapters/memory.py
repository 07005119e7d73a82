"""The switch and the serving processes in memory: a plan that is applied is served at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from policies.errors import RefusedError, UnavailableError
from policies.vocabulary import Serving, TrafficPlan, TrafficVariant
from tasks.traffic import document as documents
from tasks.traffic.flag import RULE, flag_of, kill_of, plan_of
from tasks.traffic.ports import Probe

Score = Callable[[TrafficVariant, dict[str, Any]], float | None]  # None: the model failed
Features = Callable[[TrafficVariant, dict[str, Any]], dict[str, Any]]


class MemoryRouter:
    """Router over a document that lives as long as the object."""

    def __init__(self) -> None:
        self._document = documents.empty()
        self._lock = Lock()

    def apply(self, plan: TrafficPlan, *, after: int | None = None) -> TrafficPlan:
        with self._lock:
            self._document, published = documents.apply(self._document, plan, after)
            return published

    def current(self, model: str) -> TrafficPlan | None:
        flag = self._document["flags"].get(model)
        return None if flag is None else plan_of(model, flag)

    def kill(self, model: str, to: str | None, reason: str, actor: str) -> TrafficPlan:
        with self._lock:
            self._document, plan = documents.kill(self._document, model, to, reason, actor)
            return plan

    def restore(self, model: str, actor: str, *, after: int | None = None) -> TrafficPlan:
        with self._lock:
            self._document, plan = documents.restore(self._document, model, after)
            return plan

    def killed_to(self, model: str) -> str | None:
        flag = self._document["flags"].get(model)
        kill = None if flag is None else kill_of(flag)
        return None if kill is None else kill.to


class MemoryServingPlane:
    """One replica that serves what the router holds; the models are the function ``score``.

    ``features`` stands for models that can show what they saw. ``fail`` makes every call
    ``UnavailableError``, as when the processes are gone. ``refused`` names the digests that
    cannot be loaded, and why.
    """

    def __init__(
        self,
        router: MemoryRouter,
        score: Score,
        *,
        features: Features | None = None,
        latency_ms: float = 5.0,
        memory_mb: float = 50.0,
    ) -> None:
        self._router = router
        self._score = score
        self._features = features
        self._latency_ms = latency_ms
        self._memory_mb = memory_mb
        self.fail = False
        self.refused: dict[str, str] = {}
        self.opened: str | None = None  # why its circuit breaker is open, until the next candidate

    def observe(self, model: str) -> Sequence[Serving]:
        plan = self._plan(model)
        killed_to = self._router.killed_to(model)
        serving = _serving(plan)
        refused = {d: why for d, why in self.refused.items() if d in serving.values()}
        opened = self.opened if plan.candidate is not None else None
        out = killed_to or opened
        return (
            Serving(
                replica="memory",
                model=model,
                revision=0 if refused else plan.revision,
                serving={name: d for name, d in serving.items() if d not in refused},
                weight_bp=0 if out else plan.weight_bp,
                mirror=plan.mirror and not out,
                killed_to=killed_to,
                opened=opened,
                refused=refused,
            ),
        )

    def heard(self, model: str) -> Sequence[Serving]:
        return () if self.fail or self._router.current(model) is None else self.observe(model)

    def probe(
        self, model: str, variant: str, rows: Sequence[dict[str, Any]], *, timed_calls: int = 0
    ) -> Probe:
        plan = self._plan(model)
        found = getattr(plan, variant, None)
        if not isinstance(found, TrafficVariant):
            raise RefusedError(
                f"{model} has no model behind {variant}.", advice="Apply a plan that names it."
            )
        scores = tuple(self._score(found, row) for row in rows)
        return Probe(
            scores=scores,
            features=None
            if self._features is None
            else tuple(self._features(found, row) for row in rows),
            latency_ms=(self._latency_ms,) * timed_calls,
            champion_ms=(self._latency_ms,) * (timed_calls if plan.champion else 0),
            errors=sum(score is None for score in scores),
            memory_mb=self._memory_mb,
            digest=found.digest,
        )

    def _plan(self, model: str) -> TrafficPlan:
        plan = None if self.fail else self._router.current(model)
        if plan is None:
            raise UnavailableError(f"Nothing serves {model}.", advice="Is the gateway running?")
        return plan


def _serving(plan: TrafficPlan) -> dict[str, str]:
    """Variant name to digest, as the gateway reports it: the rule has the digest ``rule``."""
    variants: dict[str, dict[str, Any]] = flag_of(plan)["variants"]
    return {
        name: str(value.get("digest", RULE)) for name, value in variants.items() if name != "error"
    }
