"""Our own copies of artefacts: ``<store>/<64 hex of the digest>/``, read-only, never rewritten.

A registry's files can be overwritten under the same version, so what is released is the copy
whose digest the release recorded, and the copy is also what a rollback returns to.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from policies.errors import RefusedError
from tasks.registry.digest import files_of, hex_of, tree_digest

READ_ONLY = 0o444


@dataclass(frozen=True)
class ArtefactStore:
    root: Path

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty folder on the store's own disk, gone afterwards unless it was kept."""
        self.root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".incoming-", dir=self.root))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, folder: Path) -> str:
        """Move a complete tree of the same disk into the store; returns its digest.

        Keeping the same tree twice changes nothing. The move is one rename, so a reader sees
        the whole copy or none.
        """
        digest = tree_digest(folder)
        target = self.root / hex_of(digest)
        if not target.exists():
            for path in files_of(folder):
                path.chmod(READ_ONLY)
            folder.chmod(0o755)  # temporary folders are private; the store is for all readers
            _rename(folder, target)
        if tree_digest(target) != digest:
            raise RefusedError(
                f"The stored copy {target.name[:12]}… has been altered.",
                advice=f"Find out who changed {target}, then delete that folder and try again.",
            )
        return digest

    def path_of(self, digest: str) -> Path:
        """Folder of a stored copy. Refused when absent."""
        path = self.root / hex_of(digest)
        if not path.is_dir():
            raise RefusedError(
                f"There is no stored copy of {digest[:19]}….",
                advice="Fetch the version from the registry first (seatrial adopt or release).",
            )
        return path


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in files_of(folder))


def _rename(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():  # otherwise another process kept the same tree first
            raise
