"""How the champion and each candidate are made. What is wrong with a candidate stands here,
and nowhere that decides about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal

from deployments.demo.scoring import (
    AlphabeticalDelayModel,
    BlindAtLaGuardiaModel,
    DelayModel,
    HindsightDelayModel,
    HotDelayModel,
    JournalDelayModel,
    MetricDelayModel,
    SlowDelayModel,
)

Kind = Literal[
    "champion",
    "better",
    "copy",
    "leaky",
    "unit_bug",
    "wrong_encoding",
    "overconfident",
    "stale",
    "segment_lga",
    "slightly_worse",
    "slow",
    "fragile",
    "overload",
]

FIRST_DAY = date(2013, 1, 1)
LAST_DAY = date(2013, 3, 31)  # the replay begins in May: April is nobody's training data

PLAIN = ("carrier", "origin", "dest", "dow", "sched_hour", "distance")
# A line drawn through winter temperatures is meaningless in July, so the linear champion does
# without them; trees stay within what they have seen.
CHAMPION_COLUMNS = (*PLAIN, "wind_speed", "precip", "visib")
BETTER_COLUMNS = (*CHAMPION_COLUMNS, "temp", "dewp", "humid", "pressure")


@dataclass(frozen=True)
class Recipe:
    description: str
    linear: bool = False
    columns: tuple[str, ...] = BETTER_COLUMNS
    last_day: date = LAST_DAY
    bootstrap: bool = False
    sharpened: bool = False
    seen_as_served: bool = False  # the reference was computed through the serving transform
    serving: type[DelayModel] = DelayModel


RECIPES: Mapping[Kind, Recipe] = MappingProxyType(
    {
        "champion": Recipe(
            "Logistic regression on schedule, route, wind, rain and visibility.",
            linear=True,
            columns=CHAMPION_COLUMNS,
        ),
        "better": Recipe("Gradient-boosted trees on schedule, route and all weather readings."),
        "copy": Recipe(
            "The champion's recipe on a bootstrap sample of the same flights.",
            linear=True,
            columns=CHAMPION_COLUMNS,
            bootstrap=True,
        ),
        "leaky": Recipe(
            "Gradient-boosted trees with one more column that says a lot.",
            columns=(*BETTER_COLUMNS, "dep_delay"),
            serving=HindsightDelayModel,
        ),
        "unit_bug": Recipe(
            "Gradient-boosted trees; serving code of the metric service.",
            serving=MetricDelayModel,
        ),
        "wrong_encoding": Recipe(
            "Gradient-boosted trees with a number for each carrier.",
            serving=AlphabeticalDelayModel,
        ),
        "overconfident": Recipe(
            "Gradient-boosted trees, tuned until the ranking looked best.", sharpened=True
        ),
        "stale": Recipe(
            "Gradient-boosted trees from an old snapshot of the training table.",
            last_day=date(2013, 1, 14),
        ),
        "segment_lga": Recipe(
            "Gradient-boosted trees on the new feature view, which LaGuardia is not yet part of.",
            seen_as_served=True,
            serving=BlindAtLaGuardiaModel,
        ),
        "slightly_worse": Recipe(
            "The champion's recipe on January alone.",
            linear=True,
            columns=CHAMPION_COLUMNS,
            last_day=date(2013, 1, 31),
        ),
        "slow": Recipe(
            "Gradient-boosted trees; asks another service before it answers.",
            serving=SlowDelayModel,
        ),
        "fragile": Recipe(
            "The champion's recipe on a bootstrap sample; also notes how the day feels.",
            linear=True,
            columns=CHAMPION_COLUMNS,
            bootstrap=True,
            serving=HotDelayModel,
        ),
        "overload": Recipe(
            "Gradient-boosted trees; keeps a journal of its answers.",
            serving=JournalDelayModel,
        ),
    }
)
