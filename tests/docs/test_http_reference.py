"""The page of the HTTP interfaces: every endpoint, its token and statuses, examples that run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deployments.control import openapi as control_openapi
from deployments.control.app import create_app as control_app
from deployments.gateway import openapi as gateway_openapi
from deployments.gateway.app import create_app as gateway_app
from deployments.gateway.gateway import Gateway
from deployments.gateway.options import Options
from deployments.openapi import Operation
from policies.vocabulary import TrafficPlan
from tasks.connections import World
from tasks.ledger.adapters.memory import MemoryLedger
from tasks.orchestrator.adapters.memory import MemoryOrchestrator
from tasks.orchestrator.clock import ReplayClock
from tests.contract.live import served

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "http.md").read_text()
TOKENS = {"read": "r" * 43, "route": "t" * 43, "kill": "k" * 43, "hook": "h" * 43}
MODEL = "flight-delay"
SECTION = re.compile(r"^### `(\w+) (\S+)`\n\n(.*?)^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_LOADED = "score"  # no model is loaded here: told so, with 409


def sections(service: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Method and path -> what is said of them, and the example."""
    control, _, gateway = PAGE.partition("\n## Gateway\n")
    part = gateway if service == "gateway" else control
    return {(m[1], m[2]): (m[3], m[4]) for m in SECTION.finditer(part)}


@pytest.mark.parametrize(
    ("service", "operations"),
    [("control", control_openapi.operations()), ("gateway", gateway_openapi.operations())],
)
def test_every_endpoint_is_told_with_its_token_and_its_statuses(
    service: str, operations: list[Operation]
) -> None:
    told = sections(service)
    assert set(told) == {(each.method, each.path) for each in operations}
    for each in operations:
        token = f"`{each.token}`" if each.token else "none"
        statuses = ", ".join(map(str, sorted(each.answers)))
        text = told[each.method, each.path][0]
        assert f"\nToken: {token}. Answers: {statuses}.\n" in text, (each.path, statuses)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the page's first block sets, for two services of this process."""
    folder = tmp_path_factory.mktemp("home")
    world = World(folder)
    world.ledger = MemoryLedger()  # type: ignore[misc]
    world.orchestrator = MemoryOrchestrator()  # type: ignore[misc]
    world.router.apply(TrafficPlan(model=MODEL, champion=None, baseline=0.25))
    gateway = Gateway(Options(folder, "g-1"), ReplayClock(folder / "clock"))
    (folder / "tokens.json").write_text(json.dumps(TOKENS))
    (folder / ".curlrc").write_text('silent\nwrite-out = "\\n%{http_code}\\n"\n')
    with (
        served(control_app(world, TOKENS.get, lambda: ())) as control_url,
        served(gateway_app(gateway, lambda: TOKENS["route"])) as gateway_url,
    ):
        addresses = {"control_url": control_url, "gateway_url": gateway_url}
        (folder / "settings.json").write_text(json.dumps(addresses))
        until = time.monotonic() + 60
        while httpx.get(f"{gateway_url}/ready").status_code != 200 and time.monotonic() < until:
            time.sleep(0.1)
        first = re.search(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        assert first is not None
        setting = first[1].replace(".seatrial", str(folder))
        yield {**os.environ, "CURL_HOME": str(folder), "SETTING": f"set -a\n{setting}set +a\n"}


def test_every_example_runs_as_it_stands(shell: dict[str, str]) -> None:
    """In the order of the page, typed into a shell: each is answered 200 or 202."""
    examples = [*sections("control").items(), *sections("gateway").items()]
    for (_, path), (_, example) in examples:
        script = shell["SETTING"] + "set -eu\n" + example
        done = subprocess.run(
            ["bash", "-c", script], env=shell, capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0, (example, done.stderr)
        wanted = ("409",) if path.endswith(NOT_LOADED) else ("200", "202")
        assert done.stdout.split()[-1] in wanted, (example, done.stdout)


def test_the_openfeature_example_runs_as_it_stands(shell: dict[str, str]) -> None:
    """A process of its own, as somebody's service would be one."""
    found = re.search(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    script = shell["SETTING"] + f'exec "{sys.executable}" -c "$PROGRAM"'
    done = subprocess.run(
        ["bash", "-c", script], env={**shell, "PROGRAM": found[1]}, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith("champion {'score':"), (done.stdout, done.stderr)
    assert done.stdout.endswith("None\n")
