"""What a scraper reads is what happened: names, types and numbers of both services."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deployments.control.app import create_app as control_app
from deployments.gateway.app import create_app as gateway_app
from deployments.gateway.gateway import Gateway
from deployments.gateway.latencies import BOUNDS_MS, Latencies
from deployments.gateway.options import Options
from policies.vocabulary import ModelRef, TrafficPlan, TrafficVariant
from tasks.connections import World
from tasks.ledger.adapters.memory import MemoryLedger
from tasks.orchestrator.clock import ReplayClock
from tests.contract.live import served

TOKENS = {"read": "r", "route": "t", "kill": "k"}
WHY = {"reason": "wrong answers", "actor": "ann"}
RULE = TrafficPlan(model="m", champion=None, baseline=0.25)
Numbers = dict[tuple[str, ...], float]


def version(number: str) -> TrafficVariant:
    return TrafficVariant(ref=ModelRef(model="m", version=number), digest="sha256:" + number * 64)


def scraped(http: httpx.Client, headers: dict[str, str] | None = None) -> Numbers:
    """Every sample by its name and its labels' values, sorted by the labels' names."""
    answer = http.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found: Numbers = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = [value for name, value in sorted(sample.labels.items()) if name != "replica"]
            found[(sample.name.removeprefix("seatrial_"), *labels)] = sample.value
    return found


def wait(done: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.ledger = MemoryLedger()  # type: ignore[misc]
    return world


@pytest.fixture
def gateway(world: World) -> Iterator[httpx.Client]:
    made = Gateway(Options(world.home.path, "g-1"), ReplayClock(world.home.path / "clock"))
    with (
        served(gateway_app(made, lambda: "t")) as url,
        httpx.Client(base_url=url, timeout=30) as http,
    ):
        yield http


def test_the_gateway_tells_what_it_answered_and_under_which_plan(
    world: World, gateway: httpx.Client
) -> None:
    assert scraped(gateway)["gateway_rows_total",] == 0
    world.router.apply(RULE)
    wait(lambda: scraped(gateway).get(("gateway_revision", "m")) == 1)
    rows = [{"id": f"r{n}", "unit": f"u{n}", "inputs": {}} for n in range(3)]
    assert gateway.post("/models/m/predict", json={"rows": rows}).status_code == 200
    gateway.post("/models/m/outcomes", json={"outcomes": [{"id": "r0", "label": 1}]})
    wait(lambda: scraped(gateway)["gateway_ready",] == 1)
    told = scraped(gateway)
    assert told["gateway_rows_total",] == 3
    assert (told["gateway_fallbacks_total",], told["gateway_lines_dropped_total",]) == (0, 0)
    assert told["gateway_outcomes_total", "accepted"] == 1
    assert told["gateway_loaded", "baseline", "m"] == 1
    assert told["gateway_call_seconds_count", "champion", "m"] == 1
    assert told["gateway_call_seconds_bucket", "champion", "+Inf", "m"] == 1
    assert told["gateway_breaker_open", "m"] == 0
    assert told["process_resident_memory_bytes",] > 0
    world.router.kill("m", "error", "wrong answers", "ann")
    wait(lambda: scraped(gateway)["gateway_killed", "m"] == 1)
    assert gateway.post("/models/m/predict", json={"rows": rows}).status_code == 503
    assert scraped(gateway)["gateway_unanswered_total",] == 3


def test_a_plan_ages_when_it_is_no_longer_confirmed(world: World, gateway: httpx.Client) -> None:
    """Fresh while the document is looked at and good; then older by the second, and served on."""
    world.router.apply(RULE)
    wait(lambda: ("gateway_revision", "m") in scraped(gateway))
    assert scraped(gateway)["gateway_plan_age_seconds",] < 5
    world.home.flags.write_text("{}")
    wait(lambda: scraped(gateway)["gateway_document_ok",] == 0)
    first = scraped(gateway)["gateway_plan_age_seconds",]
    wait(lambda: scraped(gateway)["gateway_plan_age_seconds",] > first + 0.3)
    assert scraped(gateway)["gateway_revision", "m"] == 1
    world.router.kill("m", None, "wrong answers", "ann")
    wait(lambda: scraped(gateway)["gateway_document_ok",] == 1)
    assert scraped(gateway)["gateway_plan_age_seconds",] < first + 0.3


def test_the_control_service_tells_its_calls_and_the_switch(world: World) -> None:
    plan = TrafficPlan(model="m", champion=version("1"), candidate=version("2"), weight_bp=2500)
    read = {"authorization": "Bearer r"}
    with served(control_app(world, TOKENS.get, lambda: ())) as url, httpx.Client(base_url=url) as c:
        assert c.get("/metrics").status_code == 401
        assert scraped(c, read)["switch_document_ok",] == 0
        route = {"authorization": "Bearer t"}
        assert c.post("/models/m/plan", json=plan.plain(), headers=route).status_code == 200
        told = scraped(c, read)
        assert (told["switch_revision", "m"], told["switch_candidate_share", "m"]) == (1, 0.25)
        c.post("/models/m/kill", json=WHY, headers={"authorization": "Bearer k"})
        told = scraped(c, read)
        assert (told["switch_killed", "m"], told["switch_candidate_share", "m"]) == (1, 0)
        assert (told["control_moves_total",], told["control_kills_total",]) == (1, 1)
        assert (told["control_denied_total",], told["control_limited_total",]) == (1, 0)
        assert told["control_calls_total", "metrics", "401"] == 1
        assert 0 <= told["control_watch_age_seconds",] < 5
        assert (told["control_watch_ok",], told["control_hook_ok",]) == (1, 1)


def test_a_call_counts_in_the_one_bucket_it_belongs_to() -> None:
    """Its bound included; what is longer than every bound counts too."""
    latencies = Latencies()
    for took in (0.0, 0.5, 0.6, 5000.0, 5001.0):
        latencies.add("m", "champion", took)
    latency = dict(latencies.items())["m", "champion"]
    assert latency.within == [2, 1, *[0] * (len(BOUNDS_MS) - 3), 1, 1]
    assert latency.sum_ms == pytest.approx(10_002.1)
