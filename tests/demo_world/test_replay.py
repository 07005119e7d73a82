from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event
from typing import Any

import pandas as pd
import pytest

from deployments.demo.flight_world import FLIGHTS
from deployments.demo.flights import NUMBERS, TEXTS, WHOLE
from deployments.demo.replay import Progress, Replay, ReplayPlan
from deployments.demo.world_clock import WorldClock
from policies.errors import RefusedError, UnavailableError

START = datetime(2013, 5, 1, 4, tzinfo=UTC)  # midnight in New York
HOUR = timedelta(hours=1)


class Gateway:
    """The other side of the wire: a real HTTP server that records what time it was."""

    def __init__(self, clock: Path) -> None:
        self.predicted: list[tuple[str, datetime]] = []
        self.outcomes: list[tuple[str, datetime]] = []
        self.faults: list[int] = []  # status codes to answer with first
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer in one packet; in two it waits for a receipt

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = gateway.faults.pop(0) if gateway.faults else 200
                now = datetime.fromisoformat(json.loads(clock.read_text())["now"])
                answer = gateway.answer(self.path, body, now) if status == 200 else {"error": "x"}
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def answer(self, path: str, body: dict[str, Any], now: datetime) -> dict[str, Any]:
        if path.endswith("/predict"):
            self.predicted += [(row["id"], now) for row in body["rows"]]
            rows = [{"id": row["id"], "score": 0.5, "reason": None} for row in body["rows"]]
            return {"revision": 1, "answers": rows}
        self.outcomes += [(outcome["id"], now) for outcome in body["outcomes"]]
        return {"accepted": len(body["outcomes"])}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    served = Gateway(tmp_path / "m.json")
    yield served
    served.server.shutdown()
    served.server.server_close()


def _flights(days: int = 1) -> pd.DataFrame:
    """One flight at half past every other hour; it lands three hours later, one never does."""
    hours = range(0, 24 * days, 2)
    scheduled = [pd.Timestamp(START) + timedelta(hours=hour, minutes=30) for hour in hours]
    frame = pd.DataFrame(
        {
            "id": [f"f{hour:03}" for hour in hours],
            "unit": "u",
            "asked_at": scheduled,
            "label_known_at": [moment + 3 * HOUR for moment in scheduled],
            "label": [float("nan") if hour == 4 else 1.0 for hour in hours],
        }
    )
    columns = {
        **dict.fromkeys(TEXTS, "x"),
        **dict.fromkeys(WHOLE, 1),
        **dict.fromkeys(NUMBERS, 1.0),
    }
    return frame.assign(**columns)


def _replay(gateway: Gateway, folder: Path, **changes: Any) -> Replay:
    plan: dict[str, Any] = {"days": 1, "patience_seconds": 0.5, "hold_seconds": 0.3}
    rest = {name: changes.pop(name) for name in ("barrier", "stop", "report") if name in changes}
    rest = {"barrier": lambda: None, "stop": Event(), "asked": _flights(), **rest}
    plan |= {
        "model": "m",
        "world": FLIGHTS,
        "gateway_url": gateway.url,
        "clock_folder": folder,
        **changes,
    }
    return Replay(ReplayPlan(**plan), **rest)


def test_every_flight_is_asked_once_in_its_hour(gateway: Gateway, tmp_path: Path) -> None:
    """A request carries the full hour it belongs to, and none is asked twice."""
    done = _replay(gateway, tmp_path).run()
    hours = [START + timedelta(hours=hour) for hour in range(0, 24, 2)]
    assert gateway.predicted == [(f"f{2 * i:03}", hour) for i, hour in enumerate(hours)]
    assert (done.rows, done.unanswered, done.finished) == (12, 0, True)
    assert WorldClock(tmp_path / "m.json").read() == START + timedelta(days=1)


def test_no_outcome_comes_before_its_flight_has_landed(gateway: Gateway, tmp_path: Path) -> None:
    """Outcomes arrive at the first full hour after they are known; the cancelled one never."""
    _replay(gateway, tmp_path).run()
    sent = dict(gateway.outcomes)
    assert sent["f000"] == START + timedelta(hours=4)
    assert "f004" not in sent
    assert len(sent) == len(gateway.outcomes) == 9


