"""The folder where everything lies."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from deployments.stack.world import make_home
from policies.errors import RefusedError


def test_a_home_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """Requests, people and the record lie in it; one that exists keeps the mode it was given."""
    before = os.umask(0)
    try:
        make_home(tmp_path / "deep" / "home")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "deep" / "home").stat().st_mode) == 0o700
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o750)
    make_home(shared)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o750


def test_a_home_that_cannot_be_made_is_refused_with_advice(tmp_path: Path) -> None:
    """A file in its place ends in words."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RefusedError, match="cannot be made") as refused:
        make_home(tmp_path / "file" / "home")
    assert "--home" in refused.value.advice
