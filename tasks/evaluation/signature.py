"""Can requests, as they are sent today, feed the candidate?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from policies.vocabulary import Evidence

Row = Mapping[str, Any]
Inputs = Mapping[str, str]  # column -> type, as in the model's signature

# A request made for the type on the left also feeds these.
WIDER: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "integer": frozenset({"long", "float", "double"}),
        "long": frozenset({"double"}),
        "float": frozenset({"double"}),
    }
)
_CARRIES: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "integer": (int,),
        "long": (int,),
        "float": (int, float),
        "double": (int, float),
        "string": (str,),
        "boolean": (bool,),
        "array": (list,),
        "object": (dict,),
        "map": (dict,),
    }
)  # other types (dates) have no JSON type to hold against


def input_compatibility(
    champion: Inputs | None,
    candidate: Inputs,
    sample: Sequence[Row],
    optional: Collection[str] = (),
) -> Evidence:
    """Columns the candidate needs that requests do not carry, and types that changed.

    Columns of ``optional`` may be left out. Without a champion only the requests speak; without
    sample rows only the champion's signature does; with neither there is too little to say.
    """
    name = "input signature"
    if not candidate:
        return _found(name, ["the candidate declares no inputs"], len(sample))
    if not sample and champion is None:
        return Evidence(
            name=name,
            kind="check",
            status="scarce",
            limit=0.0,
            detail="There are neither requests nor a champion to hold the inputs against.",
        )
    needed = {column: kind for column, kind in candidate.items() if column not in optional}
    faults = [*_missing(champion, needed, sample), *_changed(champion or {}, candidate)]
    return _found(name, faults + _unfit(candidate, sample), len(sample))


def _found(name: str, faults: list[str], rows: int) -> Evidence:
    return Evidence(
        name=name,
        kind="check",
        effect=float(len(faults)),
        limit=0.0,
        n=rows,
        unit="faults",
        method="the candidate's signature against the champion's and the sample requests",
        detail=f"{'; '.join(faults)}." if faults else "Requests carry every input it needs.",
    )


def _missing(champion: Inputs | None, candidate: Inputs, sample: Sequence[Row]) -> list[str]:
    if not sample:
        return [f"{column} is new" for column in sorted(set(candidate) - set(champion or {}))]
    counts = {column: sum(column not in row for row in sample) for column in sorted(candidate)}
    return [
        f"{column} is missing in {count} of {len(sample)} requests"
        for column, count in counts.items()
        if count
    ]


def _changed(champion: Inputs, candidate: Inputs) -> list[str]:
    return [
        f"{column} was {champion[column]} and is {wanted}"
        for column, wanted in sorted(candidate.items())
        if column in champion
        and wanted != champion[column]
        and wanted not in WIDER.get(champion[column], frozenset())
    ]


def _unfit(candidate: Inputs, sample: Sequence[Row]) -> list[str]:
    """Nulls are left to the data contract; a boolean is no number, though Python says so."""
    faults = []
    for column, wanted in sorted(candidate.items()):
        values = [row[column] for row in sample if row.get(column) is not None]
        if unfit := sum(not _fits(value, wanted) for value in values):
            faults.append(f"{column} is no {wanted} in {unfit} of {len(values)} requests")
    return faults


def _fits(value: Any, wanted: str) -> bool:
    carried = _CARRIES.get(wanted)
    if carried is None:
        return True
    if isinstance(value, bool):
        return wanted == "boolean"
    return isinstance(value, carried)
