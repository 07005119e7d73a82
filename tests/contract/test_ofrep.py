"""OpenFeature clients that we did not write ask our split over HTTP, and are told the truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails, Reason

from deployments.control.app import create_app
from policies.vocabulary import Audience, ModelRef, TrafficPlan, TrafficVariant
from tasks.connections import World
from tasks.ledger.adapters.memory import MemoryLedger
from tasks.traffic.split import goes_to_candidate
from tests.contract.live import served

TOKENS = {"read": "r" * 43, "route": "t" * 43, "kill": "k" * 43}
SAFE = {"score": None}  # what a client answers by itself when it is told nothing
FLAGS = "/ofrep/v1/evaluate/flags"


def version(model: str, number: str) -> TrafficVariant:
    ref = ModelRef(model=model, version=number)
    return TrafficVariant(ref=ref, digest="sha256:" + number * 64)


def trial(model: str, weight_bp: int) -> TrafficPlan:
    return TrafficPlan(
        model=model, champion=version(model, "1"), candidate=version(model, "2"),
        weight_bp=weight_bp, baseline=0.5,
    )  # fmt: skip


class Running:
    """A control service with two models on trial and one without a candidate."""

    def __init__(self, world: World, url: str) -> None:
        self.world, self.url = world, url
        self.http = httpx.Client(
            base_url=url, headers={"authorization": f"Bearer {TOKENS['read']}"}
        )
        for plan in (trial("delay", 2500), trial("price", 100)):
            world.router.apply(plan)
        world.router.apply(TrafficPlan(model="still", champion=version("still", "1")))

    def client(self, token: str = TOKENS["read"]) -> OpenFeatureClient:
        provider = OFREPProvider(
            self.url, headers_factory=lambda: {"Authorization": f"Bearer {token}"}
        )
        api.set_provider_and_wait(provider, domain=token)
        return api.get_client(domain=token)

    def all_flags(self, unit: str = "u", **headers: str) -> httpx.Response:
        return self.http.post(FLAGS, json={"context": {"targetingKey": unit}}, headers=headers)


def asked(client: OpenFeatureClient, model: str, unit: str = "") -> FlagEvaluationDetails[Any]:
    return client.get_object_details(model, SAFE, EvaluationContext(unit))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    world = World(tmp_path)
    world.ledger = MemoryLedger()  # type: ignore[misc]
    with served(create_app(world, TOKENS.get, lambda: ())) as url:
        yield Running(world, url)
    api.clear_providers()


def test_two_thousand_units_are_split_as_everywhere_else(running: Running) -> None:
    """The public client over HTTP and the bucket in this process agree on every unit."""
    client = running.client()
    wrong = []
    for unit in (f"customer {number}" for number in range(2000)):
        told = asked(client, "delay", unit)
        arm = "candidate" if goes_to_candidate("delay", unit, 2500) else "champion"
        number = {"candidate": "2", "champion": "1"}[arm]
        expected = (arm, Reason.SPLIT, {"version": number, "digest": "sha256:" + number * 64})
        if (told.variant, told.reason, told.value) != expected:
            wrong.append((unit, told))
    assert wrong == []


def test_a_bulk_answer_is_the_single_ones(running: Running) -> None:
    for unit in (f"u{number}" for number in range(100)):
        flags = {flag["key"]: flag for flag in running.all_flags(unit).json()["flags"]}
        assert set(flags) == {"delay", "price", "still"}
        for key, flag in flags.items():
            alone = running.http.post(f"{FLAGS}/{key}", json={"context": {"targetingKey": unit}})
            assert (alone.status_code, alone.json()) == (200, flag)


def test_what_is_held_already_is_not_sent_again_until_it_changes(running: Running) -> None:
    """304 by ETag; every revision of any flag, and another unit's split, have another one."""
    first = running.all_flags()
    etag = first.headers["etag"]
    for held in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = running.all_flags(**{"If-None-Match": held})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert running.all_flags(**{"If-None-Match": '"other"'}).status_code == 200
    arms = {unit: running.all_flags(unit).json()["flags"][0]["variant"] for unit in "abcdefgh"}
    assert set(arms.values()) == {"candidate", "champion"}
    assert len({running.all_flags(unit).headers["etag"] for unit in arms}) == 2
    running.world.router.kill("delay", None, "wrong answers", "ann")
    killed = running.all_flags(**{"If-None-Match": etag})
    assert (killed.status_code, killed.headers["etag"] != etag) == (200, True)


