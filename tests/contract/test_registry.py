"""One suite over every registry. The MLflow one is a real server on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from policies.errors import RefusedError, UnavailableError
from policies.vocabulary import Artefact, ModelRef
from tasks.registry.adapters.memory import MemoryRegistry
from tasks.registry.digest import hex_of, tree_digest
from tasks.registry.ports import Registry
from tests.faults.forms_model import make as make_forms

MLMODEL = """\
artifact_path: model
flavors:
  python_function:
    loader_module: mlflow.pyfunc.model
model_uuid: 0123456789abcdef0123456789abcdef
"""
SIGNATURE = """\
signature:
  inputs: '[{"type": "double", "name": "temp", "required": true},
    {"type": "string", "name": "origin", "required": true}]'
  outputs: '[{"type": "double", "name": "score", "required": true}]'
"""
INPUTS = {"temp": "double", "origin": "string"}


class World(Protocol):
    """A registry together with the means to fill it and to break it."""

    registry: Registry
    store: Path

    def register(self, model: str, files: dict[str, str], *, signed: bool = True) -> ModelRef: ...

    def overwrite(self, ref: ModelRef, name: str, text: str) -> None: ...

    def lose_files(self, ref: ModelRef) -> None: ...


def _write(folder: Path, files: dict[str, str], *, signed: bool) -> Path:
    for name, text in {"MLmodel": MLMODEL + SIGNATURE * signed, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


class MemoryWorld:
    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        self.registry = MemoryRegistry(self.store)
        self._folder = folder
        self._versions = 0

    def register(self, model: str, files: dict[str, str], *, signed: bool = True) -> ModelRef:
        self._versions += 1
        ref = ModelRef(model=model, version=str(self._versions))
        source = _write(self._folder / f"source-{ref.version}", files, signed=signed)
        self.registry.add(
            source,
            Artefact(
                ref=ref,
                digest="sha256:" + "0" * 64,
                inputs=INPUTS if signed else {},
                tags={"owner": "operations"},
                run_id="run",
                trainer="tess",
                dataset_digests=("d1",),
                description="words",
            ),
        )
        return ref

    def overwrite(self, ref: ModelRef, name: str, text: str) -> None:
        (self._folder / f"source-{ref.version}" / name).write_text(text)

    def lose_files(self, ref: ModelRef) -> None:
        shutil.rmtree(self._folder / f"source-{ref.version}")


class MlflowWorld:
    def __init__(self, uri: str, artefacts: Path, folder: Path) -> None:
        from mlflow import MlflowClient

        from tasks.registry.adapters.mlflow import MlflowRegistry

        self.store = folder / "store"
        self.registry = MlflowRegistry(uri, self.store)
        self._client = MlflowClient(uri, uri)
        self._artefacts = artefacts
        self._folder = folder

    def register(self, model: str, files: dict[str, str], *, signed: bool = True) -> ModelRef:
        from mlflow.entities import Dataset, DatasetInput
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            assert error.error_code == "RESOURCE_ALREADY_EXISTS"
        run = self._client.create_run("0", tags={"trainer": "tess"})
        data = Dataset(name="rows", digest="d1", source_type="local", source="x")
        self._client.log_inputs(run.info.run_id, datasets=[DatasetInput(data, [])])
        source = _write(self._folder / run.info.run_id, files, signed=signed)
        self._client.log_artifacts(run.info.run_id, str(source), "model")
        version = self._client.create_model_version(
            model,
            f"{run.info.artifact_uri}/model",
            run.info.run_id,
            tags={"owner": "operations"},
            description="words",
        )
        return ModelRef(model=model, version=str(version.version))

    def _on_disk(self, ref: ModelRef) -> Path:
        run_id = self._client.get_model_version(ref.model, ref.version).run_id
        return next(self._artefacts.rglob(f"{run_id}/artifacts/model"))

    def overwrite(self, ref: ModelRef, name: str, text: str) -> None:
        (self._on_disk(ref) / name).write_text(text)

    def lose_files(self, ref: ModelRef) -> None:
        shutil.rmtree(self._on_disk(ref))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    home = tmp_path_factory.mktemp("mlflow")
    port = _free_port()
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{home}/mlflow.db"]
    command += ["--artifacts-destination", str(home / "artefacts")]
    quiet = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=home, env={**os.environ, **quiet}
        )
        try:
            _wait_for(uri, server)
            yield uri, home / "artefacts"
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait_for(uri: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240  # a busy machine takes minutes over its tables
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(uri + "/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("the MLflow server did not start")


@pytest.fixture(params=["memory", pytest.param("mlflow", marks=pytest.mark.stack)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    if request.param == "memory":
        return MemoryWorld(tmp_path)
    uri, artefacts = request.getfixturevalue("mlflow_server")
    return MlflowWorld(uri, artefacts, tmp_path)


def test_versions_that_ask_for_a_release_are_found(world: World) -> None:
    """By the tag's exact value, with who asks; older versions first, others never."""
    refs = [world.register("asking", {"a": str(n)}) for n in range(3)]
    for ref, value in zip(refs, ("requested", "done", "requested"), strict=True):
        world.registry.tag(ref, "seatrial.release", value)
    world.registry.tag(refs[2], "seatrial.requester", "erin")
    found = [r for r in world.registry.requested() if r.ref.model == "asking"]
    assert [(r.ref, r.requester) for r in found] == [(refs[0], ""), (refs[2], "erin")]
    world.registry.tag(refs[0], "seatrial.release", "withdrawn")
    left = [r.ref for r in world.registry.requested() if r.ref.model == "asking"]
    assert left == [refs[2]]


