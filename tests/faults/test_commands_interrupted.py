"""What ``up`` leaves when it cannot go on: nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from deployments.stack.processes import start, stop, tree
from tests.faults.stack_commands import alive, begin, seatrial

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def test_ctrl_c_during_up_leaves_no_process(tmp_path: Path) -> None:
    """Exit 3, nothing of it alive; and meanwhile a second ``up`` of this home is refused."""
    home = tmp_path / "home"
    with (tmp_path / "said").open("w+") as said:
        rising = begin("up", home=home, told=said)
        end = time.monotonic() + 60
        while len(alive(home)) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        held = alive(home)
        for part in held:
            part.suspend()  # else a busy machine has all parts up before the second asks
        second = seatrial(home, "up")
        assert (second.code, "Another `seatrial up`" in second.err) == (1, True), second.err
        assert rising.poll() is None
        for part in held:
            part.resume()
        rising.send_signal(signal.SIGINT)
        assert rising.wait(timeout=120) == 3
        said.seek(0)
        told = said.read()
    assert "Interrupted" in told and "Traceback" not in told
    assert alive(home) == []
    assert json.loads((home / "stack.json").read_text()) == []


def test_ctrl_c_during_the_demo_leaves_no_process(tmp_path: Path) -> None:
    """While the stack comes up and the models are trained: exit 3, and neither is left alive."""
    home = tmp_path / "home"
    with (tmp_path / "said").open("w+") as said:
        demo = begin("demo", home=home, told=said)
        end = time.monotonic() + 60
        while len(alive(home)) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        children = psutil.Process(demo.pid).children(recursive=True)
        assert any("deployments.demo.prepare" in child.cmdline() for child in children)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=120) == 3
        said.seek(0)
        told = said.read()
    assert "Interrupted" in told and "Traceback" not in told
    assert alive(home) == []
    assert not any(child.is_running() for child in children)


def test_a_taken_port_is_told_with_its_holder(tmp_path: Path) -> None:
    """``up`` names port, program and remedy, and leaves nothing half started."""
    home = tmp_path / "home"
    home.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (home / "ports.json").write_text(json.dumps({"mlflow": port}))
        ran = seatrial(home, "up")
    assert ran.code == 1
    words = " ".join(ran.err.split())
    assert f"Port {port} of the mlflow is taken by" in words
    assert f"(process {os.getpid()})" in words
    assert "What to do: Stop that program, or delete" in words
    assert alive(home) == []


def test_a_home_that_cannot_be_is_told(tmp_path: Path) -> None:
    """A file in its place, and a roster that nobody can read."""
    (tmp_path / "file").write_text("")
    ran = seatrial(tmp_path / "file", "up")
    assert (ran.code, "What to do: Name a folder" in ran.err) == (1, True), ran.err
    (tmp_path / "stack.json").write_text("{")
    for word in ("up", "down"):
        ran = seatrial(tmp_path, word)
        assert (ran.code, "stack.json is damaged" in ran.err) == (1, True), ran.err
    assert alive(tmp_path) == []


def test_what_a_killed_process_left_behind_is_found_and_ended(tmp_path: Path) -> None:
    """Its parent is gone and so is its place in the tree; the mark in its environment is not."""
    row = start(
        "part",
        ["/bin/sh", "-c", f"setsid {sys.executable} -c 'import time; time.sleep(60)' & wait"],
        log=tmp_path / "log",
        environment={},
        folder=tmp_path,
        port=None,
        mark=("SEATRIAL_PART", f"part@{tmp_path}"),
    )
    end = time.monotonic() + 20
    while len(tree(row)) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    psutil.Process(row.pid).kill()
    psutil.Process(row.pid).wait(10)
    left = tree(row)
    assert len(left) == 1 and row.process() is None
    assert stop([row]) == []
    assert not left[0].is_running()
