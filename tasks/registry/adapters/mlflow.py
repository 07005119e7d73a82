"""Registry on an MLflow tracking and registry server.

MLflow's files are not immutable: a version can be overwritten in place. So every version is
downloaded whole, digested, and kept in a store of our own; aliases and tags are only labels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policies.errors import RefusedError, UnavailableError
from policies.requests import REQUEST_TAG, REQUESTED, REQUESTER_TAG, ReleaseRequest, in_order
from policies.vocabulary import Artefact, ModelRef
from tasks.registry.digest import tree_digest
from tasks.registry.store import ArtefactStore, size_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# MLflow asks a silent server again for minutes. Tasks have retries of their own, and a person
# at the command line should hear of it now. Set only where the operator has set nothing.
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # commands have progress bars of their own
}

RETRY_MAY_HELP = {
    "INTERNAL_ERROR",
    "TEMPORARILY_UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "REQUEST_LIMIT_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "ABORTED",
}
MOST_PAGES = 50  # of 200 requested versions: more than anybody asks for at once
TRAINER_TAG = "trainer"  # on the version or its run; else the run's user


class MlflowRegistry:
    """``uri``: of the tracking server, which is also the registry. ``store``: our copies."""

    def __init__(self, uri: str, store: Path) -> None:
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        self._uri = uri
        self._store = ArtefactStore(store)

    def fetch(self, ref: ModelRef) -> Artefact:
        with self._speaking(f"fetch {ref}") as client:
            version = client.get_model_version(ref.model, ref.version)
            run = client.get_run(version.run_id) if version.run_id else None
            with self._store.incoming() as incoming:
                folder = self._download(client, ref, incoming)
                inputs, optional = signature_inputs(str(ref), folder)
                digest = self._store.keep(folder)
        tags = {str(key): str(value) for key, value in version.tags.items()}
        return Artefact(
            ref=ref,
            digest=digest,
            inputs=inputs,
            optional=optional,
            tags=tags,
            run_id=version.run_id or None,
            trainer=tags.get(TRAINER_TAG) or _trainer(run),
            dataset_digests=_dataset_digests(run),
            size_bytes=size_of(self._store.path_of(digest)),
            registered_at=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
            description=version.description or "",
        )

    def path_of(self, digest: str) -> Path:
        return self._store.path_of(digest)

    def digest_now(self, ref: ModelRef) -> str:
        with self._speaking(f"read {ref}") as client, self._store.incoming() as incoming:
            return tree_digest(self._download(client, ref, incoming))

    def champion(self, model: str) -> ModelRef | None:
        return self.behind(model, "champion")

    def behind(self, model: str, alias: str) -> ModelRef | None:
        with self._speaking(f"look up {model}") as client:
            aliases = client.get_registered_model(model).aliases
        version = aliases.get(alias)
        return None if version is None else ModelRef(model=model, version=str(version))

    def set_alias(self, ref: ModelRef, alias: str) -> None:
        with self._speaking(f"set the alias {alias} of {ref}") as client:
            client.set_registered_model_alias(ref.model, alias, ref.version)

    def requested(self) -> Sequence[ReleaseRequest]:
        with self._speaking("look for requested releases") as client:
            found = [
                ReleaseRequest(
                    ref=ModelRef(model=version.name, version=str(version.version)),
                    requester=str(version.tags.get(REQUESTER_TAG, "")),
                )
                for page in _pages(client, f"tags.`{REQUEST_TAG}` = '{REQUESTED}'")
                for version in page
            ]
        return in_order(found)

    def tag(self, ref: ModelRef, key: str, value: str) -> None:
        with self._speaking(f"tag {ref}") as client:
            client.set_model_version_tag(ref.model, ref.version, key, value)

    def download(self, place: str, into: Path) -> Path:
        """Files that MLflow holds outside of the registry, such as ``runs:/RUN/model``."""
        from mlflow.artifacts import download_artifacts

        with self._speaking(f"download {place}"):
            return Path(
                download_artifacts(artifact_uri=place, dst_path=str(into), tracking_uri=self._uri)
            )

    @contextmanager
    def _speaking(self, what: str) -> Iterator[MlflowClient]:
        """A client, with MLflow's exceptions turned into ours."""
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from requests import RequestException

        try:
            yield MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        except MlflowException as error:
            if error.error_code in RETRY_MAY_HELP:
                raise self._unavailable(what) from error
            raise RefusedError(
                f"MLflow will not {what}: {_first_line(error)}",
                advice="Check the model's name and version in the MLflow registry.",
            ) from error
        except RequestException as error:
            raise self._unavailable(what) from error

    def _unavailable(self, what: str) -> UnavailableError:
        return UnavailableError(
            f"MLflow at {self._uri} does not answer: could not {what}.",
            advice="Start it with seatrial up, or check mlflow_uri in the settings.",
        )

    def _download(self, client: MlflowClient, ref: ModelRef, into: Path) -> Path:
        """The version's files as the registry holds them now.

        The place is looked up first: downloading by model name would add a file of MLflow's
        own that names the version, and one tree would then have two digests.
        """
        from mlflow.artifacts import download_artifacts, list_artifacts

        place = _place(client, ref)
        if not list_artifacts(artifact_uri=place, tracking_uri=self._uri):
            raise RefusedError(
                f"{ref} is registered, but its files are gone.",
                advice="Register the version again from its run.",
            )
        return Path(
            download_artifacts(
                artifact_uri=place,
                dst_path=str(into),
                tracking_uri=self._uri,
                registry_uri=self._uri,
            )
        )


def _pages(client: MlflowClient, wanted: str) -> Iterator[Sequence[Any]]:
    token = None
    for _ in range(MOST_PAGES):
        page = client.search_model_versions(wanted, max_results=200, page_token=token)
        yield page
        token = page.token
        if not token:
            return


def _place(client: MlflowClient, ref: ModelRef) -> str:
    uri: str = client.get_model_version_download_uri(ref.model, ref.version)
    kind, _, model_id = uri.partition("models:/")
    if kind or not model_id:
        return uri
    return str(client.get_logged_model(model_id).artifact_location)


def signature_inputs(name: str, folder: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """Column → type, and which columns may be left out.

    A version that does not say what it takes cannot be checked: refused.
    """
    from mlflow.models import Model

    if not (folder / "MLmodel").is_file():
        raise RefusedError(
            f"{name} is not an MLflow model: it has no MLmodel file.",
            advice="Log it with mlflow's log_model.",
        )
    signature = Model.load(str(folder)).signature
    columns: list[dict[str, Any]] = signature.inputs.to_dict() if signature else []
    if not columns or any("name" not in column for column in columns):
        raise RefusedError(
            f"{name} has no signature with named columns.",
            advice="Log it again with signature= (mlflow.models.infer_signature).",
        )
    inputs = {str(column["name"]): str(column["type"]) for column in columns}
    optional = tuple(str(c["name"]) for c in columns if not c.get("required", True))
    return inputs, optional


def _dataset_digests(run: Run | None) -> tuple[str, ...]:
    used = run.inputs.dataset_inputs if run is not None and run.inputs else []
    return tuple(str(data.dataset.digest) for data in used)


def _trainer(run: Run | None) -> str | None:
    if run is None:
        return None
    tags = run.data.tags
    return tags.get(TRAINER_TAG) or tags.get("mlflow.user") or run.info.user_id or None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
