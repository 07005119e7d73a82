"""Questions with defaults: asked of a person at a terminal, answered by options elsewhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer


@dataclass(frozen=True)
class Asker:
    """``talks``: somebody is there to answer."""

    talks: bool

    def text(self, given: str | None, question: str, default: str) -> str:
        if given is not None or not self.talks:
            return default if given is None else given
        return str(typer.prompt(question, default=default, err=True)).strip()

    def texts(self, given: list[str] | None, question: str, default: str = "") -> tuple[str, ...]:
        """Several, with commas between them; an empty answer is none."""
        if given is not None:
            return tuple(given)
        told = self.text(None, question, default)
        return tuple(part.strip() for part in told.split(",") if part.strip())

    def number(self, given: float | None, question: str, default: float) -> float:
        if given is not None or not self.talks:
            return default if given is None else given
        return float(typer.prompt(question, default=default, type=float, err=True))

    def yes(self, given: bool | None, question: str, option: str) -> bool:
        """A claim: nobody's silence is taken for it."""
        if given is not None:
            return given
        if not self.talks:
            raise typer.BadParameter(f"say it with {option}: {question}")
        return typer.confirm(question, err=True)


def asker(as_json: bool) -> Asker:
    return Asker(talks=sys.stdin.isatty() and sys.stderr.isatty() and not as_json)
