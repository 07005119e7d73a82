"""Do the inputs still change? A feed that stops leaves its last value in every request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from policies.schema import FrozenInputs
from policies.vocabulary import Evidence
from tasks.telemetry.ports import Variety

NAME = "inputs that change"
FEWEST_REQUESTS = 20  # a day and station: fewer may well resemble one another


def frozen_check(rule: FrozenInputs, seen: Sequence[Variety]) -> Evidence:
    """Columns that had one value, at each station, on each of the last ``rule.days`` whole days.

    Too few days or requests of a column are scarce: that it still changes was not shown.
    """
    last = {name: _last_days(name, seen, rule.days) for name in rule.columns}
    frozen = [
        name for name, days in last.items() if days and all(d.distinct <= d.groups for d in days)
    ]
    unseen = [name for name, days in last.items() if not days]
    common = {"name": NAME, "kind": "check", "limit": 0.0, "unit": "columns frozen"}
    if frozen:
        since = min(day.start for name in frozen for day in last[name])
        found = {"n": sum(day.n for day in last[frozen[0]]), "effect": float(len(frozen))}
        status = "ok" if rule.then == "roll_back" else "invalid"
        return Evidence.model_validate(
            common | found | {"status": status, "detail": _told(frozen, since)}
        )
    if unseen:
        detail = f"Not {rule.days} whole days with enough requests yet for {', '.join(unseen)}."
        return Evidence.model_validate(common | {"status": "scarce", "detail": detail})
    n = min(sum(day.n for day in days) for days in last.values())
    return Evidence.model_validate(common | {"effect": 0.0, "n": n})


def _is_frozen(day: Variety) -> bool:
    return day.distinct <= day.groups


def _last_days(column: str, seen: Sequence[Variety], count: int) -> list[Variety]:
    """The last whole days of a column; none unless there are as many, each with requests."""
    days = sorted((v for v in seen if v.column == column), key=lambda v: v.start)[-count:]
    enough = len(days) == count and all(day.n >= FEWEST_REQUESTS * day.groups for day in days)
    return days if enough else []


def _told(frozen: Sequence[str], since: datetime) -> str:
    return (
        f"{', '.join(frozen)}: the same value in every request since {since:%Y-%m-%d}. "
        "The feed behind them has stopped."
    )
