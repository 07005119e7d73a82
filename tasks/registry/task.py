"""The registry's nodes on the release graph."""

from __future__ import annotations

from policies.vocabulary import Artefact, Evidence, ModelRef
from tasks.connections import current
from tasks.node import node
from tasks.registry.reference import ReferenceRow, reference_rows

CHAMPION_ALIAS = "champion"


@node("fetch", "fetch {model} v{version} from the registry")
def fetch(model: str, version: str) -> Artefact:
    return current().registry.fetch(ModelRef(model=model, version=version))


@node("check artefact", "is the registered artefact untouched?")
def check_untouched(artefact: Artefact) -> Evidence:
    """The files in the registry now against the digest taken when the release opened."""
    now = current().registry.digest_now(artefact.ref)
    changed = now != artefact.digest
    return Evidence(
        name="artefact digest",
        kind="check",
        effect=float(changed),
        limit=0.0,
        n=1,
        unit="changed",
        method="SHA-256 over the file tree",
        detail=f"The registry now holds {now}, not {artefact.digest}." if changed else "",
    )


@node("reference rows", "read the reference sample of the version")
def reference(artefact: Artefact) -> list[ReferenceRow]:
    return reference_rows(current().registry.path_of(artefact.digest))


@node("set alias", "point the alias {alias} to {ref}")
def set_alias(ref: ModelRef, alias: str = CHAMPION_ALIAS) -> None:
    current().registry.set_alias(ref, alias)


@node("tag version", "tag {ref}: {key} = {value}")
def tag(ref: ModelRef, key: str, value: str) -> None:
    current().registry.tag(ref, key, value)
