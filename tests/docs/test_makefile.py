"""The Makefile does what a fresh machine needs, and says so when it cannot."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Makefile").read_text()


def test_every_target_is_explained_and_declared() -> None:
    """`make help` lists each target, and no file of the same name can hide one."""
    targets = re.findall(r"^([a-z-]+):(?!=)(.*)$", TEXT, re.MULTILINE)
    assert [name for name, rest in targets if "## " not in rest] == []
    (phony,) = re.findall(r"^\.PHONY: (.*)$", TEXT, re.MULTILINE)
    assert {name for name, _ in targets} == set(phony.split())


def test_no_index_is_named() -> None:
    """A site's own mirror works unchanged."""
    lock = (ROOT / "requirements.lock").read_text()
    for text in (TEXT, lock):
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)


def test_a_python_that_does_not_fit_is_refused_in_words() -> None:
    """Neither an old interpreter nor none ends in a stack trace."""
    done = subprocess.run(
        ["make", "--always-make", "PYTHON=/bin/false", ".venv/.installed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "is not Python 3.11 or 3.12" in done.stdout
    none = subprocess.run(
        ["make", "--always-make", "PYTHON=", ".venv/.installed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert none.returncode != 0
    assert "needs Python 3.11 or 3.12" in none.stdout


def test_the_build_server_runs_what_people_run() -> None:
    """There is no second list of checks to forget."""
    script = (ROOT / ".ci" / "run").read_text()
    assert script.rstrip().endswith("make check")
    assert "set -euo pipefail" in script
    (needs,) = re.findall(r"^check: ([^#]*)", TEXT, re.MULTILINE)
    every = {"lint", "types", "imports", "policies", "test", "test-long", "test-browser"}
    assert set(needs.split()) == every
