"""Lines that never reached a file: whose they were and how many, until that itself is on file.

A missing line must never look like health. So what is lost is told to the readers of the log
as lines of a kind of its own, as soon as anything can be written again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Line = dict[str, Any]


class Losses:
    """``total``: all that were ever lost. The others wait to be told."""

    def __init__(self, replica: str) -> None:
        self._replica = replica
        self._untold: dict[tuple[str | None, ...], Line] = {}
        self.total = 0

    def add(self, kind: str, line: Mapping[str, Any]) -> None:
        self.total += 1
        same = {name: line.get(name) for name in ("model", "release", "step")}
        told = {"at": line["at"], "until": line["at"], **same, "kind": kind, "lines": 1}
        self._merge(told | {"replica": self._replica})

    def take(self) -> list[Line]:
        """One line for each kind, model, release and step; ``at`` is when the first was lost."""
        told, self._untold = list(self._untold.values()), {}
        return told

    def put_back(self, untold: Iterable[Line]) -> None:
        for line in untold:
            self._merge(line)

    def _merge(self, new: Line) -> None:
        whose = (new["kind"], new["model"], new["release"], new["step"])
        old = self._untold.setdefault(whose, new | {"lines": 0})
        old["at"], old["until"] = min(old["at"], new["at"]), max(old["until"], new["until"])
        old["lines"] += new["lines"]

    def __bool__(self) -> bool:
        return bool(self._untold)
