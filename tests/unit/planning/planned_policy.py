"""A short policy, so that a simulated release takes milliseconds."""

from __future__ import annotations

from typing import Any

from policies.loader import find
from policies.schema import Gap, Guardrail, ReleasePolicy

QUALITY = Guardrail(
    name="quality", kind="paired_mean", metric="log_loss", margin=0.02, rollback_at=0.008,
    weight=0.5, information=40_000, why="test",
)  # fmt: skip
ERRORS = Guardrail(
    name="errors", kind="proportion", metric="error", margin=0.02, rollback_at=0.008,
    weight=0.5, information=1_000_000, why="test",
)  # fmt: skip
COST = Guardrail(
    name="cost", kind="ratio", metric="business", name_of_metric="cost", per="requests",
    direction="down", cap=50.0, without_value="zero", unit="user", relative=True, margin=0.2,
    rollback_at=0.08, weight=0.5, information=1_000, why="test",
)  # fmt: skip
SILENCE = Guardrail(
    name="silence", kind="proportion", metric="missing", name_of_metric="rating", margin=0.1,
    rollback_at=0.04, weight=0.5, information=10_000, why="test",
)  # fmt: skip
GAP_OF_TWO = QUALITY.model_copy(
    update={"gap": Gap(column="who", values=("x", "y"), reported=("y",), min_rows=900,
                       margin=0.05, rollback_at=0.02, share=0.2, information=4000)}
)  # fmt: skip


def planned_policy(*rails: Guardrail, **changed: Any) -> ReleasePolicy:
    """The tier low with other guardrails, which share the weight, no ramp, and a look a day."""
    chosen = rails or (QUALITY, ERRORS)
    even = tuple(each.model_copy(update={"weight": 1 / len(chosen)}) for each in chosen)
    low = find("low").policy
    daily = {"look_every_hours": 24.0}
    live = {name: getattr(low, name).model_copy(update=daily) for name in ("canary", "full")}
    return low.model_copy(update={"guardrails": even, "ramp": (), **live, **changed})
