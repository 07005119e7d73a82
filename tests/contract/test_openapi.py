"""Both HTTP interfaces are what their OpenAPI documents say, whatever is sent to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks
from starlette.applications import Starlette
from starlette.routing import Route

from deployments.control.app import create_app as control_app
from deployments.control.openapi import operations as control_operations
from deployments.control.openapi import written as control_written
from deployments.gateway.app import create_app as gateway_app
from deployments.gateway.gateway import Gateway
from deployments.gateway.openapi import operations as gateway_operations
from deployments.gateway.openapi import written as gateway_written
from deployments.gateway.options import Options
from deployments.openapi import Operation
from policies.vocabulary import TrafficPlan
from tasks.connections import World
from tasks.ledger.adapters.memory import MemoryLedger
from tasks.orchestrator.clock import ReplayClock
from tests.contract.live import served

TOKENS = {"read": "r", "route": "t", "kill": "k"}
EXAMPLES = 12  # an operation, with data that fits its schema and with data that does not
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
KNOWN = {"model": "m", "variant": "champion", "key": "m"}
SERVICES = ("control", "gateway")


@dataclass
class Service:
    world: World
    app: Starlette
    url: str
    operations: list[Operation]
    written: dict[str, Any]


def _plan(model: str) -> TrafficPlan:
    return TrafficPlan(model=model, champion=None, baseline=0.25)


@pytest.fixture(scope="module", params=SERVICES)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    world = World(tmp_path_factory.mktemp(request.param))
    world.ledger = MemoryLedger()  # type: ignore[misc]
    world.router.apply(_plan("m"))
    if request.param == "control":
        app = control_app(world, TOKENS.get, lambda: ())
        operations, written = control_operations(), control_written()
    else:
        gateway = Gateway(Options(world.home.path, "g-1"), ReplayClock(world.home.path / "clock"))
        app = gateway_app(gateway, lambda: TOKENS["route"])
        operations, written = gateway_operations(), gateway_written()
    with served(app) as url:
        if request.param == "gateway":
            until = time.monotonic() + 60  # its libraries are being imported, into this process
            while httpx.get(f"{url}/ready").status_code != 200 and time.monotonic() < until:
                time.sleep(0.1)
        yield Service(world, app, url, operations, written)


def test_every_route_is_written_down_and_nothing_else(service: Service) -> None:
    routed = {
        (method, route.path)
        for route in service.app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert routed == {(each.method, each.path) for each in service.operations}
    assert len(service.operations) == len(routed)


def test_the_document_is_served_as_it_is_written(service: Service) -> None:
    headers = {"authorization": "Bearer r"}
    assert httpx.get(f"{service.url}/openapi.json", headers=headers).json() == service.written


def runs(written: Operation) -> Iterator[tuple[GenerationMode, dict[str, str]]]:
    """With what fits and what does not, as far as there is anything to be wrong."""
    there = {name: known for name, known in KNOWN.items() if f"{{{name}}}" in written.path}
    for names in (there, {}) if there else ({},):
        yield GenerationMode.POSITIVE, names
        if written.asks or written.headers:
            yield GenerationMode.NEGATIVE, names


def test_whatever_is_sent_is_answered_as_written(service: Service) -> None:
    """Data that fits and data that does not: a declared status and its schema, and no 5xx but 503.

    To a model that is there and to others.
    """
    schema = schemathesis.openapi.from_dict(service.written)
    schema.config.update(base_url=service.url)
    known = {(each.path, each.method): each for each in service.operations}
    seen: set[tuple[str, int]] = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        written = known[operation.path, operation.method.upper()]
        if written.never_ends:
            continue
        for mode, there in runs(written):
            fitting = operation.as_strategy(generation_mode=mode, path_parameters=there)
            _try(fitting, TOKENS.get(written.token or "", ""), seen)
    statuses = {status for _, status in seen}
    assert statuses >= {200, 400, 404}, seen


def _try(cases: Any, token: str, seen: set[tuple[str, int]]) -> None:
    @given(case=cases)
    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def answered(case: Any) -> None:
        response = case.call(headers={"authorization": f"Bearer {token}"}, timeout=20)
        seen.add((case.operation.path, response.status_code))
        assert response.status_code < 500 or response.status_code == 503, response.text
        assert "Traceback" not in response.text
        case.validate_response(response, checks=CHECKS)

    answered()
