"""Writing a file so that its old text stays until the new one is safe on the disk."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from policies.errors import RefusedError


def replace_text(path: Path, text: str) -> None:
    """Write beside it, flush to the disk, rename over it: readers see all of one or the other.

    ``RefusedError`` when the folder cannot be written or the disk is full; the file that was
    there is then untouched, and nothing half-written is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text)
    except OSError as error:
        raise RefusedError(
            f"{path} could not be written: {error.strerror or error}.",
            advice="Make room on the disk and check the folder's rights. The ledger has "
            "everything: `seatrial docs RELEASE` writes the documents again, with `--to FOLDER` "
            "somewhere else.",
        ) from error


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
        _keep_name(path.parent)
    finally:
        with suppress(FileNotFoundError):  # gone: it has been renamed
            Path(name).unlink()


def _keep_name(folder: Path) -> None:
    """A rename survives a power cut once the folder is on the disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
