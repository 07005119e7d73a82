"""Trains and registers the demo's models while the stack comes up: a process of its own.

``python -m deployments.demo.prepare --home HOME better=better-2 …`` (scenario=name suffix);
writes the registered versions as JSON to ``--out``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path

from deployments.demo.demo_world import Trained
from deployments.demo.models import files_of, register
from deployments.demo.scenarios import SCENARIOS, SEED, World
from deployments.demo.worlds import WORLDS
from deployments.stack.parts import answers
from policies.errors import UnavailableError
from tasks.connections import Home

PATIENCE_SECONDS = 180.0


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--home", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("scenarios", nargs="+", help="scenario=model")
    chosen = options.parse_args()
    pairs = dict(item.split("=", 1) for item in chosen.scenarios)
    trained = _trained(pairs, chosen.home / "demo", chosen.seed)
    uri = _registry(chosen.home)
    registered = {}
    for name, model in pairs.items():
        world = SCENARIOS[name].world
        champion, candidate = (
            register(uri, WORLDS[world], model, trained[world][kind]) for kind in _recipes(name)
        )
        registered[name] = {
            "model": model,
            "champion": champion.version,
            "candidate": candidate.version,
            "files": files_of(uri, candidate),
        }
    draft = chosen.out.with_suffix(".tmp")
    draft.write_text(json.dumps(registered))
    draft.replace(chosen.out)


def _trained(scenarios: Iterable[str], folder: Path, seed: int) -> dict[World, dict[str, Trained]]:
    """By world and recipe, each recipe once."""
    asked: dict[World, set[str]] = {}
    for name in scenarios:
        asked.setdefault(SCENARIOS[name].world, set()).update(_recipes(name))
    return {
        world: WORLDS[world].train(sorted(kinds), folder, seed) for world, kinds in asked.items()
    }


def _recipes(scenario: str) -> tuple[str, str]:
    return SCENARIOS[scenario].champion, SCENARIOS[scenario].recipe


def _registry(home: Path) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            uri = Home(home).settings().mlflow_uri
            if answers(f"{uri}/health"):
                return uri
        except UnavailableError:
            pass  # the stack has not written its settings yet
        time.sleep(0.3)
    raise UnavailableError("MLflow did not come up.", advice="Run `seatrial doctor`.")


if __name__ == "__main__":
    main()
