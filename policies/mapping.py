"""A team's own tables, told in Seatrial's columns: what ``telemetry.yaml`` may say.

Only names stand here. Whether a table has such columns, of such types, is asked where the table
is (``tasks/telemetry/adapters/mapped.py``).
"""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Discriminator, Tag, field_validator, model_validator

from policies.schema import Positive, Rule, Text


class Constant(Rule):
    """The same for every row: it is not in the table."""

    value: str | bool


class Scaled(Rule):
    """A number in another unit."""

    column: Text
    times: Positive


class Arms(Rule):
    """Which arm a row belongs to, in the team's own words."""

    column: Text
    champion: Text
    candidate: Text


def _form(value: object) -> str:
    return "[text]" if isinstance(value, str) else "[block]"


def _either(block: Any) -> Any:
    """The name of a column, or a block. The marks in brackets are left out of places."""
    named = Annotated[Text, Tag("[text]")]
    return Annotated[named | Annotated[block, Tag("[block]")], Discriminator(_form)]


TextOrConstant = _either(Constant)
TextOrScaled = _either(Scaled)
TextOrArms = _either(Arms)


class Table(Rule):
    """Where rows lie: files (a folder, or a pattern), or a table behind an address."""

    parquet: Text | None = None
    csv: Text | None = None
    url: Text | None = None  # of a database, as Ibis takes it: duckdb:///data/scores.db
    table: Text | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Table:
        if sum(place is not None for place in (self.parquet, self.csv, self.url)) != 1:
            raise ValueError("write exactly one of parquet, csv and url")
        if (self.url is None) != (self.table is None):
            raise ValueError("url and table belong together")
        return self


class PredictionColumns(Rule):
    """``label`` and ``label_at`` only where labels are written into the same table."""

    id: Text
    at: Text
    model: TextOrConstant  # type: ignore[valid-type]  # made by _either
    unit: Text | None = None
    version: Text | None = None
    release: Text | None = None
    step: Text | None = None
    weight_bp: Text | None = None
    arm: TextOrArms | None = None  # type: ignore[valid-type]
    served: TextOrConstant  # type: ignore[valid-type]
    score: Text
    error: Text | None = None
    latency_ms: TextOrScaled | None = None  # type: ignore[valid-type]
    label: Text | None = None
    label_at: Text | None = None

    @model_validator(mode="after")
    def _complete(self) -> PredictionColumns:
        told = [part is not None for part in (self.release, self.step, self.weight_bp)]
        if any(told) and not all(told):
            raise ValueError("release, step and weight_bp are written all three, or none of them")
        if not any(told) and self.version is None:
            raise ValueError("without release, step and weight_bp the version is needed")
        if any(told) and self.arm is None:
            raise ValueError("with release, step and weight_bp the arm is needed too")
        if (self.label is None) != (self.label_at is None):
            raise ValueError("label and label_at belong together")
        return self


class OutcomeColumns(Rule):
    id: Text
    at: Text
    model: TextOrConstant  # type: ignore[valid-type]
    label: Text


class MetricColumns(Rule):
    id: Text
    at: Text
    model: TextOrConstant  # type: ignore[valid-type]
    metric: TextOrConstant  # type: ignore[valid-type]
    value: Text


class InputColumns(Rule):
    id: Text
    at: Text
    model: TextOrConstant  # type: ignore[valid-type]
    inputs: tuple[Text, ...]  # the columns of a request, under the names the model knows


class Predictions(Table):
    columns: PredictionColumns


class Outcomes(Table):
    columns: OutcomeColumns


class Metrics(Table):
    columns: MetricColumns


class Inputs(Table):
    columns: InputColumns


class TelemetryMap(Rule):
    """What is left out is not there: no outcomes means no labels, never labels from elsewhere."""

    time_zone: Text | None = None  # of times that carry no zone
    predictions: Predictions
    outcomes: Outcomes | None = None
    metrics: Metrics | None = None
    inputs: Inputs | None = None

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        try:
            _ = None if name is None else ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"is {name!r}, which is no time zone. Write an IANA name such as Europe/Paris"
            ) from error
        return name

    @model_validator(mode="after")
    def _one_engine(self) -> TelemetryMap:
        if self.outcomes is not None and self.predictions.columns.label is not None:
            raise ValueError("labels stand in predictions and in outcomes. Keep one of them")
        if len({part.url for part in self.sections().values()}) > 1:
            raise ValueError("the tables lie in different places. One engine must hold them all")
        return self

    def sections(self) -> dict[str, Predictions | Outcomes | Metrics | Inputs]:
        kinds = {
            "predictions": self.predictions, "outcomes": self.outcomes,
            "metrics": self.metrics, "inputs": self.inputs,
        }  # fmt: skip
        return {kind: part for kind, part in kinds.items() if part is not None}
