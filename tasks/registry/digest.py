"""The digest of an artefact: one number for a whole file tree.

``sha256`` over the RFC 8785 text of the sorted list of ``[relative path, sha256 of the bytes]``.
Paths are POSIX and relative, so the digest does not depend on where the tree lies. Times, modes
and empty folders do not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import rfc8785

from policies.errors import RefusedError

_ADVICE = "Register the version again with plain files only."


def tree_digest(folder: Path) -> str:
    """``sha256:<64 hex>`` of every file below ``folder``.

    A missing or empty folder, a symbolic link or a special file is refused: what they stand
    for may change without a byte of the tree changing.
    """
    listing = sorted(
        [path.relative_to(folder).as_posix(), _file_digest(path)] for path in files_of(folder)
    )
    if not listing:
        raise RefusedError(f"There are no files in {folder.name}.", advice=_ADVICE)
    return "sha256:" + hashlib.sha256(rfc8785.dumps(listing)).hexdigest()


def files_of(folder: Path) -> Iterator[Path]:
    """Every plain file below ``folder``; links and special files are refused."""
    if folder.is_symlink() or not folder.is_dir():
        raise RefusedError(f"{folder.name} is not a folder of files.", advice=_ADVICE)
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise RefusedError(f"{path.name} is a symbolic link.", advice=_ADVICE)
        if path.is_file():
            yield path
        elif not path.is_dir():
            raise RefusedError(f"{path.name} is not a plain file.", advice=_ADVICE)


def hex_of(digest: str) -> str:
    """The 64 hex digits of a digest; the name of its folder in the store."""
    kind, _, digits = digest.partition(":")
    if kind != "sha256" or len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise RefusedError(f"{digest!r} is not a digest.", advice="Write it as sha256:<64 hex>.")
    return digits


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
