"""What the release needs from a model registry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from policies.requests import ReleaseRequest
from policies.vocabulary import Artefact, ModelRef


class Registry(Protocol):
    """Unknown models and versions raise ``RefusedError``; a silent server ``UnavailableError``."""

    def fetch(self, ref: ModelRef) -> Artefact:
        """Download the version into the artefact store, digest it, and describe it.

        Refused when it has no signature, no artefact or no files. The copy lies at
        ``path_of(digest)`` and is never rewritten.
        """

    def path_of(self, digest: str) -> Path:
        """Folder of a stored copy (an MLflow model folder). Refused when absent."""

    def digest_now(self, ref: ModelRef) -> str:
        """Digest of the files as the registry holds them now, to notice tampering."""

    def champion(self, model: str) -> ModelRef | None:
        """The version behind the alias ``champion``; ``None`` when the model has none."""

    def set_alias(self, ref: ModelRef, alias: str) -> None: ...

    def requested(self) -> Sequence[ReleaseRequest]:
        """Every version whose tags ask for a release, by model, older versions first."""

    def tag(self, ref: ModelRef, key: str, value: str) -> None: ...


class Shelf(Protocol):
    """Models for a trial away from any release."""

    def take(self, place: str) -> Artefact:
        """Copy a model folder, or a version that MLflow holds, into the store; describe it."""

    def path_of(self, digest: str) -> Path: ...
