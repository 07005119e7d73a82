"""What is well and what is not, each part asked by itself."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from deployments.stack.parts import PARTS
from deployments.stack.processes import Roster
from policies.errors import SeatrialError
from policies.vocabulary import Value
from tasks.connections import World


class Health(Value):
    part: str
    well: bool
    told: str
    advice: str = ""


def examine(world: World) -> list[Health]:
    """Every part of the stack, the ledger's chain and every model's switch."""
    found = [_processes(world), *(_http(world, name, path) for name, path in _ADDRESSES)]
    checks: list[tuple[str, Callable[[World], str]]] = [
        ("ledger", _ledger),
        ("flag document", _flags),
        ("telemetry spool", _spool),
        ("directory of people", _people),
    ]
    return found + [_checked(world, name, check) for name, check in checks]


_ADDRESSES = (("prefect_api", "/health"), ("mlflow_uri", "/health"), ("control_url", "/health"))


def _processes(world: World) -> Health:
    rows = Roster(world.home.path / "stack.json").read()
    dead = [part.name for part in PARTS if part.name not in rows or not rows[part.name].process()]
    told = f"not running: {', '.join(dead)}" if dead else f"{len(rows)} processes run"
    return Health(
        part="processes",
        well=not dead,
        told=told,
        advice="Run `seatrial up`; it starts what is missing." if dead else "",
    )


def _http(world: World, name: str, path: str) -> Health:
    part = name.split("_")[0]
    try:
        address = f"{getattr(world.settings, name)}{path}"
        status = httpx.get(address, timeout=5.0).status_code
        well, told = status == 200, f"{address} answered {status}"
    except SeatrialError as error:
        return Health(part=part, well=False, told=error.message, advice=error.advice)
    except httpx.TransportError as error:
        well, told = False, f"{address}: {error}"
    log = world.home.path / "logs" / f"{part}.log"
    return Health(
        part=part, well=well, told=told, advice="" if well else f"Run `seatrial up`; read {log}."
    )


def _checked(world: World, name: str, check: Callable[[World], str]) -> Health:
    try:
        return Health(part=name, well=True, told=check(world))
    except SeatrialError as error:
        return Health(part=name, well=False, told=error.message, advice=error.advice)


def _ledger(world: World) -> str:
    return f"{world.ledger.verify()} entries, chain unbroken"


def _flags(world: World) -> str:
    models = sorted({entry.model for entry in world.ledger.entries() if entry.model})
    served = []
    for model in models:
        replicas = world.serving.observe(model)
        wrong = [replica.error for replica in replicas if replica.error]
        served.append(f"{model}: {wrong[0]}" if wrong else f"{model} at {len(replicas)} replica(s)")
    return "; ".join(served) or "no model is adopted yet"


def _spool(world: World) -> str:
    count = world.telemetry.exposure("rel-none")
    return "readable" if count == 0 else f"{count} rows of an unknown release"


def _people(world: World) -> str:
    file = world.home.path / "people.json"
    if not file.exists():
        return "no people.json yet: policies without approvals only"
    world.directory.person("nobody")
    return "readable"
