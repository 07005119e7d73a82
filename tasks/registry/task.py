"""The registry's nodes on the release graph."""

from __future__ import annotations

from policies.errors import AdapterError
from policies.lifecycle import Release
from policies.vocabulary import Artefact, Evidence, ModelRef, Outcome
from tasks.connections import current
from tasks.node import node
from tasks.registry.reference import ReferenceRow, reference_rows

CHAMPION_ALIAS = "champion"


@node("fetch", "fetch {model} v{version} from the registry")
def fetch(model: str, version: str) -> Artefact:
    return current().registry.fetch(ModelRef(model=model, version=version))


UNTOUCHED = "artefact digest"  # the check's name in the evidence


@node("digest now", "which files does the registry hold for {artefact.ref}?")
def digest_now(artefact: Artefact) -> str:
    return current().registry.digest_now(artefact.ref)


def untouched(artefact: Artefact, now: str) -> Evidence:
    """The files in the registry now against the digest taken when the release opened."""
    changed = now != artefact.digest
    return Evidence(
        name=UNTOUCHED,
        kind="check",
        effect=float(changed),
        limit=0.0,
        n=1,
        unit="changed",
        method="SHA-256 over the file tree",
        detail=f"The registry now holds {now}, not {artefact.digest}." if changed else "",
    )


@node("champion's inputs", "what does the champion read?")
def champion_inputs(state: Release) -> dict[str, str] | None:
    """Column -> type; ``None`` for a baseline rule, which reads nothing."""
    if state.champion is None:
        return None
    return current().registry.fetch(state.champion.ref).inputs


@node("reference rows", "read the reference sample of the version")
def reference(artefact: Artefact) -> list[ReferenceRow]:
    return reference_rows(current().registry.path_of(artefact.digest))


@node("set alias", "point the alias {alias} to {ref}")
def set_alias(ref: ModelRef, alias: str = CHAMPION_ALIAS) -> None:
    current().registry.set_alias(ref, alias)


@node("label registry", "tell the registry how it ended: {outcome}")
def label_registry(state: Release, outcome: Outcome) -> list[str]:
    """Alias and tag follow the switch; a registry that will not take them stops nothing.

    Returns what could not be done, one sentence each.
    """
    registry, faults = current().registry, []
    try:
        if outcome is not Outcome.RELEASED and state.champion is not None:
            registry.set_alias(state.champion.ref, CHAMPION_ALIAS)
        if state.artefact is not None:
            registry.tag(state.artefact.ref, "seatrial.outcome", outcome.value)
    except AdapterError as error:
        faults.append(f"The registry's labels of {state.model} are behind: {error}")
    return faults
