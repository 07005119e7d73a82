"""The gateway itself, without HTTP: watches the document, keeps the stations, writes the spool."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Event
from typing import Any

from deployments.gateway.answering import Answering, Asked, Call, Counts, Given, Reasons, lines
from deployments.gateway.latencies import Latencies
from deployments.gateway.options import Options
from deployments.gateway.recent import Posted, Recent, Tally
from deployments.gateway.request import Refusal, check_rows
from deployments.gateway.signature import Column
from deployments.gateway.spool import Spool
from deployments.gateway.station import Active, Station
from deployments.gateway.variant import LoadedVariant, load_variant
from policies.vocabulary import Serving
from tasks.orchestrator.ports import Clock
from tasks.traffic.document import check
from tasks.traffic.ports import Probe

_STALE = (0, 0, 0)


@dataclass(frozen=True)
class Reply:
    revision: int
    answers: Sequence[Given]


class Gateway:
    def __init__(self, options: Options, clock: Clock) -> None:
        self.options = options
        self.counts = Counts()
        self.latencies = Latencies()
        self.recent = Recent(options.recent_ids)
        self.document_error: str | None = None
        self._clock = clock
        self._seen = _STALE
        self._held: dict[str, Any] | None = None
        self._stations: dict[str, Station] = {}
        self._warm = False
        self._confirmed = time.monotonic()
        self._closing = Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.spool = Spool(
            options.home / "spool",
            options.replica,
            rotate_seconds=options.rotate_seconds,
            rotate_bytes=options.rotate_bytes,
            limit=options.spool_lines,
        )

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._warm_up())]

    async def stop(self) -> None:
        self._closing.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(station.close() for station in self._stations.values()))
        if self.counts.background:
            await asyncio.wait(self.counts.background, timeout=1.0)
        await asyncio.to_thread(self.spool.close)

    @property
    def models(self) -> list[str]:
        return sorted(self._stations)

    @property
    def plan_age_seconds(self) -> float:
        """Since what is in force was last seen to be what is published."""
        return time.monotonic() - self._confirmed

    def not_ready(self) -> list[str]:
        """What has still to happen before every model answers; empty when ready."""
        waiting = [] if self._warm else ["libraries are loading"]
        return waiting + [
            f"{name} is loading" for name, station in self._stations.items() if not station.active
        ]

    def called(self) -> dict[str, dict[str, str]]:
        """How each loaded version of each model is asked, and why so."""
        return {
            model: {arm: each.scorer.called for arm, each in station.active.variants.items()}
            for model, station in self._stations.items()
            if station.active is not None
        }

    def observe(self, model: str) -> list[Serving]:
        error = "; ".join(filter(None, [self.document_error, self.spool.fault])) or None
        return [self._station(model).observe(self.options.replica, error)]

    async def predict(self, model: str, rows: Sequence[Asked]) -> Reply:
        station = self._station(model)
        active = station.active
        if active is None:
            raise Refusal(503, f"{model} is being loaded.", "Try again in a few seconds.")
        check_rows(rows, *_signatures(active))
        now = self._clock.now(model)
        self.recent.predicted(model, (row.id for row in rows), now)
        at = now.isoformat(timespec="microseconds")
        same = {"at": at, "model": model}
        self.spool.append("inputs", [{**same, "id": row.id, "inputs": row.inputs} for row in rows])
        log = partial(self._log, rows, now)
        active, given = await Answering(station, active, rows, self.counts, log, now).answer()
        if all(item.arm == "error" for item in given):
            raise Refusal(503, f"{model} cannot answer: {given[0].reason}.", _advice(active))
        return Reply(active.plan.revision, given)

    async def record(self, model: str, outcomes: Sequence[Posted]) -> Tally:
        """Returns when the lines, and all that were logged before them, are on file.

        Nothing odd is refused; it is counted, and evidence leaves it out.
        """
        self._station(model)
        now = self._clock.now(model)
        same = {"at": now.isoformat(timespec="microseconds"), "model": model}
        labels = [{**same, "id": x.id, "label": x.value} for x in outcomes if x.metric is None]
        metrics = [
            {**same, "id": x.id, "metric": x.metric, "value": x.value}
            for x in outcomes
            if x.metric is not None
        ]
        posted = {"outcomes": labels, "metrics": metrics}
        if not await asyncio.to_thread(self.spool.file, posted):
            raise Refusal(503, "The outcomes are not on file.", "Send them again.")
        return self.recent.posted(model, outcomes, now)

    async def probe(
        self, model: str, name: str, rows: Sequence[dict[str, Any]], calls: int, features: bool
    ) -> Probe:
        active = self._station(model).active
        loaded = {} if active is None else active.variants
        variant = loaded.get(name)
        if variant is None:
            raise Refusal(
                409, f"{model} has no {name} loaded.", "Apply a plan that names it, and observe it."
            )
        champion = None if name == "champion" else loaded.get("champion")
        return await asyncio.to_thread(
            variant.probe, rows, calls, features=features, champion=champion
        )

    def _station(self, model: str) -> Station:
        station = self._stations.get(model)
        if station is None:
            known = ", ".join(sorted(self._stations)) or "none"
            raise Refusal(404, f"Unknown model {model}.", f"Known here: {known}.")
        return station

    def _log(
        self,
        rows: Sequence[Asked],
        now: datetime,
        active: Active,
        arm: str,
        served: Mapping[int, bool],
        call: Call,
        reasons: Reasons,
    ) -> None:
        self.latencies.add(active.plan.model, arm, call.latency_ms)
        told = lines(active, arm, served, call, reasons, rows, now, self.options.replica)
        self.spool.append("predictions", told)

    async def _watch(self) -> None:
        while True:
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - told; the next document may be a good one
                self.document_error = (
                    f"flags.json cannot be obeyed: {type(error).__name__}: {error}"
                )
            if self._held is not None and self.document_error is None:
                self._confirmed = time.monotonic()
            await asyncio.sleep(self.options.poll_seconds)

    def _look(self) -> None:
        """Read the document when its file has changed. A wrong one changes nothing."""
        try:
            stat = self.options.flags.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen == self._seen:
                return
            document = json.loads(self.options.flags.read_bytes())
        except FileNotFoundError:
            if self._held is not None:
                self.document_error = "flags.json is gone: the last good one is in force"
            return
        except (OSError, ValueError) as error:
            self.document_error = (
                f"flags.json cannot be read, the last good one is in force: {error}"
            )
            return
        self._seen = seen
        if faults := check(document, self._held):
            self.document_error = "flags.json is refused, the last good one is in force: "
            self.document_error += "; ".join(faults)
            return
        self.document_error = None
        self._obey(document)

    def _obey(self, document: dict[str, Any]) -> None:
        before = {} if self._held is None else self._held["flags"]
        self._held = document
        for model, flag in document["flags"].items():
            if flag != before.get(model):
                station = self._stations.get(model)
                if station is None:
                    load = partial(load_variant, options=self.options, closing=self._closing)
                    station = self._stations[model] = Station(model, load)
                station.want(flag)

    async def _warm_up(self) -> None:
        await asyncio.to_thread(_import_libraries)
        self._warm = True


def _signatures(active: Active) -> tuple[Sequence[Column] | None, Sequence[Column]]:
    """What must be there (the champion's columns) and what may be (those of any version)."""
    known = [column for variant in active.variants.values() for column in variant.scorer.columns]
    for name in (active.killed_to, "champion", "previous", "candidate"):
        variant: LoadedVariant | None = active.variants.get(name or "")
        if variant is not None:
            return variant.scorer.columns, known
    return None, known


def _advice(active: Active) -> str:
    if active.killed_to is not None:
        return "The model was taken out of service on purpose; ask its owner, or retry later."
    return "Retry; if it goes on, seatrial status tells what the gateway has loaded."


def _import_libraries() -> None:
    import mlflow.pyfunc  # noqa: F401 - two seconds that the first load need not wait for
