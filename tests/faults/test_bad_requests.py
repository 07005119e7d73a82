"""What is no request: a clear status and body, nothing of our insides, and no effect."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from policies.vocabulary import TrafficPlan
from tests.faults.stack_gateway import MODEL, Stack, gateway, make_model, version

pytestmark = pytest.mark.stack
PATH = f"/models/{MODEL}/predict"
JSON = {"content-type": "application/json"}
GOOD = "good"  # how the ids of all requests begin that are in order
PATIENCE = 1.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("home")
    one, two = (make_model(home / "store", score, sensitive=False) for score in (0.1, 0.2))
    plan = TrafficPlan(
        model=MODEL, champion=version(1, one), candidate=version(2, two), mirror=True
    )
    with gateway(home, "--patience-seconds", str(PATIENCE)) as stack:
        stack.apply(plan)
        yield stack


def row(**changed: Any) -> dict[str, Any]:
    return {"id": "a", "unit": "u", "inputs": {"x": 1.0, "mood": ""}} | changed


def of(*rows: Any, **more: Any) -> str:
    return json.dumps({"rows": rows, **more})


def inputs(text: str) -> str:
    return of(row()).replace("1.0", text)


CASES = [
    ("nothing", "", 400, "no JSON"),
    ("half of it", of(row())[:-9], 400, "no JSON"),
    ("two of it", of(row()) + of(row()), 400, "no JSON"),
    ("bytes that are no text", b'{"rows": "\xff"}', 400, "no JSON"),
    ("half a letter", of(row(unit="\ud800")), 400, "no JSON"),
    ("endless depth", "[" * 100_000, 400, "no JSON"),
    ("a list", "[]", 400, "no JSON object"),
    ("NaN", inputs("NaN"), 400, "no JSON"),
    ("Infinity", inputs("-Infinity"), 400, "no JSON"),
    ("beyond all floats", inputs("1e400"), 400, "no JSON"),
    ("beyond all floats, in digits", inputs("1" * 400), 400, "no JSON"),
    ("no rows", "{}", 400, "There are no rows"),
    ("rows of another kind", '{"rows": {"id": "a"}}', 400, "There are no rows"),
    ("a row of another kind", of("a"), 400, "row 0: is no object"),
    ("no unit", of({"id": "a", "inputs": {}}), 400, "row 0: unit is missing"),
    ("an empty id", of(row(id="")), 400, "row 0: id is missing"),
    ("a number for an id", of(row(id=7)), 400, "row 0: id is missing or no text"),
    ("an endless id", of(row(id="a" * 257)), 400, "row 0: id has more than 256 letters"),
    ("more than a row has", of(row(score=0.9)), 400, "row 0: score is unknown"),
    ("more than a request has", of(row(), dry_run=True), 400, "dry_run is unknown"),
    ("one id twice", of(row(), row(id="b"), row()), 400, "row 2 has the id of row 0: a"),
    ("a missing column", of(row(inputs={"x": 1.0})), 400, "mood is missing"),
    ("an unknown column", of(row(inputs={"x": 1.0, "mood": "", "y": 1})), 400, "y is unknown"),
    ("a text for a number", inputs('"1"'), 400, "x is not a number or null: '1'"),
    ("true for a number", inputs("true"), 400, "x is not a number or null: True"),
    ("a list for a number", inputs("[1]"), 400, "x is not a number or null: [1]"),
    ("too many rows", of(*[row(id=str(n)) for n in range(5001)]), 400, "5001 rows are too many"),
]
NAMES = [each[0] for each in CASES]


def answered(stack: Stack) -> tuple[int, int, int]:
    health = stack.http.get("/health").json()
    return health["rows"], health["fallbacks"], health["unanswered"]


def clear(answer: httpx.Response, status: int, said: str) -> None:
    assert (answer.status_code, said in answer.text) == (status, True), answer.text
    told = answer.json()
    assert set(told) == {"error", "advice"} and all(told.values())
    assert len(answer.content) < 5000
    for inside in ("Traceback", ".py", "site-packages", "Error("):
        assert inside not in answer.text


@pytest.mark.parametrize(("body", "status", "said"), [each[1:] for each in CASES], ids=NAMES)
def test_a_wrong_body_is_refused(running: Stack, body: str | bytes, status: int, said: str) -> None:
    """Also for the rows beside a wrong one: nothing of the request is answered or logged."""
    content = body if isinstance(body, bytes) else body.encode()
    before = answered(running)
    clear(running.http.post(PATH, content=content, headers=JSON), status, said)
    assert answered(running) == before
    assert running.predict([GOOD])[0]["variant"] == "champion"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
def test_another_content_type_is_refused(running: Stack, kind: str) -> None:
    """415, whatever the body: what guesses at formats can be lied to."""
    before = answered(running)
    for path in (PATH, f"/models/{MODEL}/outcomes"):
        answer = running.http.post(path, content=of(row()).encode(), headers={"content-type": kind})
        clear(answer, 415, "application/json")
    assert answered(running) == before
    with_words = {"content-type": "Application/JSON; charset=utf-8"}
    assert running.http.post(PATH, content=of(row(id=GOOD)), headers=with_words).status_code == 200


def test_unknown_models_paths_and_methods(running: Stack) -> None:
    clear(running.http.post("/models/none/predict", content=of(row()), headers=JSON), 404, MODEL)
    clear(running.http.post("/models/none", content=of(row()), headers=JSON), 404, "advice")
    clear(running.http.get(PATH), 405, "advice")


def raw(
    stack: Stack, *parts: bytes, pause: float = 0.0, seconds: float = 10.0
) -> tuple[str, float]:
    """Send parts with pauses; all that came back until it was closed, and after how long."""
    start, got = time.monotonic(), b""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
        except OSError:  # closed meanwhile: what it said is still to be read
            pass
        try:
            while piece := connection.recv(65536):
                got += piece
        except ConnectionResetError:
            pass
    return got.decode(), time.monotonic() - start


def head(length: str) -> bytes:
    return (
        f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{length}\r\n\r\n"
    ).encode()


def test_a_huge_body_is_refused_before_it_is_read(running: Stack) -> None:
    """By its announced length at once, else as soon as it is too long; the connection ends."""
    before = answered(running)
    told, took = raw(running, head("content-length: 10000000000"), b"{" * 1000)
    assert told.startswith("HTTP/1.1 413 ") and "16777216 bytes" in told
    assert "connection: close" in told.lower() and took < 5
    piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    told, _ = raw(running, head("transfer-encoding: chunked"), *[piece] * 64)
    assert told.startswith("HTTP/1.1 413 ")
    assert answered(running) == before


def test_a_slow_client_is_let_go(running: Stack) -> None:
    """A body in drops, headers in drops, and no word at all; others are answered meanwhile."""
    for parts in (
        (head("content-length: 100"), *[b"{"] * 10),
        (b"POST ", *[b"/"] * 10),
        (head("content-length: 2")[:-4], b"\r\nx: 1"),
        (),
    ):
        told, took = raw(running, *parts, pause=PATIENCE / 4)
        assert told.startswith("HTTP/1.1 408 ") and '"advice"' in told, told
        assert took < PATIENCE * 5
        assert running.predict([GOOD])[0]["variant"] == "champion"


def test_a_client_that_leaves_disturbs_nobody(running: Stack) -> None:
    before = running.http.get("/health").json()["rows"]
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(head("content-length: 100") + b"{")
    assert running.predict([GOOD])[0]["variant"] == "champion"
    assert running.http.get("/health").json()["rows"] == before + 1


def test_nothing_of_all_this_was_logged(running: Stack) -> None:
    """The last test here: what is on file is of requests that were in order."""
    time.sleep(0.5)
    files = list((running.home / "spool").glob("*/*.jsonl"))
    ids = {json.loads(line)["id"] for file in files for line in file.read_text().splitlines()}
    assert ids and all(id_.startswith(GOOD) for id_ in ids), ids
