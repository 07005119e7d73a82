"""Closed text files become Parquet, beside the requests and the log: nobody waits for it."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deployments.gateway.parquet import to_parquet
from policies.errors import RefusedError


class Rotation:
    """What cannot be converted stays text, which readers read as well, and is tried again."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rotation")
        self._closed: defaultdict[str, list[Path]] = defaultdict(list)
        self._last: dict[str, Path] = {}  # of each kind; somebody may still read its text
        self._thread.submit(_import_library)

    def add(self, kind: str, *closed: Path) -> None:
        self._thread.submit(self._convert_all, kind, closed)

    def stop(self) -> None:
        """What waits is left to the next process of this name."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _convert_all(self, kind: str, closed: tuple[Path, ...]) -> None:
        self._closed[kind] += closed
        for path in list(self._closed[kind]):
            if self._convert(kind, path):
                self._closed[kind].remove(path)

    def _convert(self, kind: str, path: Path) -> bool:
        """The text file stays one rotation longer."""
        try:
            if not path.with_suffix(".parquet").exists():
                to_parquet(kind, path)
            if (before := self._last.get(kind)) is not None:
                before.unlink(missing_ok=True)
        except (OSError, RefusedError):
            return False
        self._last[kind] = path
        return True


def _import_library() -> None:
    """Before there is anything to serve: an import keeps requests waiting."""
    import duckdb  # noqa: F401
