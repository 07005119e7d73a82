"""A page is replaced whole or not at all."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from policies.errors import RefusedError
from tasks.documents.files import replace_text

NOBODY = 65534


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process can grow beyond ``size`` bytes, as on a disk that fills up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def without_privileges() -> Iterator[None]:
    """Whom no file permission holds becomes somebody whom they do."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that anybody may look into."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


def test_a_new_text_takes_the_place_of_the_old(folder: Path) -> None:
    """Also in a folder that has to be made first; nothing else is left there."""
    page = folder / "rel-1" / "page.html"
    replace_text(page, "old")
    replace_text(page, "nęw")
    assert page.read_text(encoding="utf-8") == "nęw"
    assert os.listdir(page.parent) == ["page.html"]
    assert page.stat().st_mode & 0o777 == 0o644


def test_a_full_disk_leaves_the_old_text(folder: Path) -> None:
    """The write fails half-way: readers keep what they had, and the half is gone."""
    page = folder / "page.html"
    replace_text(page, "old")
    with room_for(4096), pytest.raises(RefusedError) as refused:
        replace_text(page, "new " * 10_000)
    assert "page.html could not be written" in refused.value.message
    assert "Make room" in refused.value.advice
    assert page.read_text() == "old"
    assert os.listdir(folder) == ["page.html"]


def test_a_folder_without_rights_leaves_the_old_text(folder: Path) -> None:
    """What may not be written is told, and stays as it is."""
    page = folder / "page.html"
    replace_text(page, "old")
    folder.chmod(0o555)
    with without_privileges(), pytest.raises(RefusedError, match="Permission denied"):
        replace_text(page, "new")
    assert page.read_text() == "old"
    assert os.listdir(folder) == ["page.html"]


def test_a_file_in_the_folders_place_is_told(folder: Path) -> None:
    """Every fault of the file system is told in the same way."""
    (folder / "rel-1").write_text("in the way")
    with pytest.raises(RefusedError, match="could not be written"):
        replace_text(folder / "rel-1" / "page.html", "new")
