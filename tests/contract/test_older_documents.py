"""A flag document that somebody put back or wrote by hand: no kill is lost, nobody crashes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policies.vocabulary import TrafficPlan
from tasks.traffic.adapters.flag_document import FlagDocumentRouter
from tasks.traffic.document import check


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flags.json"


def test_a_kill_follows_what_was_published_last(path: Path) -> None:
    """Serving processes hold the newest revision and refuse an older one: a kill must be newer."""
    router = FlagDocumentRouter(path)
    router.apply(TrafficPlan(model="m", champion=None, baseline=0.2))
    backup = path.read_bytes()
    for score in (0.3, 0.4):
        router.apply(TrafficPlan(model="m", champion=None, baseline=score))
    held = json.loads(path.read_text())
    path.write_bytes(backup)
    killed = router.kill("m", "error", "wrong answers", "ann")
    assert killed.revision == held["flags"]["m"]["metadata"]["rev"] + 1
    assert check(json.loads(path.read_text()), held) == []


def test_the_same_kill_again_mends_an_older_document(path: Path) -> None:
    """Nothing is new about it but that the file lacks it."""
    router = FlagDocumentRouter(path)
    router.apply(TrafficPlan(model="m", champion=None, baseline=0.2))
    backup = path.read_bytes()
    router.kill("m", "error", "wrong answers", "ann")
    path.write_bytes(backup)
    router.kill("m", "error", "wrong answers", "ann")
    assert json.loads(path.read_text())["flags"]["m"]["defaultVariant"] == "error"


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"fallback": ["previous", "error"]}},
        {"metadata": {"audience": 5}},
        {"metadata": {"breaker_rows": "many"}},
        {"defaultVariant": {"name": "champion"}},
        {"targeting": {"fractional": [{}, [["candidate"], 1], ["champion", 9_999]]}},
        {"variants": {"champion": "the usual one", "error": {"status": 503}}},
    ],
)
def test_what_a_hand_has_written_is_a_fault_and_no_crash(
    path: Path, change: dict[str, Any]
) -> None:
    """It is refused in words, and a kill still works from what was published last."""
    router = FlagDocumentRouter(path)
    router.apply(TrafficPlan(model="m", champion=None, baseline=0.2))
    document = json.loads(path.read_text())
    flag = document["flags"]["m"]
    for name, value in change.items():
        flag[name] = flag[name] | value if name == "metadata" else value
    assert check(document) != []
    path.write_text(json.dumps(document))
    assert router.kill("m", "error", "wrong answers", "ann").revision == 2
