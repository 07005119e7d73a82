"""A whole world in memory: a score on two numbers, its traffic, and a clock that leaps.

Nothing here has to do with any real model. The truth is ``sigmoid(2 (x - y))``; a version is a
folder with ``model.json``: how steep its curve is (None: it always fails), the share of
traffic from which it fails, the factor by which its serving transform is wrong, and a side on
which it sees nothing. Traffic is
made while the clock leaps, by the plan the switch holds at that moment, the same rows in every
run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Literal, cast
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.flow_engine import run_flow

from deployments.cli.releasing import adopt_champion
from flows.release import release
from policies.errors import UnavailableError
from policies.vocabulary import Artefact, Entry, Lease, ModelRef, TrafficPlan, TrafficVariant
from tasks.connections import Settings, World
from tasks.documents.files import replace_text
from tasks.evaluation.adapters.memory import MemoryContract
from tasks.ledger.adapters.memory import MemoryLedger
from tasks.notify.adapters.memory import MemoryNotifier
from tasks.orchestrator.adapters.memory import MemoryOrchestrator
from tasks.registry.adapters.memory import MemoryRegistry
from tasks.telemetry.adapters.memory import MemoryTelemetry
from tasks.traffic.adapters.memory import MemoryRouter, MemoryServingPlane
from tasks.traffic.audience import belongs
from tasks.traffic.split import goes_to_candidate

MODEL = "score"
CATALOG = Path(__file__).parent / "catalog"
START = datetime(2024, 1, 1, tzinfo=UTC)
LIVED = timedelta(days=2)  # of the champion's own traffic, before anything is released
EVERY = timedelta(minutes=20)
UNSET = "sha256:" + "0" * 64
Row = dict[str, Any]
Takes = Callable[[str, int], float]  # of which arm, at which minute


class ProcessDied(BaseException):
    """The process of a run ends here, as with kill -9: nobody catches it."""


def die() -> None:
    raise ProcessDied


@dataclass(frozen=True)
class Moment:
    """Just before or just after the first entry of a kind (at a step) is written."""

    when: Literal["before", "after"]
    kind: str
    step: str | None = None

    def is_now(self, entry: Entry, when: str) -> bool:
        step = entry.payload.get("step")
        name = step["name"] if isinstance(step, dict) else step
        return entry.kind == self.kind and when == self.when and self.step in (None, name)

    def __str__(self) -> str:
        return f"{self.when} {self.kind}" + (f" at {self.step}" if self.step else "")


class WatchedLedger(MemoryLedger):
    """Remembers like any other; at chosen moments something happens in the world, once."""

    def __init__(self) -> None:
        super().__init__()
        self._then: dict[Moment, Callable[[], object]] = {}

    def at(self, moment: Moment, then: Callable[[], object]) -> None:
        self._then[moment] = then

    def move(self, entry: Entry, lease: Lease, after: int) -> Entry:
        self._tell(entry, "before")
        written = super().move(entry, lease, after)
        self._tell(entry, "after")
        return written

    def append(self, fact: Entry) -> Entry:
        self._tell(fact, "before")
        written = super().append(fact)
        self._tell(fact, "after")
        return written

    def _tell(self, entry: Entry, when: str) -> None:
        for moment in [each for each in self._then if each.is_now(entry, when)]:
            self._then.pop(moment)()


class WatchedRouter(MemoryRouter):
    """Keeps every plan that was published; ``away`` times it cannot be written."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[TrafficPlan] = []
        self.away = 0
        self.tried = 0

    def apply(self, plan: TrafficPlan, *, after: int | None = None) -> TrafficPlan:
        self.tried += 1
        if self.away > 0:
            self.away -= 1
            raise UnavailableError("The flag document cannot be written.", advice="Mount it.")
        before = self.current(plan.model)
        done = super().apply(plan, after=after)
        if before is None or done.revision != before.revision:
            self.published.append(done)
        return done


class PlainPage:
    """A drift page that shows nothing; only that it was drawn matters here."""

    def draw(self, reference: Sequence[Row], current: Sequence[Row], to: Path) -> Path:
        replace_text(to, f"{len(reference)} against {len(current)} rows")
        return to


