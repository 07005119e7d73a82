"""Which policy rules a model."""

from __future__ import annotations

from pathlib import Path

from policies.loader import CATALOG, LoadedPolicy, find, for_model


def policy_of(model: str, name: str | None, own_catalog: str | None) -> LoadedPolicy:
    """A team's own catalogue goes before the shipped one."""
    catalogs = [Path(own_catalog)] if own_catalog else []
    if name:
        return find(name, [*catalogs, CATALOG])
    return for_model(model, catalogs[0] if catalogs else CATALOG)
