"""Which policy rules a model."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from policies.errors import PolicyError
from policies.loader import CATALOG, LoadedPolicy, files, find, for_model, load


def policy_of(model: str, name: str | None, own_catalog: str | None) -> LoadedPolicy:
    """A team's own catalogue goes before the shipped one.

    A model that a policy names is ruled by that policy: whoever asks for a release must not
    choose who has to sign it.
    """
    catalogs = [Path(own_catalog)] if own_catalog else []
    if not name:
        return for_model(model, catalogs[0] if catalogs else CATALOG)
    chosen = find(name, [*catalogs, CATALOG])
    for path in (path for folder in [*catalogs, CATALOG] for path in files(folder)):
        ruling = load(path).policy
        named = any(fnmatchcase(model, pattern) for pattern in ruling.applies_to)
        if named and ruling.policy != chosen.policy.policy:
            raise PolicyError(
                f"{model} is ruled by the policy {ruling.policy}, not by {chosen.policy.policy}.",
                advice=f"Leave the policy out, or change applies_to in {ruling.policy}.",
            )
    return chosen


def policy_today(model: str, last: str | None, own_catalog: str | None) -> LoadedPolicy:
    """Who watches a model between its releases: the policy that names it, else its last release's.

    Raises :class:`PolicyError` with what is wrong when that is nobody, or cannot be known.
    """
    try:
        return policy_of(model, None, own_catalog)
    except PolicyError as unnamed:
        if not last:
            raise
        try:
            return policy_of(model, last, own_catalog)
        except PolicyError:
            raise unnamed from None
