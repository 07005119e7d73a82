"""The text files of one kind and one replica: whole lines alone, and never two files of a name."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass
class _File:
    path: Path
    descriptor: int
    opened: float  # monotonic: a wall clock that jumps closes no file, and keeps none open
    size: int = 0


class LineFiles:
    """``<kind>-<replica>-<number>.jsonl``; one is open, and ``closed`` hears of each that was."""

    def __init__(
        self,
        folder: Path,
        replica: str,
        closed: Callable[[Path], None],
        *,
        rotate_seconds: float,
        rotate_bytes: int,
    ) -> None:
        self.fault: str | None = None  # of the last attempt
        self._folder, self._stem = folder, f"{folder.name}-{replica}"
        self._closed = closed
        self._rotate_seconds, self._rotate_bytes = rotate_seconds, rotate_bytes
        self._file: _File | None = None
        self._next = 0

    def begin(self) -> list[Path]:
        """Make the folder; the text files that an earlier process of this name left there.

        A name that only begins alike is another replica's.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        name = re.compile(rf"{re.escape(self._stem)}-(\d+)\.(?:jsonl|parquet|part)")
        taken = [
            (int(found[1]), path)
            for path in self._folder.iterdir()
            if (found := name.fullmatch(path.name))
        ]
        self._next = 1 + max((number for number, _ in taken), default=0)
        return [path for _, path in sorted(taken) if path.suffix == ".jsonl"]

    def write(self, lines: Sequence[bytes]) -> int:
        """How many of them are on file now; ``fault`` says why not all."""
        text, written = b"".join(lines), 0
        try:
            file = self._file or self._open()
            while written < len(text):  # a disk that gets full takes a part, and refuses the rest
                written += os.write(file.descriptor, text[written:])
        except OSError as error:
            self.fault = error.strerror or str(error)
        else:
            self.fault = None
        if self._file is not None:
            self._file.size += written
        if written and text[written - 1 : written] != b"\n":
            self.close()  # readers leave out a torn end: the next line begins a new file
        return text.count(b"\n", 0, written)

    def clear(self) -> None:
        """Something else could be written since: is it only the disk that was full?"""
        try:
            self._file = self._file or self._open()
            self.fault = None
        except OSError as error:
            self.fault = error.strerror or str(error)

    def rotate(self) -> None:
        file = self._file
        if file is None or not file.size:
            return
        old = time.monotonic() - file.opened > self._rotate_seconds
        if old or file.size > self._rotate_bytes:
            self.close()

    def close(self) -> None:
        path = self.end()
        if path is not None:
            self._closed(path)

    def end(self) -> Path | None:
        """Close what is open, and leave it as it is to the next process of this name."""
        if self._file is None:
            return None
        file, self._file = self._file, None
        os.close(file.descriptor)
        return file.path

    def _open(self) -> _File:
        path = self._folder / f"{self._stem}-{self._next:08d}.jsonl"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._file = _File(path, os.open(path, flags, 0o644), time.monotonic())
        self._next += 1
        return self._file
