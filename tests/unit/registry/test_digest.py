from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import RefusedError
from tasks.registry.digest import hex_of, tree_digest

NAMES = st.text(alphabet="abcÄ .-_1", min_size=1, max_size=8).filter(lambda s: s.strip(". "))
VECTOR = "sha256:870c8717cf87de624eaff752ef9434d5628d084854a3484e8c98a4fe10807712"
TREES = st.dictionaries(NAMES, st.binary(max_size=20), min_size=1, max_size=5)


def _write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_an_empty_tree_has_no_digest(tmp_path: Path) -> None:
    """Nothing to serve is refused, not given a digest of nothing."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(RefusedError):
        tree_digest(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """A folder that is not there is an error with words, not a traceback of the system."""
    with pytest.raises(RefusedError):
        tree_digest(tmp_path / "absent")


def test_known_vector(tmp_path: Path) -> None:
    """The published digest of a known tree never changes: old ledgers hold such digests."""
    _write(tmp_path, {"MLmodel": b"x\n", "data/model.pkl": b"\x00\x01"})
    assert tree_digest(tmp_path) == VECTOR


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    """What a link points at may change while the tree does not."""
    _write(tmp_path, {"a": b"1"})
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(RefusedError, match="symbolic link"):
        tree_digest(tmp_path)


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """Reading a pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RefusedError, match="plain file"):
        tree_digest(tmp_path)


@given(files=TREES, data=st.data())
def test_every_byte_and_every_name_counts(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], data: st.DataObject
) -> None:
    """The digest is that of the content: a copy has it too, a changed byte or name has not."""
    folder = _write(tmp_path_factory.mktemp("tree"), files)
    before = tree_digest(folder)
    copy = tmp_path_factory.mktemp("copy") / "elsewhere"
    shutil.copytree(folder, copy)
    assert tree_digest(copy) == before
    victim = data.draw(st.sampled_from(sorted(files)))
    (copy / victim).write_bytes(files[victim] + b"!")
    assert tree_digest(copy) != before
    (folder / victim).rename(folder / "zz")
    assert tree_digest(folder) != before


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:" + "g" * 64, "md5:" + "a" * 64, "../x"])
def test_only_digests_name_a_folder(text: str) -> None:
    """A digest becomes a folder name, so nothing else may pass for one."""
    with pytest.raises(RefusedError):
        hex_of(text)
