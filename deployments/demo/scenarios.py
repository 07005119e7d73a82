"""The demo's scenarios: which candidate goes on trial against which champion, in which world, and
what befalls it meanwhile. What becomes of it, the data says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from policies.vocabulary import Outcome, Stage

if TYPE_CHECKING:
    from deployments.demo.recipes import Kind
    from deployments.demo.visit_models import VisitKind

Event = Literal["file overwritten in shadow", "readings freeze after full"]
World = Literal["flights", "visits"]
SEED = 2013
RELEASED, REFUSED = Outcome.RELEASED, Outcome.REFUSED
HELD, ROLLED_BACK = Outcome.HELD, Outcome.ROLLED_BACK


@dataclass(frozen=True)
class Scenario:
    """``hoped`` and ``at``: how and at which stages a responsible release may end it; anything
    else fails the demo. No flow, task or policy reads either.
    """

    recipe: Kind | VisitKind
    story: str
    hoped: frozenset[Outcome]
    at: frozenset[Stage]
    champion: Kind | VisitKind = "champion"
    event: Event | None = None
    first_day: date | None = None  # its candidate is registered that day; else the world's first
    world: World = "flights"


def _scenario(
    recipe: Kind | VisitKind,
    story: str,
    hoped: set[Outcome],
    at: set[Stage],
    champion: Kind | VisitKind = "champion",
    event: Event | None = None,
    first_day: date | None = None,
    world: World = "flights",
) -> Scenario:
    ends = frozenset(hoped), frozenset(at)
    return Scenario(recipe, story, *ends, champion, event, first_day, world)


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "better": _scenario(
            "better",
            "gradient-boosted trees that use all weather readings",
            {RELEASED},
            {Stage.SOAK},
        ),
        "leaky": _scenario(
            "leaky",
            "trained with the delay at departure, which nobody knows when a passenger asks",
            {REFUSED},
            {Stage.STAGING},
        ),
        "unit_bug": _scenario(
            "unit_bug",
            "the better trees, served with metric units they were not trained on",
            {REFUSED},
            {Stage.STAGING},
        ),
        "wrong_encoding": _scenario(
            "wrong_encoding",
            "carriers numbered by name when serving, by frequency when training",
            {REFUSED},
            {Stage.STAGING},
        ),
        "overconfident": _scenario(
            "overconfident",
            "ranks as well as the better trees and is far too sure of itself",
            {REFUSED},
            {Stage.STAGING},
        ),
        "tampered": _scenario(
            "better",
            "the better trees, but somebody overwrites a registered file after staging",
            {REFUSED},
            {Stage.SHADOW},
            event="file overwritten in shadow",
        ),
        "stale": _scenario(
            "stale",
            "trained on two weeks of January",
            {REFUSED, HELD},
            {Stage.STAGING, Stage.SHADOW},
        ),
        "segment_lga": _scenario(
            "segment_lga",
            "sound at two airports, blind to the schedule at the third",
            {HELD, ROLLED_BACK},
            {Stage.STAGING, Stage.SHADOW},
        ),
        "slightly_worse": _scenario(
            "slightly_worse",
            "a simpler model against the better trees as champion",
            {HELD, ROLLED_BACK, REFUSED},
            {Stage.SHADOW, Stage.CANARY},
            champion="better",
        ),
        "slow": _scenario(
            "slow",
            "asks another service before it answers",
            {REFUSED, ROLLED_BACK},
            {Stage.STAGING, Stage.SHADOW},
        ),
        "fragile": _scenario(
            "fragile",
            "the champion drawn anew, with a table of how a day feels that ends at 88 °F",
            {ROLLED_BACK},
            {Stage.CANARY},
            first_day=date(2013, 5, 6),  # the first hotter day, 30 May, then falls into its canary
        ),
        "overload": _scenario(
            "overload",
            "keeps a journal of its answers under one lock",
            {ROLLED_BACK},
            {Stage.RAMP},
        ),
        "feed_outage": _scenario(
            "better",
            "the better trees, until their readings freeze some days after full weight",
            {ROLLED_BACK},
            {Stage.SOAK},
            event="readings freeze after full",
        ),
        "copy": _scenario(
            "copy",
            "the champion again, trained on another draw of the same flights",
            {RELEASED, HELD},
            set(Stage),
        ),
        "unfair": _scenario(
            "unfair",
            "about people: better for all together, worse for those with a physical limitation",
            {HELD, ROLLED_BACK},
            {Stage.SHADOW},
            world="visits",
        ),
    }
)
DEFAULT = ("better", "unit_bug", "fragile")
ALL = "all"
