"""Moments, spans and numbers as people read them. All moments are UTC."""

from __future__ import annotations

import math
from datetime import UTC, datetime

THIN = "\u202f"  # narrow space that does not break: between thousands
MINUS = "−"
NOTHING = "–"
DAY_SECONDS = 86_400.0
LONG = 240  # letters
GREAT_POWER = 6  # from 10 to this power on, only the power is told


def day(moment: datetime, *, year: bool = True) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y}" if year else f"{utc.day} {utc:%b}"


def moment(value: datetime | None) -> str:
    """``8 May 2013, 04:00``; the page says once that it is UTC."""
    if value is None:
        return NOTHING
    utc = value.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y, %H:%M}"


def count(value: int) -> str:
    return f"{value:,}".replace(",", THIN)


def counted(value: int, one: str, many: str = "") -> str:
    """``1 look``, ``25 looks``."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def span(seconds: float) -> str:
    """A length of time in its natural unit."""
    for size, unit in ((DAY_SECONDS, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= 1.5 * size:
            return counted(round(seconds / size), unit)
    return f"{seconds:.1f} seconds"


def share(weight_bp: int) -> str:
    return f"{weight_bp / 100:g} %"


def figure(value: float | None) -> str:
    """Four significant digits, with a real minus."""
    return NOTHING if value is None else f"{value:.4g}".replace("-", MINUS)


def signed(value: float | None, digits: int = 4) -> str:
    """Rounded to nothing it has no sign."""
    if value is None:
        return NOTHING
    told = f"{value:+.{digits}f}"
    return told.lstrip("+-") if float(told) == 0 else told.replace("-", MINUS)


def interval(lower: float | None, upper: float | None) -> str:
    """An open end says so: nothing on that side was rejected."""
    if lower is None and upper is None:
        return "no bounds yet"
    low = "no lower bound" if lower is None else signed(lower)
    high = "no upper bound" if upper is None else signed(upper)
    return f"{low} to {high}"


def power(log_value: float | None) -> str:
    """An e-value from its logarithm; a great one as a power of ten."""
    if log_value is None:
        return NOTHING
    tens = log_value / math.log(10)
    if tens >= GREAT_POWER:
        return f"10^{tens:.0f}"
    return f"{math.exp(log_value):.3g}"


def first_sentence(text: str, sentences: int = 1) -> str:
    """Up to a full stop that a space follows, without it, and no more than a long line."""
    parts = " ".join(text.split()).split(". ")[:sentences]
    told = "; ".join(part.rstrip(".") for part in parts if part)
    return told if len(told) <= LONG else told[: LONG - 1].rstrip() + "…"
