"""What one gateway process is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Limits are per process. ``replica`` names it in reports and in the spool's file names."""

    home: Path
    replica: str
    deadline_seconds: float = 2.0  # one batch of one variant
    load_seconds: float = 120.0
    candidate_memory_mb: int = 2048  # beyond what the libraries take, in the candidate's process
    poll_seconds: float = 0.01  # how often the flag document is looked at
    batch_rows: int = 1000  # rows merged into one call
    waiting_rows: int = 5000  # rows that may wait for one variant before it says no
    mirror_rows: int = 2000  # beyond this, mirrored rows are shed and not answered late
    request_rows: int = 5000
    request_bytes: int = 16 * 1024 * 1024
    body_seconds: float = 10.0  # for a whole body to come in
    rotate_seconds: float = 60.0
    rotate_bytes: int = 64 * 1024 * 1024
    recent_ids: int = 200_000  # predictions remembered, and outcomes: 100 MB together
    spool_lines: int = 200_000  # unwritten lines kept before lines are dropped

    @property
    def store(self) -> Path:
        return self.home / "store"

    @property
    def flags(self) -> Path:
        return self.home / "flags.json"
