"""Where the parts listen, and what a person has set there."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from deployments.stack.addresses import (
    free_ports,
    gateways_of,
    holder,
    write_settings,
    write_tokens,
)

PORTS = {"front": 5, "prefect": 1, "mlflow": 2, "gateway": 3, "control": 4}


def test_ports_stay_from_one_start_to_the_next(tmp_path: Path) -> None:
    """Addresses that people keep do not change; a missing or broken file gives free ports."""
    first = free_ports(tmp_path, [])
    assert set(first) == set(PORTS)
    assert free_ports(tmp_path, []) == first
    assert all(holder(port) is None for port in first.values())
    (tmp_path / "ports.json").write_text("{")
    assert set(free_ports(tmp_path, [])) == set(PORTS)


@pytest.mark.parametrize("held", ["{", "[]", '{"unknown": 1}'])
def test_damaged_settings_are_written_anew(tmp_path: Path, held: str) -> None:
    (tmp_path / "settings.json").write_text(held)
    assert write_settings(tmp_path, PORTS, None).mlflow_uri == "http://127.0.0.1:2"


def test_what_a_person_has_set_is_kept(tmp_path: Path) -> None:
    """The team's catalogue and the threshold for parking outlive every ``up``."""
    (tmp_path / "settings.json").write_text(json.dumps({"catalog": "/c", "mlflow_uri": "old"}))
    assert write_settings(tmp_path, PORTS, 2.0).catalog == "/c"
    again = write_settings(tmp_path, PORTS, None)
    assert (again.catalog, again.park_after_seconds) == ("/c", 2.0)
    assert again.gateway_urls == ("http://127.0.0.1:3",)
    assert (again.gateway_url, again.gateways) == ("http://127.0.0.1:5", 1)


def test_several_gateway_processes_have_one_address_and_one_each(tmp_path: Path) -> None:
    """Their number is kept until another one is asked for."""
    ports = free_ports(tmp_path, [], 3)
    assert set(ports) == {*PORTS, "gateway-2", "gateway-3"}
    assert len(set(ports.values())) == len(ports)
    settings = write_settings(tmp_path, ports, None, 3)
    own = [f"http://127.0.0.1:{ports[name]}" for name in ("gateway", "gateway-2", "gateway-3")]
    assert list(settings.gateway_urls) == own
    assert settings.gateway_url not in own
    assert (gateways_of(tmp_path, None), gateways_of(tmp_path, 2)) == (3, 2)
    (tmp_path / "settings.json").write_text('{"gateways": "many"}')
    assert gateways_of(tmp_path, None) == 1


def test_tokens_are_the_owners_alone_and_made_once(tmp_path: Path) -> None:
    write_tokens(tmp_path)
    file = tmp_path / "tokens.json"
    before = file.read_text()
    write_tokens(tmp_path)
    assert (stat.S_IMODE(file.stat().st_mode), file.read_text()) == (0o600, before)
    assert set(json.loads(before)) == {"read", "route", "kill", "hook"}


def test_a_home_of_before_gets_the_token_it_lacks(tmp_path: Path) -> None:
    """Those that people have handed out stay; a damaged file is not written over."""
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({"read": "r", "route": "t", "kill": "k"}))
    write_tokens(tmp_path)
    tokens = json.loads(file.read_text())
    assert (tokens["read"], tokens["route"], tokens["kill"]) == ("r", "t", "k")
    assert len(tokens["hook"]) > 30 and stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("{torn")
    write_tokens(tmp_path)
    assert file.read_text() == "{torn"
