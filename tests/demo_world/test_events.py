"""What befalls the replayed world, and when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deployments.demo.events import FROZEN, FrozenReadings, Overwriting
from deployments.demo.requests import Request
from deployments.demo.scenarios import DEFAULT, SCENARIOS
from policies.errors import UnavailableError
from policies.lifecycle import Phase, Release
from policies.vocabulary import Stage, Step

START = datetime(2013, 6, 8, 4, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class World:
    """A release that stands where the test puts it."""

    state: Release = field(default_factory=Release)

    def enter(self, stage: Stage, at: datetime) -> None:
        step = Step(name=stage.value, stage=stage)
        self.state = Release(phase=Phase.STANDING, step=step, entered_at=at)


def flown(at: datetime, temp: float, origin: str = "LGA") -> list[Request]:
    inputs: dict[str, Any] = dict.fromkeys(FROZEN, temp) | {"origin": origin, "precip": temp}
    row = {"id": f"{at} {origin}", "unit": "u", "inputs": inputs}
    return [Request(asked_at=at, row=row, known_at=None, label=0.0)]


def test_readings_freeze_five_days_after_full_weight() -> None:
    """Each airport keeps its own last reading; the rain gauge is another instrument."""
    world = World()
    feed = FrozenReadings(world)
    world.enter(Stage.RAMP, START - DAY)
    assert feed(START - HOUR, flown(START, 60.0)) == flown(START, 60.0)
    world.enter(Stage.FULL, START)
    feed(START, flown(START, 61.0))
    feed(START, flown(START, 71.0, "JFK"))
    world.enter(Stage.SOAK, START + 3 * DAY)
    last = START + 5 * DAY - HOUR
    assert feed(last, flown(last, 62.0)) == flown(last, 62.0)
    assert feed.since is None
    frozen = START + 5 * DAY
    for hour, temp in ((frozen, 80.0), (frozen + DAY, 90.0)):
        (lga,) = feed(hour, flown(hour, temp))
        (jfk,) = feed(hour, flown(hour, temp, "JFK"))
        assert {lga.row["inputs"][name] for name in FROZEN} == {62.0}
        assert {jfk.row["inputs"][name] for name in FROZEN} == {71.0}
        assert lga.row["inputs"]["precip"] == temp
    assert feed.since == frozen


class Files:
    """A place for artefacts on the wire: remembers what was put there."""

    def __init__(self) -> None:
        self.put: list[str] = []
        self.status = 200
        files = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                files.put.append(self.path)
                self.send_response(files.status)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def files() -> Iterator[Files]:
    files = Files()
    yield files
    files.server.shutdown()
    files.server.server_close()


def test_a_file_is_overwritten_once_the_release_stands_in_shadow(files: Files) -> None:
    """Not before staging has evaluated it, and not again."""
    world = World()
    event = Overwriting(world, files.url, "mlflow-artifacts:/1/abc/artifacts/model")
    world.enter(Stage.STAGING, START)
    event(START, flown(START, 60.0))
    assert (files.put, event.since) == ([], None)
    world.enter(Stage.SHADOW, START + DAY)
    for hour in (START + DAY, START + 2 * DAY):
        assert event(hour, flown(hour, 60.0)) == flown(hour, 60.0)
    assert event.since == START + DAY
    assert files.put == [
        "/api/2.0/mlflow-artifacts/artifacts/1/abc/artifacts/model/requirements.txt"
    ]


def test_a_registry_that_takes_no_file_is_told(files: Files) -> None:
    """A demo of tampering in which nothing was tampered with would prove nothing."""
    files.status = 507
    world = World()
    world.enter(Stage.SHADOW, START)
    event = Overwriting(world, files.url, "mlflow-artifacts:/1/abc/artifacts/model")
    with pytest.raises(UnavailableError, match="507"):
        event(START, flown(START, 60.0))


def test_every_scenario_says_how_it_should_end() -> None:
    """Somewhere and somehow; what the default demo shows is among them."""
    assert len(SCENARIOS) == 15
    assert set(DEFAULT) <= set(SCENARIOS)
    for scenario in SCENARIOS.values():
        assert scenario.hoped
        assert scenario.at
        assert scenario.story
