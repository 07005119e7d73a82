"""Where the parts of a home listen, and the files that tell everybody else."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from deployments.stack.parts import FRONT, gateway_names, parts
from deployments.stack.processes import Started
from tasks.connections import Settings

SCOPES = ("read", "route", "kill", "hook")
KEPT_SETTINGS = ("park_after_seconds", "catalog")  # what a person may have written there


def free_ports(home: Path, running: Iterable[Started], gateways: int = 1) -> dict[str, int]:
    """The ports of last time, so that addresses stay; free ones the first time."""
    file = home / "ports.json"
    kept = _read(file) | {r.name: r.port for r in running if r.port and r.process() is not None}
    ports: dict[str, int] = {}
    for name in (FRONT, *(part.name for part in parts(gateways) if part.has_port)):
        known = kept.get(name)
        ports[name] = known if isinstance(known, int) else _free_port()
    _write(file, json.dumps(ports))
    return ports


def holder(port: int) -> str | None:
    """Who listens on this port, in words; ``None`` when it is free."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return _program_at(port)
    return None


def write_tokens(home: Path) -> None:
    """One token a scope, readable by the owner alone; existing ones are kept.

    ``hook`` is no bearer token: with it the registry signs what it posts to ``/hooks/mlflow``.
    """
    file = home / "tokens.json"
    held = _read(file)
    if held.keys() >= set(SCOPES) or (file.exists() and not held):
        return  # a damaged file is left: whoever knows its tokens may mend it
    tokens = {scope: secrets.token_urlsafe(32) for scope in SCOPES} | held
    draft = file.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as sink:
        json.dump(tokens, sink)
    draft.replace(file)


def gateways_of(home: Path, wanted: int | None) -> int:
    """How many gateway processes: as many as are asked for now, else as last time, else one."""
    kept = _read(home / "settings.json").get("gateways")
    return wanted or (kept if type(kept) is int and kept >= 1 else 1)


def write_settings(
    home: Path, ports: Mapping[str, int], park: float | None, gateways: int = 1
) -> Settings:
    """The addresses anew; what a person has set is kept."""
    file = home / "settings.json"
    before = _read(file)
    kept = {key: before[key] for key in KEPT_SETTINGS if key in before}
    if park is not None:
        kept["park_after_seconds"] = park
    base = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    settings = Settings.model_validate(
        {
            "prefect_api": f"{base['prefect']}/api",
            "prefect_ui": f"{base['prefect']}/v2",  # else a link leads to the old pages
            "mlflow_uri": base["mlflow"],
            "control_url": base["control"],
            "gateway_url": base[FRONT],
            "gateway_urls": tuple(base[name] for name in gateway_names(gateways)),
            "gateways": gateways,
        }
        | kept
    )
    _write(file, settings.model_dump_json(indent=1))
    return settings


def _read(file: Path) -> dict[str, Any]:
    """What a file of ours holds; a missing or damaged one is written anew."""
    try:
        held = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _write(file: Path, text: str) -> None:
    draft = file.with_suffix(".tmp")
    draft.write_text(text)
    draft.replace(file)


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _program_at(port: int) -> str:
    try:
        found = [c.pid for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == port]
        pid = next((pid for pid in found if pid), None)
        return f"{psutil.Process(pid).name()} (process {pid})" if pid else "another program"
    except psutil.Error:
        return "another program"
