"""The demo's scenarios: which candidate goes on trial. What becomes of it, the data says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from deployments.demo.recipes import Kind
from policies.vocabulary import Outcome


@dataclass(frozen=True)
class Scenario:
    """``hoped``: the outcomes a responsible release may end in; anything else fails the demo."""

    recipe: Kind
    story: str
    hoped: frozenset[Outcome]


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "better": Scenario(
            "better",
            "gradient-boosted trees that use all weather readings",
            frozenset({Outcome.RELEASED}),
        ),
        "unit_bug": Scenario(
            "unit_bug",
            "the same trees, served with metric units they were not trained on",
            frozenset({Outcome.REFUSED}),
        ),
        "copy": Scenario(
            "copy",
            "the champion again, trained on a bootstrap sample",
            frozenset({Outcome.RELEASED, Outcome.HELD}),
        ),
    }
)
DEFAULT = ("better", "unit_bug")
