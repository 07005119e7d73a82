"""The tutorial is true: its blocks are typed in order, in an empty folder, on a real stack."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from policies.vocabulary import Outcome, Stage
from tasks.connections import World
from tasks.ledger.record import recall

pytestmark = pytest.mark.long
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"(?:^`(?P<file>\S+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
BIN = Path(sys.executable).parent
# What one block exports, the next one has, as in one terminal.
IN_ONE_TERMINAL = (
    'set -euo pipefail; [ -f .exports ] && . ./.exports; trap "export -p > .exports" EXIT; set -a'
)


@dataclass(frozen=True)
class Block:
    kind: str
    file: str | None
    text: str


BLOCKS = [Block(m["kind"], m["file"], m["text"]) for m in BLOCK.finditer(TUTORIAL.read_text())]


def test_every_block_is_of_a_kind_that_is_run() -> None:
    """Commands, named programs and data: nothing on the page is out of the test's reach."""
    assert len(BLOCKS) == TUTORIAL.read_text().count("\n```\n")
    assert {block.kind for block in BLOCKS} == {"bash", "python", "json"}
    assert [b for b in BLOCKS if (b.kind == "python") != (b.file is not None)] == []
    for block in BLOCKS:
        if block.kind == "json":
            json.loads(block.text)


class Terminal:
    """One terminal in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if k not in ("SEATRIAL_HOME", "PYTHONPATH")}
        self.environment = kept | {"PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "200"}

    def type(self, block: Block) -> str:
        """What it said. Output goes to a file: a program in the background keeps a pipe open."""
        if block.file is not None:
            (self.folder / block.file).write_text(block.text)
            return ""
        log = self.folder / "said.txt"
        with log.open("wb") as said:
            done = subprocess.run(
                ["bash", "-c", f"{IN_ONE_TERMINAL}\n{block.text}"],
                cwd=self.folder, env=self.environment, stdout=said, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, timeout=400, check=False,
            )  # fmt: skip
        told = log.read_text()
        assert done.returncode == 0, f"{block.text}\n{told}\n{self._logs()}"
        assert "Traceback" not in told, told
        return told

    def close(self) -> None:
        with suppress(OSError, ValueError, psutil.Error):
            traffic = psutil.Process(int((self.folder / "traffic.pid").read_text()))
            if "traffic.py" in " ".join(traffic.cmdline()):
                traffic.kill()
        subprocess.run([BIN / "seatrial", "down"], cwd=self.folder, env=self.environment,
                       capture_output=True, check=False, timeout=120)  # fmt: skip

    def _logs(self) -> str:
        logs = self.folder / ".seatrial" / "logs"
        return "\n".join(file.read_text()[-1500:] for file in sorted(logs.glob("*.log")))


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.stack
@pytest.mark.timeout(900)
def test_every_block_does_what_the_page_says(terminal: Terminal) -> None:
    """Up, train, init, rehearse, adopt, traffic, release, sign: users meet version 2, then not."""
    said = "".join(terminal.type(block) for block in BLOCKS if block.kind != "json")
    for told in (
        "churn: sound, sha256:",
        "PASS: staging would let it go on to shadow",
        "not enough labelled traffic",
        "something is missing",
        "Rosa Diaz can.",
        "Ann Lee cannot: trained the model and asks for the release.",
        "Begin it: seatrial release churn 2",
        "Rosa Diaz (peer) approved",
        "Stopped and gone",
    ):
        assert told in " ".join(said.split()), f"{told!r} is not in\n{said}"
    entries = World(terminal.folder / ".seatrial").ledger.entries(model="churn")
    (release_id,) = {e.release_id for e in entries if e.kind == "opened"}
    closed = recall(World(terminal.folder / ".seatrial").ledger, str(release_id)).closing
    assert closed is None or closed.outcome is Outcome.ROLLED_BACK  # it may end while it stops
    entered = [e.payload["step"]["stage"] for e in entries if e.kind == "entered"]
    assert entered[:3] == [Stage.STAGING, Stage.SHADOW, Stage.CANARY]
    assert [e.actor for e in entries if e.kind == "vote"] == ["Rosa Diaz"]
