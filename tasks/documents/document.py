"""A document as data: sections of fields, each with its status and where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from policies.vocabulary import Value

Status = Literal["filled", "missing", "not_applicable"]
Source = Literal["registry", "ledger", "policy", "person", "nobody"]


class Table(Value):
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Field(Value):
    """One thing the document says, or openly does not say."""

    key: str
    label: str
    status: Status
    text: str = ""  # missing: what is asked; not applicable: why
    table: Table | None = None
    source: Source = "nobody"
    ref: str = ""  # "entry 12", "tag card.limitations", "policy medium"


class Section(Value):
    title: str
    fields: tuple[Field, ...]


class Document(Value):
    kind: Literal["model_card", "deployment_record"]
    title: str
    subject: str  # "model vN"
    subject_digest: str
    release_id: str
    sections: tuple[Section, ...]

    def fields(self) -> tuple[Field, ...]:
        return tuple(field for section in self.sections for field in section.fields)

    def field(self, key: str) -> Field:
        return next(field for field in self.fields() if field.key == key)

    def missing(self) -> tuple[str, ...]:
        """Keys of the fields nobody has provided."""
        return tuple(field.key for field in self.fields() if field.status == "missing")

    def counts(self) -> dict[Status, int]:
        found = [field.status for field in self.fields()]
        words: tuple[Status, ...] = ("filled", "missing", "not_applicable")
        return {status: found.count(status) for status in words}


def given(key: str, label: str, value: object, source: Source, ref: str) -> Field:
    """Filled when there is a value, missing when there is none: an empty text is none."""
    text = "" if value is None else str(value).strip()
    if not text:
        return missing(key, label, f"Not found in {ref}.")
    return Field(key=key, label=label, status="filled", text=text, source=source, ref=ref)


def listed(
    key: str,
    label: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    source: Source,
    ref: str,
) -> Field:
    """A table; without rows it is missing."""
    if not rows:
        return missing(key, label, f"Not found in {ref}.")
    table = Table(
        columns=tuple(columns), rows=tuple(tuple(str(cell) for cell in row) for row in rows)
    )
    return Field(key=key, label=label, status="filled", table=table, source=source, ref=ref)


def missing(key: str, label: str, ask: str) -> Field:
    return Field(key=key, label=label, status="missing", text=ask)


def not_applicable(key: str, label: str, why: str) -> Field:
    return Field(key=key, label=label, status="not_applicable", text=why)


def statement(document: Document) -> dict[str, Any]:
    """The document as an in-toto statement (v1) about the artefact it describes."""
    algorithm, _, value = document.subject_digest.partition(":")
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": document.subject, "digest": {algorithm: value}}],
        "predicateType": f"https://seatrial.dev/{document.kind}/v1",
        "predicate": document.model_dump(mode="json"),
    }