@dataclass
class LeapingClock:
    """Waiting costs no time: whoever asks how long it takes is there."""

    live: Callable[[datetime], None]
    moment: datetime = START
    leaps: bool = True

    def now(self, model: str) -> datetime:
        return self.moment

    def real_seconds_until(self, model: str, moment: datetime) -> float:
        if self.leaps and moment > self.moment:
            self.live(moment)
        return 0.0 if self.leaps else max(0.0, (moment - self.moment).total_seconds())


@dataclass
class Happening:
    """Something that happens at a step, once its plan has seen ``rows`` requests."""

    step: str
    does: Callable[[], object]
    rows: int = 10


class MemoryWorld(World):
    """Every adapter of this world lives and dies with the test."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.settings = Settings(
            prefect_api="http://memory",
            prefect_ui="http://memory",
            mlflow_uri="memory:",
            control_url="http://memory",
            gateway_urls=(),
            park_after_seconds=math.inf,
            catalog=str(CATALOG),
        )
        self.clock = LeapingClock(self._live_until)
        self.ledger = WatchedLedger()
        self.registry = MemoryRegistry(home / "store")
        self.router = WatchedRouter()
        self.serving = MemoryServingPlane(self.router, self.answer, features=self.features)
        self.telemetry = MemoryTelemetry()
        self.contract = MemoryContract()
        self.drift_page = PlainPage()
        self.notifier = MemoryNotifier()
        self.orchestrator = MemoryOrchestrator()
        self.happenings: list[Happening] = []
        self.unit_of: Callable[[int], str] = lambda number: f"u{number}"
        self.earns: Callable[[str, str], float] | None = None  # an answer of this arm, to a unit
        self.unheard = ""  # the arm of whose users nobody hears what happened
        self.lost: Callable[[str, int], bool] = lambda _, __: False  # values that never come
        self.metric = "revenue"  # as it is posted
        self.strays: Callable[[int], bool] = lambda _: False  # sent to the champion all the same
        self.unlogged: Callable[[int], bool] = lambda _: False  # lines that reached no file
        self.takes: Takes = lambda _, __: 5.0  # milliseconds of an arm
        self.every = EVERY
        self.frozen: Row = {}  # what a feed that has stopped sends
        self._next = START
        self._seen_at: dict[str, int] = {}

    # ── releasing ───────────────────────────────────────────────────────────────────────────

    def release(self, version: str = "2", **more: Any) -> Told:
        """One run of the release flow, in this process, to its end."""
        return self.told(self.try_release(version, **more))

    def try_release(self, version: str = "2", **more: Any) -> State[Any]:
        """The same, for a release that may not even open."""
        asked = {"model": MODEL, "version": version, "requester": "erin", "policy": "score"} | more
        return release(**asked, return_state=True)

    def told(self, state: State[Any]) -> Told:
        entries = self.ledger.entries()
        last = [e for e in entries if e.kind in ("opened", "attached")][-1]
        ours = [e for e in entries if e.release_id == last.release_id]
        return Told(last.release_id or "", ours, state)

    @property
    def plan(self) -> TrafficPlan:
        plan = self.router.current(MODEL)
        assert plan is not None
        return plan

    @property
    def alias(self) -> str:
        return str(self.registry.champion(MODEL))

    # ── what is registered ──────────────────────────────────────────────────────────────────

    def register(self, version: str, **knobs: Any) -> ModelRef:
        """A version with its reference sample, as its trainer computed it."""
        model = {"version": version, "slope": 1.0, "fails_from_bp": 10_001, "unit": 1.0}
        model |= {"blind": "", "fails_one_in": 1, "turns_at_bp": 10_001} | knobs
        folder = self.home.path / "models" / version
        (folder / "reference").mkdir(parents=True)
        (folder / "model.json").write_text(json.dumps(model))
        rows = [row for row, _ in (row_of(-n) for n in range(1, 41))]
        sample = [
            {
                "inputs": r,
                "features": {"gap": gap(r)},
                "score": 0.5
                if r["side"] == model["blind"]
                else score(model["slope"] or 1.0, gap(r)),
            }
            for r in rows
        ]
        lines = "".join(json.dumps(line) + "\n" for line in sample)
        (folder / "reference" / "rows.jsonl").write_text(lines)
        ref = ModelRef(model=MODEL, version=version)
        inputs = {"x": "double", "y": "double"}
        self.registry.add(folder, Artefact(ref=ref, digest=UNSET, inputs=inputs, trainer="tom"))
        return ref

    def overwrite(self, version: str) -> str:
        """Put other files in the place of a registered version's; returns their digest."""
        (self.home.path / "models" / version / "model.json").write_text("{}")
        return self.digest(version)

    def adopt(self, version: str | None = "1", rule: float | None = None) -> None:
        """Put a champion in service, and live two days with it."""
        adopt_champion(self, MODEL, version, rule, "ada")
        self.clock.real_seconds_until(MODEL, self.clock.now(MODEL) + LIVED)

    # ── what serves ─────────────────────────────────────────────────────────────────────────

    def answer(self, variant: TrafficVariant, row: Row) -> float | None:
        model = self._model(variant.digest)
        if model["slope"] is None:
            return None
        if row["side"] == model["blind"]:
            return 0.5
        return score(model["slope"], gap(row) * model["unit"])

    def features(self, variant: TrafficVariant, row: Row) -> Row:
        return {"gap": gap(row) * self._model(variant.digest)["unit"]}

    def fails(self, candidate: TrafficVariant, weight_bp: int, number: int) -> bool:
        model = self._model(candidate.digest)
        return bool(weight_bp >= model["fails_from_bp"] and number % model["fails_one_in"] == 0)

    def turns(self, candidate: TrafficVariant, weight_bp: int) -> bool:
        return bool(weight_bp >= self._model(candidate.digest)["turns_at_bp"])

    def digest(self, version: str) -> str:
        return self.registry.digest_now(ModelRef(model=MODEL, version=version))

    def _model(self, digest: str) -> dict[str, Any]:
        return _read(self.registry.path_of(digest) / "model.json")

    # ── what passes while the clock leaps ───────────────────────────────────────────────────

    def _live_until(self, moment: datetime) -> None:
        """Every request up to ``moment``, or up to a happening: then the world is there."""
        while self._next < moment:
            at, self._next = self._next, self._next + self.every
            step = self._request(at)
            seen = self._seen_at[step] = self._seen_at.get(step, 0) + 1
            due = [h for h in self.happenings if h.step == step and seen >= h.rows]
            for happening in due:
                self.happenings.remove(happening)
                self.clock.moment = at
                happening.does()
            if due:
                return
        self.clock.moment = max(self.clock.moment, moment)

    def row(self, number: int) -> tuple[Row, float]:
        """The request of one minute, and what then happened."""
        return row_of(number)

    def _request(self, at: datetime) -> str:
        """One request as a gateway logs it; its outcome becomes known hours later."""
        plan = self.router.current(MODEL)
        if plan is None:
            return ""
        number = round((at - START) / timedelta(minutes=1))
        row, label = self.row(number)
        row = row | self.frozen
        same = {
            "at": _text(at), "model": MODEL, "release": plan.release_id, "step": plan.step,
            "revision": plan.revision, "weight_bp": self._weight(plan, number, at),
            "id": f"r{number}", "unit": self.unit_of(number), "replica": "memory",
            "latency_ms": 5.0,
        }  # fmt: skip
        known = at + timedelta(hours=1 + number % 4)
        self.telemetry.inputs.append({**_keys(same), "inputs": row})
        lines = self._lines(plan, same, row, number)
        if not any(line["served"] and line["arm"] == self.unheard for line in lines):
            self.telemetry.outcomes.append({**_keys(same), "at": _text(known), "label": label})
        if self.unlogged(number):
            lost = {"until": same["at"], "kind": "predictions", "lines": len(lines)}
            self.telemetry.drops.append(same | lost)
        else:
            self.telemetry.predictions += [
                same | line | {"latency_ms": self.takes(line["arm"], number)} for line in lines
            ]
        arm = next((line["arm"] for line in lines if line["served"]), "")
        if self.earns is not None and not self.lost(arm, number):
            value = self.earns(arm, same["unit"])
            paid = {"at": _text(known), "metric": self.metric, "value": value}
            self.telemetry.metrics.append(_keys(same) | paid)
        return plan.step

    def _weight(self, plan: TrafficPlan, number: int, at: datetime) -> int:
        """Every third request is of staff: those of full hours."""
        segment = "staff" if number % 60 == 0 else None
        return plan.weight_bp if belongs(plan.audience, segment, None, at) else 0

    def _lines(self, plan: TrafficPlan, same: Row, row: Row, number: int) -> list[Row]:
        killed = self.router.killed_to(MODEL)
        chosen = goes_to_candidate(MODEL, same["unit"], same["weight_bp"]) and not killed
        chosen = chosen and not self.strays(number)
        lines = []
        if plan.candidate is not None and not killed and (chosen or plan.mirror):
            fails = self.fails(plan.candidate, plan.weight_bp, number)
            answer = None if fails else self.answer(plan.candidate, row)
            if answer is not None and self.turns(plan.candidate, plan.weight_bp):
                answer = 1.0 - answer
            lines.append(_line("candidate", plan.candidate.ref.version, chosen, answer))
            chosen = chosen and not fails
        if plan.mirror or not chosen:
            rule = plan.champion is None
            answer = plan.baseline if rule else self.answer(plan.champion, row)
            version = "rule" if rule else plan.champion.ref.version
            lines.append(_line("champion", version, not chosen, answer))
        return lines


