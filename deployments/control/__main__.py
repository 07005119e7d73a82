"""``python -m deployments.control --home H --port P``: one control service a home."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn

from deployments.control.app import create_app
from deployments.control.breakers import OpenBreakers
from deployments.control.checks import LostReleases, all_of
from deployments.control.journal import Reconciled
from policies.errors import RefusedError
from tasks.connections import World


def main() -> None:
    arguments = _parser().parse_args()
    world = World(arguments.home.resolve())
    lost = LostReleases(world)
    breakers = OpenBreakers(world, lost.live)
    late = Reconciled(world)
    app = create_app(world, _tokens(world), all_of(late, breakers, lost))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again at its end
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
    )


def _tokens(world: World) -> Callable[[str], str | None]:
    def token(scope: str) -> str | None:
        try:
            return world.home.token(scope)
        except RefusedError:
            return None

    return token


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployments.control", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    return parser


if __name__ == "__main__":
    main()