def test_an_unknown_model_is_refused(world: World) -> None:
    """Every question about a model that is not there says so."""
    ref = ModelRef(model="nobody", version="1")
    for ask in (world.registry.fetch, world.registry.digest_now):
        with pytest.raises(RefusedError) as caught:
            ask(ref)
        assert caught.value.advice
    with pytest.raises(RefusedError):
        world.registry.champion("nobody")
    with pytest.raises(RefusedError):
        world.registry.set_alias(ref, "champion")
    with pytest.raises(RefusedError):
        world.registry.tag(ref, "k", "v")


def test_an_unknown_version_is_refused(world: World) -> None:
    """A model's other versions do not stand in for a missing one."""
    world.register("m-unknown-version", {"a": "1"})
    with pytest.raises(RefusedError):
        world.registry.fetch(ModelRef(model="m-unknown-version", version="99"))


def test_a_version_without_signature_is_refused(world: World) -> None:
    """What does not say which columns it takes cannot be tried."""
    ref = world.register("m-unsigned", {"a": "1"}, signed=False)
    with pytest.raises(RefusedError, match="signature"):
        world.registry.fetch(ref)
    assert not list(world.store.glob("*"))


def test_a_version_without_files_is_refused(world: World) -> None:
    """A row in a database is not a model."""
    ref = world.register("m-lost", {"a": "1"})
    world.lose_files(ref)
    with pytest.raises(RefusedError, match="gone"):
        world.registry.fetch(ref)


def test_fetch_describes_and_keeps(world: World) -> None:
    """A fetched version is described in full and lies under its digest, file for file."""
    ref = world.register("m-kept", {"data/model.bin": "weights", "reference/rows.jsonl": "{}\n"})
    artefact = world.registry.fetch(ref)
    path = world.registry.path_of(artefact.digest)
    assert path == world.store / hex_of(artefact.digest)
    assert tree_digest(path) == artefact.digest == world.registry.digest_now(ref)
    assert (path / "data/model.bin").read_text() == "weights"
    assert artefact.inputs == INPUTS
    assert artefact.tags == {"owner": "operations"}
    assert artefact.run_id
    assert artefact.trainer == "tess"
    assert artefact.dataset_digests == ("d1",)
    assert artefact.description == "words"
    assert artefact.size_bytes == sum(f.stat().st_size for f in path.rglob("*") if f.is_file())


def test_kept_files_are_read_only(world: World) -> None:
    """Nobody edits the copy that a rollback returns to by accident."""
    digest = world.registry.fetch(world.register("m-modes", {"a/b": "1"})).digest
    files = [f for f in world.registry.path_of(digest).rglob("*") if f.is_file()]
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o444}


def test_fetching_twice_changes_nothing(world: World) -> None:
    """The second fetch gives the same value and does not touch the copy."""
    ref = world.register("m-twice", {"a": "1"})
    first = world.registry.fetch(ref)
    before = (world.registry.path_of(first.digest) / "a").stat()
    assert world.registry.fetch(ref) == first
    after = (world.registry.path_of(first.digest) / "a").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert [path.name for path in world.store.iterdir()] == [hex_of(first.digest)]


