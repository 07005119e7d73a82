"""The tables of one question, or of one look, and the rows that several sums are taken of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tasks.telemetry.adapters.ibis_rows import first_of, is_answer, moment, span
from tasks.telemetry.metrics import ARMS, MIRRORED


class Tables(dict[str, Any]):
    """Tables by kind, loaded when they are first asked for."""

    def __init__(self, load: Callable[[str], Any]) -> None:
        super().__init__()
        self._load = load

    def __missing__(self, kind: str) -> Any:
        self[kind] = self._load(kind)
        return self[kind]


@dataclass(frozen=True)
class Source:
    """The loaded tables of one question, or of one look."""

    con: Any
    tables: dict[str, Any]
    kept: dict[object, Any] = field(default_factory=dict)

    @property
    def predictions(self) -> Any:
        return self.tables["predictions"]

    @property
    def inputs(self) -> Any:
        return self.tables["inputs"]

    def pairs(self, release_id: str, now: datetime, horizon: timedelta) -> Any:
        """Rows of a release that both scored, with their labels; computed once a reading."""
        asked = (release_id, now, horizon)
        if asked not in self.kept:
            rows = _pairs(self.release(release_id, now))
            self.kept[asked] = self.keep("pairs", labelled(rows, self.labels(now), horizon))
        return self.kept[asked]

    def asked_both(self, release_id: str, now: datetime) -> Any:
        """Rows of mirrored traffic alone that both were asked for, and whether each failed."""
        import ibis

        rows = self.release(release_id, now)
        alone = (rows.weight_bp == 0) & (rows.step == MIRRORED) & rows.arm.isin(ARMS)
        first = first_of(rows.filter(alone), "id", "arm")
        first = first.mutate(failed=~is_answer(first))
        champion, candidate = (first.filter(first.arm == arm) for arm in ARMS)
        candidate = candidate.select(
            "id", other_at="at", other_step="step", candidate_failed="failed"
        )
        both = champion.join(candidate, "id")
        early = both.at <= both.other_at
        return both.select(
            "id",
            "candidate_failed",
            at=ibis.ifelse(early, both.at, both.other_at),
            step=ibis.ifelse(early, both.step, both.other_step),
            champion_failed=both.failed,
        )

    def release(self, release_id: str, now: datetime) -> Any:
        rows = self.predictions
        return rows.filter((rows.release == release_id) & (rows.at <= moment(now)))

    def labels(self, now: datetime) -> Any:
        """The first label of each row; later ones never replace it."""
        rows = self.tables["outcomes"]
        known = first_of(
            rows.filter(rows.label.notnull() & (rows.at <= moment(now))), "model", "id"
        )
        return known.select("model", "id", "label", labelled_at=known.at)

    def carried(self, requests: Any, columns: Sequence[str]) -> Any:
        """One row for each request and column: the value it carried, as text; nulls left out."""
        import ibis

        rows = first_of(requests, "model", "id")
        parts = []
        for name in columns:
            value = rows.inputs.cast("json")[name]
            text = ibis.coalesce(value.str, value.cast("string"))
            part = rows.select("model", "id", "at", column=ibis.literal(name), value=text)
            parts.append(part.filter(part.value.notnull() & (part.value != "null")))
        return ibis.union(*parts) if len(parts) > 1 else parts[0]

    def grouped(self, requests: Any, columns: Sequence[str], by: str | None) -> Any:
        """What each request carried, with the group it belongs to; without one: no value."""
        import ibis

        rows = self.carried(requests, columns)
        if by is None:
            return rows.mutate(group=ibis.literal(""))
        groups = self.carried(requests, [by]).select("model", "id", group="value")
        return rows.join(groups, ["model", "id"])

    def served(self, model: str, since: datetime, until: datetime) -> Any:
        rows, inputs = self.predictions, self.inputs
        wanted = rows.served & (rows.model == model)
        inside = (rows.at >= moment(since)) & (rows.at <= moment(until))
        seen = first_of(rows.filter(wanted & inside), "id").select("model", "id", "at")
        known = first_of(inputs.filter(inputs.model == model), "id").select("id", "inputs")
        return seen.join(known, "id")

    def keep(self, name: str, expression: Any) -> Any:
        """Computed once: several sums are taken of it."""
        self.kept[name] = number = self.kept.get(name, 0) + 1
        return self.con.create_table(f"{name}_{number}", expression, temp=True)


def _pairs(rows: Any) -> Any:
    """Rows that both scored, each once; at the time and step of the earlier score."""
    import ibis

    scored = first_of(rows.filter(rows.arm.isin(ARMS) & is_answer(rows)), "id", "arm")
    champion, candidate = (scored.filter(scored.arm == arm) for arm in ARMS)
    candidate = candidate.select("id", other_at="at", other_step="step", candidate="score")
    both = champion.join(candidate, "id")
    early = both.at <= both.other_at
    return both.select(
        "id",
        "model",
        at=ibis.ifelse(early, both.at, both.other_at),
        step=ibis.ifelse(early, both.step, both.other_step),
        champion=both.score,
        candidate=both.candidate,
    )


def labelled(rows: Any, labels: Any, horizon: timedelta) -> Any:
    """Each row with its label, null where none arrived within the horizon.

    A label from before its row says nothing about it, and none that follows takes its place.
    """
    import ibis

    joined = rows.left_join(labels, ["model", "id"])
    in_time = joined.labelled_at.between(joined.at, joined.at + span(horizon))
    label = ibis.ifelse(in_time, joined.label, ibis.null())
    return joined.select(*rows.columns, label=label)
