"""``doctor --telemetry``: whether observations could carry a release, before anything moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import httpx

from policies.errors import SeatrialError, UnavailableError
from policies.lifecycle import Release
from policies.schema import ReleasePolicy
from tasks.connections import World
from tasks.gate.choosing import policy_of
from tasks.ledger.record import champions, live_releases
from tasks.telemetry.wellness import Check, checks

PERIOD = timedelta(days=14)  # surveyed beyond the label horizon
ODD = ("unknown", "repeated", "early")


def examine(world: World, model: str | None) -> dict[str, list[Check]]:
    """Each model's checks; a model that nothing was ever recorded of may be named too."""
    models = [model] if model else [known.model for known in champions(world.ledger)]
    if not models:
        told = "no model is adopted yet"
        advice = "Name one: `seatrial doctor --telemetry MODEL`, or run `seatrial adopt` first."
        return {"-": [Check(part="models", well=False, told=told, advice=advice)]}
    return {name: list(_of_model(world, name)) for name in models} | _gateways(world)


def _of_model(world: World, model: str) -> Iterator[Check]:
    try:
        live = next(iter(live_releases(world.ledger, model)), None)
        policy = _ruling(world, model, live)
    except SeatrialError as error:
        yield _fault("policy", error)
        return
    now, horizon = world.clock.now(model), policy.labels.horizon_hours
    try:
        survey = world.telemetry.survey(
            model,
            release_id=live.release_id if live else None,
            since=now - PERIOD - timedelta(hours=horizon),
            now=now,
            horizon_hours=horizon,
        )
    except SeatrialError as error:
        yield _fault("source", error)
        return
    where = world.home.telemetry_map if world.home.telemetry_map.exists() else "the spool"
    told = f"{where} answers, and has the columns and types"
    yield Check(part="source", well=True, told=f"{told}; policy {policy.policy}")
    yield from checks(survey, policy, live, now)


def _ruling(world: World, model: str, live: Release | None) -> ReleasePolicy:
    """Of the live release, else the one that would rule the next."""
    if live is not None:
        return live.policy
    try:
        catalog = world.settings.catalog
    except UnavailableError:  # nothing was started here: tables can be looked at all the same
        catalog = None
    return policy_of(model, None, catalog).policy


def _gateways(world: World) -> dict[str, list[Check]]:
    """What each serving process counted since it started."""
    try:
        urls: Sequence[str] = world.settings.gateway_urls
    except SeatrialError:
        return {}
    return {"outcomes posted": [_gateway(url) for url in urls]} if urls else {}


def _gateway(url: str) -> Check:
    try:
        told = httpx.get(f"{url}/health", timeout=5.0).json()["outcomes"]
    except (httpx.TransportError, ValueError, KeyError):
        advice = "Run `seatrial up`; `seatrial doctor` tells more."
        return Check(part=url, well=False, told="does not answer", advice=advice)
    odd = ", ".join(f"{told[word]:,} {word}" for word in ODD)
    return Check(part=url, well=True, told=f"{told['accepted']:,} since its start: {odd}")


def _fault(part: str, error: SeatrialError) -> Check:
    told = "\n".join((error.message, *getattr(error, "faults", ())))
    return Check(part=part, well=False, told=told, advice=error.advice)