def test_overwritten_files_are_noticed_and_the_copy_stands(world: World) -> None:
    """A version changed in place has another digest now; what was released is untouched."""
    ref = world.register("m-tampered", {"a": "good"})
    released = world.registry.fetch(ref)
    world.overwrite(ref, "a", "evil")
    assert world.registry.digest_now(ref) != released.digest
    assert (world.registry.path_of(released.digest) / "a").read_text() == "good"
    assert world.registry.fetch(ref).digest != released.digest


def test_an_altered_copy_is_refused(world: World) -> None:
    """A copy that no longer has its digest is never handed out as if it had."""
    ref = world.register("m-altered", {"a": "good"})
    copy = world.registry.path_of(world.registry.fetch(ref).digest) / "a"
    copy.chmod(0o644)
    copy.write_text("evil")
    with pytest.raises(RefusedError, match="altered"):
        world.registry.fetch(ref)


def test_an_unknown_digest_has_no_path(world: World) -> None:
    """Only stored copies have a place."""
    with pytest.raises(RefusedError):
        world.registry.path_of("sha256:" + "0" * 64)
    with pytest.raises(RefusedError):
        world.registry.path_of("../../etc")


def test_aliases_and_tags(world: World) -> None:
    """The champion is whoever the alias names, nobody until then; tags come back on fetch."""
    ref = world.register("m-alias", {"a": "1"})
    assert world.registry.champion("m-alias") is None
    world.registry.set_alias(ref, "champion")
    world.registry.tag(ref, "seatrial.release", "r1")
    assert world.registry.champion("m-alias") == ref
    assert world.registry.fetch(ref).tags["seatrial.release"] == "r1"


@pytest.mark.stack
def test_a_logged_model_is_fetched_from_where_it_lies(
    mlflow_server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version made by log_model (its files belong to no run) is found and has one digest."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from tasks.registry.adapters.mlflow import MlflowRegistry

    class Constant(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            return [0.5] * len(model_input)

    uri = mlflow_server[0]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=Constant(),
            signature=ModelSignature(Schema([ColSpec("double", "temp")])),
            registered_model_name="m-logged",
            pip_requirements=["mlflow"],
        )
    registry = MlflowRegistry(uri, tmp_path / "store")
    ref = ModelRef(model="m-logged", version=str(info.registered_model_version))
    artefact = registry.fetch(ref)
    assert artefact.inputs == {"temp": "double"}
    assert artefact.trainer
    assert registry.digest_now(ref) == artefact.digest
    assert not list(registry.path_of(artefact.digest).rglob("registered_model_meta"))


@pytest.mark.stack
def test_nested_and_optional_inputs_survive_the_registry(
    mlflow_server: tuple[str, Path], tmp_path: Path
) -> None:
    """What the model was saved with is what the serving path will ask of a request."""
    world = MlflowWorld(*mlflow_server, tmp_path)
    folder = Path(make_forms(tmp_path / "forms"))
    texts = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.*")}
    mlmodel = (folder / "MLmodel").read_text()
    artefact = world.registry.fetch(world.register("m-forms", {**texts, "MLmodel": mlmodel}))
    assert artefact.digest == tree_digest(folder)
    assert set(artefact.inputs) == {"tags", "sent", "visits", "who"}
    assert artefact.optional == ("visits", "who")


@pytest.mark.stack
def test_a_silent_server_is_unavailable_quickly(tmp_path: Path) -> None:
    """Nobody waits minutes to hear that MLflow is not running, or that it hangs."""
    from mlflow import MlflowClient

    from tasks.registry.adapters.mlflow import MlflowRegistry

    MlflowClient("http://127.0.0.1:9")  # imports its parts, which is not what is timed here
    ref = ModelRef(model="m", version="1")
    dead = MlflowRegistry(f"http://127.0.0.1:{_free_port()}", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts, never answers
        hung = MlflowRegistry(f"http://127.0.0.1:{mute.getsockname()[1]}", tmp_path)
        dead_ask = (dead.champion, dead.fetch)
        started = time.monotonic()
        with pytest.raises(UnavailableError):
            dead_ask[0]("m")
        with pytest.raises(UnavailableError) as caught:
            dead_ask[1](ref)
        assert caught.value.advice
        assert time.monotonic() - started < 8  # twice, with room for a busy machine
        started = time.monotonic()
        with pytest.raises(UnavailableError):
            hung.champion("m")
        assert time.monotonic() - started < 8
