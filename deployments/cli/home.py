"""The world a command works in."""

from __future__ import annotations

from policies.errors import UnavailableError
from tasks.connections import World, current


def here() -> World:
    """The home's world. A folder that is not there is told, and not made by looking."""
    world = current()
    if not world.home.path.is_dir():
        raise UnavailableError(
            f"There is no home {world.home.path}.",
            advice="Run `seatrial up` (or name the right folder with --home).",
        )
    return world