def test_the_clock_waits_for_the_look(gateway: Gateway, tmp_path: Path) -> None:
    """Not one request is sent past a look that is due, until the look has been taken."""
    due = START + timedelta(hours=5, minutes=20)
    looked = Event()
    stop = Event()
    replay = _replay(
        gateway, tmp_path, barrier=lambda: None if looked.is_set() else due, hold_seconds=20,
        stop=stop,
    )  # fmt: skip
    thread = threading.Thread(target=replay.run)
    thread.start()
    clock = WorldClock(tmp_path / "m.json")
    for _ in range(1000):
        if clock.read() == due:
            break
        stop.wait(0.005)
    stop.wait(0.1)
    assert clock.read() == due
    assert max(moment for _, moment in gateway.predicted) < due
    looked.set()
    thread.join(10)
    assert replay.progress.finished
    assert replay.progress.missed_looks == 0


def test_a_look_that_never_comes_is_missed_once_and_told(gateway: Gateway, tmp_path: Path) -> None:
    """The wait is bounded: the world goes on, and the report says that a look was missed."""
    due = START + timedelta(hours=5)
    done = _replay(gateway, tmp_path, barrier=lambda: due, hold_seconds=0.05).run()
    assert done.finished
    assert done.missed_looks == 1
    assert done.held_seconds >= 0.05


def test_a_fault_is_asked_again_with_the_same_rows(gateway: Gateway, tmp_path: Path) -> None:
    """A gateway that fails for a moment loses nothing, and no row gets a second id."""
    gateway.faults = [503, 503]
    done = _replay(gateway, tmp_path).run()
    assert len({row for row, _ in gateway.predicted}) == done.rows == 12
    assert done.retries == 2


def test_a_refusal_is_an_error_at_once(gateway: Gateway, tmp_path: Path) -> None:
    """A model that nobody serves is told to a person, not asked for again."""
    gateway.faults = [404]
    with pytest.raises(RefusedError):
        _replay(gateway, tmp_path).run()


def test_an_absent_gateway_ends_the_replay_where_it_stands(
    gateway: Gateway, tmp_path: Path
) -> None:
    """The wait is bounded, the error says what to do, and the clock does not run on."""
    plan = {"gateway_url": "http://127.0.0.1:9", "patience_seconds": 0.2}
    with pytest.raises(UnavailableError) as caught:
        _replay(gateway, tmp_path, **plan).run()
    assert caught.value.advice
    assert WorldClock(tmp_path / "m.json").read() == START


def test_a_stopped_replay_goes_on_where_its_clock_stands(gateway: Gateway, tmp_path: Path) -> None:
    """Stopped and started again, it neither repeats an hour nor loses an outcome."""
    stop = Event()

    def stop_at_noon() -> datetime | None:
        if WorldClock(tmp_path / "m.json").read() == START + timedelta(hours=11):
            stop.set()
        return None

    first = _replay(gateway, tmp_path, stop=stop, barrier=stop_at_noon).run()
    assert not first.finished
    assert 0 < first.rows < 12
    second = _replay(gateway, tmp_path).run()
    assert second.finished
    assert first.rows + second.rows == len(gateway.predicted) == 12
    assert len(gateway.outcomes) == len(dict(gateway.outcomes)) == 9


def test_fewer_flights_are_the_same_ones_each_time(gateway: Gateway, tmp_path: Path) -> None:
    """A lowered share is chosen by the flights' ids and reported."""
    told: list[Progress] = []
    done = _replay(gateway, tmp_path, share_of_flights=0.5, report=told.append).run()
    first = [row for row, _ in gateway.predicted]
    (tmp_path / "m.json").unlink()
    gateway.predicted.clear()
    _replay(gateway, tmp_path, share_of_flights=0.5).run()
    assert [row for row, _ in gateway.predicted] == first
    assert 0 < done.rows < 12
    assert {progress.share_of_flights for progress in told} == {0.5}


def test_the_world_ends_with_its_data() -> None:
    """However many days are asked for, nothing is replayed after 31 December."""
    plan = ReplayPlan("m", "", Path(), FLIGHTS, days=999)
    assert plan.ends() == datetime(2014, 1, 1, 5, tzinfo=UTC)
    longest = ReplayPlan("m", "", Path(), FLIGHTS, first_day=date(2013, 11, 3), days=1)
    assert longest.ends() - longest.begins() == timedelta(hours=25)
