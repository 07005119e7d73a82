"""Registry in memory: versions are folders on disk, described by whoever adds them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from policies.errors import RefusedError
from policies.requests import REQUEST_TAG, REQUESTED, REQUESTER_TAG, ReleaseRequest, in_order
from policies.vocabulary import Artefact, ModelRef
from tasks.registry.digest import tree_digest
from tasks.registry.store import ArtefactStore, size_of


@dataclass
class MemoryRegistry:
    """A real registry for tests, tutorials and laptops: nothing survives the process."""

    store: Path
    _folders: dict[ModelRef, Path] = field(default_factory=dict)
    _artefacts: dict[ModelRef, Artefact] = field(default_factory=dict)
    _aliases: dict[tuple[str, str], ModelRef] = field(default_factory=dict)

    def add(self, folder: Path, artefact: Artefact) -> None:
        """Register a folder. The digest and size of ``artefact`` are ignored: files decide."""
        self._folders[artefact.ref] = folder
        self._artefacts[artefact.ref] = artefact

    def fetch(self, ref: ModelRef) -> Artefact:
        known = self._known(ref)
        if not known.inputs:
            raise RefusedError(
                f"{ref} has no signature.", advice="Register it again with a model signature."
            )
        store = ArtefactStore(self.store)
        with store.incoming() as incoming:
            copy = incoming / "model"
            shutil.copytree(self._folder(ref), copy, symlinks=True)
            digest = store.keep(copy)
        size = size_of(store.path_of(digest))
        return known.model_copy(update={"digest": digest, "size_bytes": size})

    def path_of(self, digest: str) -> Path:
        return ArtefactStore(self.store).path_of(digest)

    def digest_now(self, ref: ModelRef) -> str:
        self._known(ref)
        return tree_digest(self._folder(ref))

    def champion(self, model: str) -> ModelRef | None:
        if not any(ref.model == model for ref in self._artefacts):
            raise RefusedError(
                f"There is no registered model {model!r}.", advice="Check the model's name."
            )
        return self._aliases.get((model, "champion"))

    def set_alias(self, ref: ModelRef, alias: str) -> None:
        self._known(ref)
        self._aliases[ref.model, alias] = ref

    def requested(self) -> Sequence[ReleaseRequest]:
        asked = [a for a in self._artefacts.values() if a.tags.get(REQUEST_TAG) == REQUESTED]
        return in_order(
            ReleaseRequest(ref=a.ref, requester=a.tags.get(REQUESTER_TAG, "")) for a in asked
        )

    def tag(self, ref: ModelRef, key: str, value: str) -> None:
        known = self._known(ref)
        tags = {**known.tags, key: value}
        self._artefacts[ref] = known.model_copy(update={"tags": tags})

    def _known(self, ref: ModelRef) -> Artefact:
        if ref not in self._artefacts:
            raise RefusedError(f"{ref} is not registered.", advice="Check the name and version.")
        return self._artefacts[ref]

    def _folder(self, ref: ModelRef) -> Path:
        folder = self._folders[ref]
        if not folder.is_dir():
            raise RefusedError(f"The files of {ref} are gone.", advice="Register it again.")
        return folder
