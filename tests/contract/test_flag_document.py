"""The file behind the switch: one writer at a time, and readers always notice."""

from __future__ import annotations

import fcntl
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from policies.errors import RefusedError, UnavailableError
from policies.vocabulary import TrafficPlan
from tasks.traffic.adapters.flag_document import FlagDocumentRouter
from tasks.traffic.document import check


def plan(model: str, score: float = 0.5) -> TrafficPlan:
    return TrafficPlan(model=model, champion=None, baseline=score)


def test_writers_do_not_lose_each_other(tmp_path: Path) -> None:
    """Many writers at once: every plan is in the document, every revision was given once."""
    path = tmp_path / "flags.json"

    def write(number: int) -> int:
        return FlagDocumentRouter(path).apply(plan(f"m{number % 3}", number / 100)).revision

    with ThreadPoolExecutor(8) as pool:
        revisions = sorted(pool.map(write, range(24)))
    assert revisions == sorted(list(range(1, 9)) * 3)
    assert check(json.loads(path.read_text())) == []


def test_a_change_is_always_newer(tmp_path: Path) -> None:
    """Readers that compare times see a change also after a clock that ran ahead."""
    path = tmp_path / "flags.json"
    router = FlagDocumentRouter(path)
    router.apply(plan("m", 0.1))
    ahead = path.stat().st_mtime_ns + 3_600 * 10**9
    os.utime(path, ns=(ahead, ahead))
    router.apply(plan("m", 0.2))
    assert path.stat().st_mtime_ns > ahead


def test_a_held_lock_is_told_not_waited_for(tmp_path: Path) -> None:
    router = FlagDocumentRouter(tmp_path / "flags.json", lock_seconds=0.05)
    with (tmp_path / "flags.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UnavailableError, match=r"flags\.lock"):
            router.apply(plan("m"))
    assert router.apply(plan("m")).revision == 1


@pytest.mark.parametrize("torn", ["", "{", "{}", '{"flags": {}}'])
def test_a_kill_works_with_a_broken_document(tmp_path: Path, torn: str) -> None:
    """What somebody broke by hand is replaced from what was published last."""
    path = tmp_path / "flags.json"
    router = FlagDocumentRouter(path)
    router.apply(plan("m"))
    path.write_text(torn)
    assert router.kill("m", "error", "wrong answers", "ann").revision == 2
    assert json.loads(path.read_text())["flags"]["m"]["defaultVariant"] == "error"


def test_both_copies_broken_is_told(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    FlagDocumentRouter(path).apply(plan("m"))
    path.write_text("{")
    path.with_suffix(".last.json").write_text("{")
    with pytest.raises(RefusedError, match="both broken"):
        FlagDocumentRouter(path).current("m")
