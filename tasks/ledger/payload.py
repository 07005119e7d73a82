"""Reading an entry's payload without trusting its shape, for views that must never fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NOT_TOLD = "?"
_MINUS = "−"
_SHORT = len("sha256:") + 12
_LARGEST = 1e300


class Fields:
    """A payload that answers every question, if need be with a question mark."""

    def __init__(self, value: Any) -> None:
        self._value: Mapping[str, Any] = value if isinstance(value, Mapping) else {}

    def text(self, name: str, otherwise: str = NOT_TOLD) -> str:
        value = self._value.get(name)
        return otherwise if value is None or value == "" else str(value)

    def number(self, name: str) -> float | None:
        value = self._value.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if abs(value) < _LARGEST else None  # neither NaN nor infinity

    def inside(self, name: str) -> Fields:
        return Fields(self._value.get(name))

    def each(self, name: str) -> list[Any]:
        value = self._value.get(name)
        return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []

    def items(self) -> list[tuple[str, Any]]:
        return list(self._value.items())

    def digest(self, name: str) -> str:
        value = self.text(name, "")
        return f"{value[:_SHORT]}…" if len(value) > _SHORT else value


def figure(value: float | None) -> str:
    if value is None:
        return NOT_TOLD
    shown = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return shown.replace("-", _MINUS)


def named(name: str, value: str) -> str:
    return f"{name} {value}" if value else ""


def joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
