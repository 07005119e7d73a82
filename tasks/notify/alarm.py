"""Messages about Seatrial's own trouble: what it could not do, and who has to look."""

from __future__ import annotations

from policies.lifecycle import Release
from policies.vocabulary import Message


def unconfirmed(state: Release, reason: str) -> Message:
    """The switch has moved, but not every serving process says so: somebody must look now."""
    return Message(
        kind="page",
        title=f"{state.model} v{state.version}: containment is not confirmed",
        body=f"{reason} Users may still reach the candidate through a process that is silent.",
        facts=(("Release", state.release_id),),
        commands=("seatrial status", f"seatrial kill {state.model} --reason WHY"),
        thread=state.release_id,
    )


def stuck(model: str, release_id: str, reason: str) -> Message:
    """Something is broken that waiting does not mend. The release stays where it is."""
    return Message(
        kind="page",
        title=f"{model}: the release cannot go on by itself",
        body=f"{reason} Traffic stays as it is; it tries again every few minutes.",
        facts=(("Release", release_id),),
        commands=(
            f"seatrial why {release_id}",
            f"seatrial rollback {release_id} --reason WHY",
        ),
        thread=release_id,
    )