def test_a_split_without_a_unit_is_told_and_not_guessed(running: Running) -> None:
    """The client gets its own default and the reason; a model without a split needs no unit."""
    told = asked(running.client(), "delay")
    assert (told.value, told.error_code) == (SAFE, ErrorCode.TARGETING_KEY_MISSING)
    assert "targetingKey" in str(told.error_message)
    assert asked(running.client(), "still").reason == Reason.STATIC
    flags = running.http.post(FLAGS, json={"context": {}}).json()["flags"]
    assert {flag["key"]: flag.get("errorCode") for flag in flags} == {
        "delay": "TARGETING_KEY_MISSING", "price": "TARGETING_KEY_MISSING", "still": None,
    }  # fmt: skip


def test_only_the_audience_of_a_step_meets_the_candidate(running: Running) -> None:
    """By the context's segment and region, and by the hour where the model lives."""
    audience = Audience(segments=("staff",), regions=("NO",), hours=(1, 5), time_zone="Europe/Oslo")
    plan = trial("delay", 10_000).model_copy(update={"audience": audience})
    running.world.router.apply(plan)
    clock = running.world.home.path / "clock"
    clock.mkdir()
    client = running.client()
    for hour, segment, region, arm, reason in (
        (1, "staff", "NO", "candidate", Reason.SPLIT),
        (1, "guest", "NO", "champion", Reason.TARGETING_MATCH),
        (1, "staff", "SE", "champion", Reason.TARGETING_MATCH),
        (5, "staff", "NO", "champion", Reason.TARGETING_MATCH),  # in Oslo it is seven
    ):
        tick = {"now": f"2013-06-01T{hour:02}:00:00+00:00", "rate": 1}
        (clock / "delay.json").write_text(json.dumps(tick))
        where = EvaluationContext("u", {"segment": segment, "region": region})
        told = client.get_object_details("delay", SAFE, where)
        assert (told.variant, told.reason) == (arm, reason), (hour, segment, region)
    assert asked(client, "delay", "u").variant == "champion"


def test_a_killed_model_is_told_to_everybody_also_without_a_unit(running: Running) -> None:
    running.world.router.kill("delay", "error", "wrong answers", "ann")
    for unit in ("", "u1", "u2"):
        told = asked(running.client(), "delay", unit)
        assert (told.variant, told.value, told.error_code) == ("error", {"status": 503}, None)
        assert (told.reason, told.flag_metadata["killed_to"]) == (Reason.DISABLED, "error")
    running.world.router.restore("delay", "ann")
    assert asked(running.client(), "delay", "u1").variant == "champion"


def test_a_client_that_is_told_nothing_falls_back_to_its_own_default(running: Running) -> None:
    """An unknown model, a wrong token, a broken document: the default in its own code rules."""
    unknown = asked(running.client(), "none", "u")
    assert (unknown.value, unknown.error_code) == (SAFE, ErrorCode.FLAG_NOT_FOUND)
    for token in ("wrong", TOKENS["kill"]):
        denied = asked(running.client(token), "delay", "u")
        assert (denied.value, denied.error_code) == (SAFE, ErrorCode.GENERAL)
    running.world.home.flags.write_text("{}")
    broken = asked(running.client(), "delay", "u")
    assert (broken.value, broken.error_code) == (SAFE, ErrorCode.GENERAL)


BAD = [
    (b"", "INVALID_CONTEXT"),
    (b"{}", "INVALID_CONTEXT"),
    (b"[]", "PARSE_ERROR"),
    (b"{", "PARSE_ERROR"),
    (b"[" * 60_000, "PARSE_ERROR"),
    (b'{"context": NaN}', "PARSE_ERROR"),
    (b'{"context": {"targetingKey": "\\ud800"}}', "PARSE_ERROR"),
    (b'{"context": []}', "INVALID_CONTEXT"),
    (b'{"context": {"targetingKey": 7}}', "TARGETING_KEY_MISSING"),
]


@pytest.mark.parametrize(("body", "code"), BAD)
def test_a_wrong_request_is_answered_in_the_protocols_words(
    running: Running, body: bytes, code: str
) -> None:
    headers = {"content-type": "application/json"}
    alone = running.http.post(f"{FLAGS}/delay", content=body, headers=headers)
    assert (alone.status_code, alone.json()["errorCode"]) == (400, code)
    assert alone.json()["key"] == "delay"
    assert alone.json()["errorDetails"]
    if code != "TARGETING_KEY_MISSING":
        every = running.http.post(FLAGS, content=body, headers=headers)
        assert (every.status_code, every.json()["errorCode"]) == (400, code)
    typed = running.http.post(f"{FLAGS}/delay", content=b"{}", headers={"content-type": "text/xml"})
    assert typed.status_code == 415


def test_a_client_that_is_limited_waits_as_long_as_it_is_told(running: Running) -> None:
    """429 with seconds in Retry-After: the public client stops asking, and says so."""
    client = running.client("wrong")
    errors = {asked(client, "delay", "u").error_message for _ in range(80)}
    assert any("paused due to TooManyRequests" in str(error) for error in errors)
    assert asked(running.client(), "delay", "u").error_code is None
