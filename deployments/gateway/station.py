"""One model's place in the gateway: what it was told, what it has loaded, what it serves.

A plan is in force as its revision only when every version in it is verified and loaded. Until
then the plan before goes on, except that the candidate's share never exceeds the new plan's,
and that a kill is obeyed at once: neither waits for anything to load.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deployments.gateway.breaker import CircuitBreaker
from deployments.gateway.variant import Key, LoadedVariant
from policies.errors import RefusedError
from policies.vocabulary import Serving, TrafficPlan, TrafficVariant
from tasks.traffic.flag import RULE, kill_of, plan_of

Load = Callable[[Key], LoadedVariant]
_RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)


@dataclass(frozen=True)
class Active:
    """What requests are answered with; replaced whole, never changed."""

    plan: TrafficPlan
    killed_to: str | None = None
    variants: Mapping[str, LoadedVariant] = field(default_factory=dict)
    opened: str | None = None  # why the circuit breaker has taken the candidate out
    revision: int = 0  # the last one in force with everything loaded
    refused: Mapping[str, str] = field(default_factory=dict)  # digest -> why it is not loaded
    error: str | None = None

    @property
    def weight_bp(self) -> int:
        return 0 if self.killed_to is not None or self.opened else self.plan.weight_bp

    @property
    def mirror(self) -> bool:
        return self.plan.mirror and self.killed_to is None and not self.opened

    def version(self, arm: str) -> str:
        variant = getattr(self.plan, arm, None)
        if isinstance(variant, TrafficVariant):
            return variant.ref.version
        return RULE if arm in ("champion", "baseline") else ""


class Station:
    def __init__(self, model: str, load: Load) -> None:
        self.model = model
        self.active: Active | None = None
        self._load = load
        self._loaded: dict[Key, LoadedVariant] = {}
        self._pending: dict[Key, asyncio.Future[LoadedVariant]] = {}
        self._loading: asyncio.Task[None] | None = None
        self._breaker: tuple[object, CircuitBreaker] | None = None  # of which trial

    def heard(self, active: Active, rows: int, bad: int) -> None:
        """What came of rows meant for the candidate of ``active``: its breaker may open."""
        if self._breaker is None or self._breaker[0] != _trial(active.plan):
            return
        breaker = self._breaker[1]
        breaker.count(rows, bad, time.monotonic())
        if breaker.opened and self.active is not None and self.active.opened is None:
            self.active = replace(self.active, opened=breaker.opened)

    def want(self, flag: Mapping[str, Any]) -> None:
        """Obey a checked flag: at once where nothing has to be loaded, else when it is."""
        plan, kill = plan_of(self.model, flag), kill_of(flag)
        killed_to = None if kill is None else kill.to
        if self._loading is not None:
            self._loading.cancel()
        wanted = _keys(plan, killed_to)
        missing = set(wanted.values()) - self._loaded.keys()
        if killed_to is not None:
            self._install(plan, killed_to, wanted, {})
        elif not missing:
            self._install(plan, None, wanted, {})
            return
        else:
            self._hold_back(plan)
            self._serve_meanwhile(plan, wanted)
        if missing:
            self._loading = asyncio.create_task(self._bring(plan, killed_to, wanted))

    def observe(self, replica: str, document_error: str | None) -> Serving:
        """What is really so: a variant whose process is away is not served."""
        active = self.active
        if active is None:
            plan = TrafficPlan(model=self.model, champion=None)
            active = Active(plan, error="loading")
        away = {name: variant.away for name, variant in active.variants.items() if variant.away}
        errors = [document_error, active.error, *(f"{name}: {why}" for name, why in away.items())]
        return Serving(
            replica=replica,
            model=self.model,
            revision=active.revision,
            serving=_serving(active, away),
            weight_bp=active.weight_bp,
            mirror=active.mirror,
            killed_to=active.killed_to,
            opened=active.opened,
            refused=dict(active.refused),
            error="; ".join(filter(None, errors)) or None,
        )

    async def close(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
        late = await asyncio.gather(*self._pending.values(), return_exceptions=True)
        for variant in late:
            if isinstance(variant, LoadedVariant):
                await asyncio.to_thread(variant.end)
        await asyncio.gather(*(asyncio.to_thread(item.end) for item in self._loaded.values()))

    async def _bring(
        self, plan: TrafficPlan, killed_to: str | None, wanted: Mapping[str, Key]
    ) -> None:
        """Load what is missing; again and again while something cannot be loaded."""
        for attempt in range(1_000_000):
            faults: dict[Key, str] = {}
            for key in dict.fromkeys(wanted.values()):
                if key not in self._loaded:
                    try:
                        await self._fetch(key)
                    except RefusedError as error:
                        faults[key] = str(error)
                    if killed_to is None:
                        self._serve_meanwhile(plan, wanted)
            self._install(plan, killed_to, wanted, faults)
            if not faults:
                return
            await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])

    async def _fetch(self, key: Key) -> None:
        """A load cannot be stopped half way: the next plan takes it over, or it is closed."""
        if key not in self._pending:
            self._pending[key] = asyncio.ensure_future(asyncio.to_thread(self._load, key))
        loading = self._pending[key]
        try:
            self._loaded[key] = await asyncio.shield(loading)
        finally:
            if loading.done():
                self._pending.pop(key, None)

    def _install(
        self,
        plan: TrafficPlan,
        killed_to: str | None,
        wanted: Mapping[str, Key],
        faults: Mapping[Key, str],
    ) -> None:
        before = self.active.revision if self.active is not None else 0
        variants = {name: self._loaded[key] for name, key in wanted.items() if key in self._loaded}
        told = [
            f"{name} is not loaded: {faults[key]}" for name, key in wanted.items() if key in faults
        ]
        complete = len(variants) == len(wanted)
        self._begin_breaker(plan)
        self.active = Active(
            plan=plan,
            killed_to=killed_to,
            variants=variants,
            opened=self._breaker[1].opened if self._breaker else None,
            revision=plan.revision if complete or killed_to is not None else before,
            refused={key.digest: fault for key, fault in faults.items()},
            error="; ".join(told) or None,
        )
        for key in self._loaded.keys() - set(wanted.values()):
            self._loaded.pop(key).close()
        for key in self._pending.keys() - set(wanted.values()):
            self._pending.pop(key).add_done_callback(_close_unwanted)

    def _begin_breaker(self, plan: TrafficPlan) -> None:
        """Once open it stays so through all steps of the same trial; another one begins anew."""
        trial = _trial(plan)
        if trial is None or plan.breaker is None:
            self._breaker = None
        elif self._breaker is None or self._breaker[0] != trial:
            self._breaker = (trial, CircuitBreaker(plan.breaker))

    def _serve_meanwhile(self, plan: TrafficPlan, wanted: Mapping[str, Key]) -> None:
        """Where nobody is served by a plan yet, the champion need not wait for the candidate."""
        served = self.active is not None and self.active.killed_to is None
        needed = {key for name, key in wanted.items() if name != "candidate"}
        if served or not needed <= self._loaded.keys():
            return
        idle = plan.model_copy(update={"weight_bp": 0, "mirror": False})
        self._install(idle, None, wanted, {})

    def _hold_back(self, plan: TrafficPlan) -> None:
        """While the new plan loads: no more traffic for a candidate than both plans allow."""
        if self.active is None:
            return
        held = self.active.plan
        same = held.candidate == plan.candidate
        weight_bp = min(held.weight_bp, plan.weight_bp) if same else 0
        mirror = held.mirror and plan.mirror and same
        update = {"weight_bp": weight_bp, "mirror": mirror}
        self.active = replace(self.active, plan=held.model_copy(update=update))


def _trial(plan: TrafficPlan) -> object:
    """Which candidate is on trial, for which release and by which rules; ``None`` without one."""
    if plan.candidate is None:
        return None
    return plan.candidate.digest, plan.release_id, plan.breaker


def _keys(plan: TrafficPlan, killed_to: str | None) -> dict[str, Key]:
    """What has to be loaded for a plan. A killed model's candidate is not: it is out."""
    keys = {}
    for name in ("champion", "candidate", "previous"):
        variant: TrafficVariant | None = getattr(plan, name)
        if variant is not None and not (name == "candidate" and killed_to is not None):
            keys[name] = Key(variant.digest, isolated=name == "candidate")
    return keys


def _serving(active: Active, away: Mapping[str, str | None]) -> dict[str, str]:
    serving = {
        name: variant.key.digest for name, variant in active.variants.items() if name not in away
    }
    if active.plan.baseline is not None:
        serving["baseline"] = RULE
        if active.plan.champion is None:
            serving["champion"] = RULE
    return serving


def _close_unwanted(loading: asyncio.Future[LoadedVariant]) -> None:
    if not loading.cancelled() and loading.exception() is None:
        loading.result().close()
