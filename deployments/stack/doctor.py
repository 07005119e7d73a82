"""What is well and what is not, each part asked by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import httpx

from deployments.stack.parts import last_poll, parts
from deployments.stack.processes import Roster
from policies.errors import SeatrialError, UnavailableError
from policies.vocabulary import Value
from tasks.connections import Settings, World


class Health(Value):
    part: str
    well: bool
    told: str
    advice: str = ""


def examine(world: World) -> list[Health]:
    """Every part of the stack, the ledger's chain and every model's switch."""
    found = [_processes(world), *(_answers(world, name) for name in _ADDRESSES), worker(world)]
    checks: list[tuple[str, Callable[[World], str]]] = [
        ("ledger", _ledger),
        ("flag document", _flags),
        ("telemetry spool", _spool),
        ("directory of people", _people),
        ("messages", _messages),
    ]
    return found + [_checked(world, name, check) for name, check in checks]


_ADDRESSES: dict[str, Callable[[Settings], Sequence[str]]] = {
    "prefect": lambda settings: [f"{settings.prefect_api}/health"],
    "mlflow": lambda settings: [f"{settings.mlflow_uri}/health"],
    "gateway": lambda settings: [f"{url}/health" for url in settings.gateway_urls],
    "control": lambda settings: [f"{settings.control_url}/health"],
}
SILENT_SECONDS = 90.0  # a worker reports every 30 s


def _processes(world: World) -> Health:
    rows = Roster(world.home.path / "stack.json").read()
    wanted = [part.name for part in parts(_gateways(world))]
    dead = [name for name in wanted if name not in rows or not rows[name].process()]
    told = f"not running: {', '.join(dead)}" if dead else f"{len(rows)} processes run"
    return Health(
        part="processes",
        well=not dead,
        told=told,
        advice="Run `seatrial up`; it starts what is missing." if dead else "",
    )


def _gateways(world: World) -> int:
    """One, in a home where nothing was ever started."""
    try:
        return world.settings.gateways
    except SeatrialError:
        return 1


def _answers(world: World, part: str) -> Health:
    try:
        seen = [_asked(address) for address in _ADDRESSES[part](world.settings)]
    except SeatrialError as error:
        return Health(part=part, well=False, told=error.message, advice=error.advice)
    wrong = [told for well, told in seen if not well]
    told = "; ".join(wrong or [told for _, told in seen])
    return Health(part=part, well=not wrong, told=told, advice=_log(world, part) if wrong else "")


def _asked(address: str) -> tuple[bool, str]:
    try:
        answer = httpx.get(address, timeout=5.0)
    except httpx.TransportError as error:
        return False, f"{address}: {error}"
    if (fault := _fault_of_watch(answer)) is not None:
        return False, fault
    return answer.status_code == 200, f"{address} answered {answer.status_code}"


def _fault_of_watch(answer: httpx.Response) -> str | None:
    """The control service also tells of its own watch over the releases."""
    if "json" not in answer.headers.get("content-type", ""):
        return None
    body = answer.json()
    told = body if isinstance(body, dict) else {}
    if told.get("watch_fault"):
        return f"Its watch over the releases fails: {told['watch_fault']}"
    ago = float(told.get("watch_seconds_ago", 0.0))
    return f"Its watch over the releases stopped {ago:.0f} s ago" if ago > SILENT_SECONDS else None


def worker(world: World) -> Health:
    """The worker has no address; Prefect knows when it last reported."""
    try:
        seen = last_poll(world.settings.prefect_api)
    except SeatrialError as error:
        return Health(part="worker", well=False, told=error.message, advice=error.advice)
    silent = None if seen is None else (datetime.now(UTC) - seen).total_seconds()
    well = silent is not None and silent < SILENT_SECONDS
    told = "Prefect knows of no worker" if silent is None else f"reported {silent:.0f} s ago"
    return Health(part="worker", well=well, told=told, advice="" if well else _log(world, "worker"))


def _log(world: World, part: str) -> str:
    return f"Run `seatrial up`; read {world.home.path / 'logs' / f'{part}.log'}."


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
        for replica in replicas:
            if replica.error:
                raise UnavailableError(
                    f"{model} at {replica.replica}: {replica.error}", advice=_log(world, "gateway")
                )
        served.append(f"{model} at {len(replicas)} replica(s)")
    return "; ".join(served) or "no model is adopted yet"


def _spool(world: World) -> str:
    count = world.telemetry.exposure("rel-none").requests
    return "readable" if count == 0 else f"{count} rows of an unknown release"


def _people(world: World) -> str:
    file = world.home.path / "people.json"
    if not file.exists():
        return "no people.json yet: policies without approvals only"
    world.directory.person("nobody")
    return "readable"


def _messages(world: World) -> str:
    """Unwell when people have not been told something."""
    waiting = world.messages_waiting()
    if waiting:
        raise UnavailableError(
            f"{len(waiting)} message(s) wait in {world.home.waiting}: nobody has got them yet",
            advice="Run `seatrial notify test`: it says what is wrong.",
        )
    return "to Slack" if world.slack else "to the outbox folder: no SLACK_BOT_TOKEN is set"
