"""Bring the embedded stack up and take it down."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from deployments.stack.parts import PARTS, ROOT, Part, answers, environment
from deployments.stack.processes import Roster, Started, start, stop
from policies.errors import RefusedError, UnavailableError
from tasks.connections import Settings

Say = Callable[[str], None]


def up(home: Path, say: Say, *, park_after_seconds: float | None = None) -> Settings:
    """Start what is not running, wait until each part is well, register the deployments.

    May be called again at any time. A part that does not come up stops what this call started.
    """
    home.mkdir(parents=True, exist_ok=True)
    roster = Roster(home / "stack.json")
    ports = _ports(home, roster)
    _write_tokens(home)
    settings = _write_settings(home, ports, park_after_seconds)
    started: list[Started] = []
    try:
        for part in PARTS[:-1]:
            started += _ensure(part, home, ports, roster, say)
        for part in PARTS[:-1]:
            _await(part, home, ports, roster)
            say(f"{part.name} is well")
        register(home, ports)
        started += _ensure(PARTS[-1], home, ports, roster, say)
        _await(PARTS[-1], home, ports, roster)
        say("worker is well")
    except BaseException:
        stop(started)  # also on Ctrl-C: what this call began is not left half alive
        roster.write(r for r in roster.read().values() if r not in started)
        raise
    return settings


def down(home: Path) -> tuple[list[str], list[str]]:
    """Stop exactly what ``up`` started; returns (stopped, still alive)."""
    roster = Roster(home / "stack.json")
    rows = list(roster.read().values())
    alive = stop(reversed(rows))
    roster.write(row for row in rows if row.name in alive)
    return [row.name for row in rows if row.name not in alive], alive


def register(home: Path, ports: Mapping[str, int]) -> None:
    """Register the deployments of ``prefect.yaml`` with the server."""
    prefect = str(Path(sys.executable).parent / "prefect")
    around = {**os.environ, **environment(home, ports)}
    pool = [prefect, "work-pool", "create", "seatrial", "--type", "process", "--overwrite"]
    for command in (pool, [prefect, "--no-prompt", "deploy", "--all"]):
        done = subprocess.run(
            command, cwd=ROOT, env=around, capture_output=True, text=True, timeout=180, check=False
        )
        if done.returncode != 0:
            (home / "logs" / "deploy.log").write_text(done.stdout + done.stderr)
            raise RefusedError(
                f"`{' '.join(command[1:])}` failed: {_last_line(done.stdout + done.stderr)}",
                advice=f"Read {home / 'logs' / 'deploy.log'}.",
            )


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no output"


def _ensure(
    part: Part, home: Path, ports: Mapping[str, int], roster: Roster, say: Say
) -> list[Started]:
    known = roster.read().get(part.name)
    if known is not None and known.process() is not None:
        return []
    port = ports.get(part.name)
    if port is not None and _is_taken(port):
        raise RefusedError(
            f"Port {port} of the {part.name} is taken by another program.",
            advice="Stop that program, or delete settings.json in the home to pick new ports.",
        )
    say(f"starting {part.name}")
    row = start(
        part.name,
        part.command(home, ports),
        log=home / "logs" / f"{part.name}.log",
        environment=environment(home, ports),
        folder=ROOT,
        port=port,
    )
    roster.add(row)
    return [row]


def _await(part: Part, home: Path, ports: Mapping[str, int], roster: Roster) -> None:
    address = part.health(ports)
    deadline = time.monotonic() + part.patience_seconds
    while time.monotonic() < deadline:
        row = roster.read().get(part.name)
        if row is None or row.process() is None:
            raise UnavailableError(
                f"The {part.name} stopped while starting: {part.advice}?",
                advice=f"Read {home / 'logs' / f'{part.name}.log'}.",
            )
        if address is None or answers(address):
            return
        time.sleep(0.2)
    raise UnavailableError(
        f"The {part.name} did not answer within {part.patience_seconds:g} s.",
        advice=f"Read {home / 'logs' / f'{part.name}.log'}.",
    )


def _ports(home: Path, roster: Roster) -> dict[str, int]:
    """The ports of last time, so that addresses stay; free ones the first time."""
    kept = {row.name: row.port for row in roster.read().values() if row.port}
    file = home / "ports.json"
    if file.exists():
        kept |= json.loads(file.read_text())
    ports = {part.name: kept.get(part.name) or _free_port() for part in PARTS if part.has_port}
    file.write_text(json.dumps(ports))
    return ports


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_taken(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _write_tokens(home: Path) -> None:
    file = home / "tokens.json"
    if file.exists():
        return
    tokens = {scope: secrets.token_urlsafe(32) for scope in ("read", "route", "kill")}
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as sink:
        json.dump(tokens, sink)


def _write_settings(home: Path, ports: Mapping[str, int], park: float | None) -> Settings:
    base = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    file = home / "settings.json"
    before = json.loads(file.read_text()) if file.exists() else {}
    kept = {key: before[key] for key in ("park_after_seconds", "catalog") if key in before}
    if park is not None:
        kept["park_after_seconds"] = park
    settings = Settings.model_validate(
        {
            "prefect_api": f"{base['prefect']}/api",
            "prefect_ui": base["prefect"],
            "mlflow_uri": base["mlflow"],
            "control_url": base["control"],
            "gateway_urls": (base["gateway"],),
        }
        | kept
    )
    draft = file.with_suffix(".tmp")
    draft.write_text(settings.model_dump_json(indent=1))
    draft.replace(file)
    return settings
