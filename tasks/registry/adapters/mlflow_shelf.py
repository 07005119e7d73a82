"""Models from a folder or from MLflow, copied into a store of the caller's own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from policies.errors import RefusedError
from policies.vocabulary import Artefact, ModelRef
from tasks.registry.adapters.mlflow import MlflowRegistry, signature_inputs
from tasks.registry.store import ArtefactStore, size_of

_VERSION = re.compile(r"models:/([^/@]+)/(\d+)")
_ALIAS = re.compile(r"models:/([^/@]+)@([^/@]+)")
_PLACES = "Name a model folder, models:/NAME/VERSION, models:/NAME@champion or runs:/RUN/PATH."


class MlflowShelf:
    """``uri`` is asked for only when a place lies in MLflow."""

    def __init__(self, store: Path, uri: Callable[[], str]) -> None:
        self._root = store
        self._store = ArtefactStore(store)
        self._uri = uri

    def take(self, place: str) -> Artefact:
        if found := _VERSION.fullmatch(place):
            return self._registry().fetch(ModelRef(model=found[1], version=found[2]))
        if found := _ALIAS.fullmatch(place):
            return self._registry().fetch(self._behind(found[1], found[2]))
        if place.startswith("models:"):
            raise RefusedError(f"{place} names no registered version.", advice=_PLACES)
        with self._store.incoming() as incoming:
            folder = incoming / "model"
            if ":/" in place:
                folder = self._registry().download(place, incoming)
            else:
                _copy(Path(place), folder)
            inputs, optional = signature_inputs(place, folder)
            digest = self._store.keep(folder)
        name = Path(place).name or "model"
        return Artefact(
            ref=ModelRef(model=name, version="unregistered"),
            digest=digest,
            inputs=inputs,
            optional=optional,
            size_bytes=size_of(self._store.path_of(digest)),
        )

    def path_of(self, digest: str) -> Path:
        return self._store.path_of(digest)

    def _registry(self) -> MlflowRegistry:
        return MlflowRegistry(self._uri(), self._root)

    def _behind(self, model: str, alias: str) -> ModelRef:
        ref = self._registry().behind(model, alias)
        if ref is None:
            raise RefusedError(f"{model} has no alias {alias} in MLflow.", advice=_PLACES)
        return ref


def _copy(source: Path, target: Path) -> None:
    if not source.is_dir():
        raise RefusedError(f"There is no model folder {source}.", advice=_PLACES)
    try:
        shutil.copytree(source, target, symlinks=True)
    except (OSError, shutil.Error) as error:
        raise RefusedError(
            f"The model folder {source} cannot be copied: {error}", advice="Check its rights."
        ) from error