def deploy(version: str = "2", **more: Any) -> str:
    """The id of a run launched as `seatrial release` launches it: of a deployment."""
    asked = {"model": MODEL, "version": version, "requester": "erin", "policy": "score"} | more
    deployment_id = release.to_deployment("release").apply()
    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(deployment_id, parameters=asked)
        return str(run.id)


def carry_on(run_id: str) -> State[Any]:
    """What a worker does with a run that is due, in this process."""
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(run_id))
    return cast("State[Any]", run_flow(release, flow_run=run, return_type="state"))


@dataclass(frozen=True)
class Told:
    """What the ledger tells of one release, and the state its last run ended in."""

    release_id: str
    entries: Sequence[Entry]
    state: State[Any]

    @property
    def ended(self) -> str:
        return self.state.name or ""

    def kinds(self, *, moves: bool = False) -> list[str]:
        return [e.kind for e in self.entries if e.move or not moves]

    def one(self, kind: str) -> Entry:
        found = [e for e in self.entries if e.kind == kind]
        assert len(found) == 1, f"{len(found)} entries of kind {kind}: {self.kinds()}"
        return found[0]

    def steps(self, kind: str = "entered") -> list[str]:
        return [e.payload["step"]["name"] for e in self.entries if e.kind == kind]

    def verdicts(self, step: str) -> list[str]:
        looks = [e.payload for e in self.entries if e.kind == "looked"]
        return [p["verdict"]["decision"] for p in looks if p["step"] == step]


def gap(row: Row) -> float:
    return float(row["x"] - row["y"])


def score(slope: float, value: float) -> float:
    return 1.0 / (1.0 + math.exp(-slope * value))


@cache
def row_of(number: int) -> tuple[Row, float]:
    """The request of one minute of this world, and what then happened."""
    chance = Random(number)
    row = {"x": chance.gauss(0, 1), "y": chance.gauss(0, 1), "side": "LLLR"[number // 20 % 4]}
    return row, float(chance.random() < score(2.0, gap(row)))


@cache
def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def _line(arm: str, version: str, served: bool, answer: float | None) -> Row:
    error = "it broke" if answer is None else None
    return {"arm": arm, "version": version, "served": served, "score": answer, "error": error}


def _keys(same: Row) -> Row:
    return {name: same[name] for name in ("at", "model", "id")}


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
