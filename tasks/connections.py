"""The composition root: settings of one home folder → adapters behind their ports.

``current()`` is what a task or a process talks to; ``use(world)`` puts another in its place for
a test. Every adapter is made when it is first asked for, so a command that only kills never
loads the registry or the orchestrator.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policies.errors import RefusedError, UnavailableError
from tasks.orchestrator.clock import ReplayClock

if TYPE_CHECKING:
    from policies.vocabulary import Trial
    from tasks.approval.ports import Directory
    from tasks.evaluation.ports import DataContract, DriftPage
    from tasks.ledger.ports import Ledger
    from tasks.notify.ports import Notifier
    from tasks.orchestrator.ports import Clock, Orchestrator
    from tasks.registry.ports import Registry, Shelf
    from tasks.telemetry.ports import Source
    from tasks.traffic.ports import Router, ServingPlane

HOME_VARIABLE = "SEATRIAL_HOME"
SLACK_TOKEN_VARIABLE = "SLACK_BOT_TOKEN"  # noqa: S105 - the name of a variable, not a token
SLACK_CHANNEL_VARIABLE = "SLACK_CHANNEL"
SLACK_URL_VARIABLE = "SLACK_API_URL"  # a proxy, or a double on this machine
MLFLOW_VARIABLE = "MLFLOW_TRACKING_URI"
DEFAULT_HOME = ".seatrial"
OWN_CATALOG = "release-policies"  # the folder beside the home where a team's policies begin


class Settings(BaseModel):
    """Addresses and thresholds of one home, written by ``seatrial up``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefect_api: str
    prefect_ui: str
    mlflow_uri: str
    control_url: str
    gateway_url: str = ""  # where requests go: the gateway's processes share it
    gateway_urls: tuple[str, ...]  # each process by itself: what it serves, how it is
    gateways: int = Field(default=1, ge=1, le=64)  # processes
    park_after_seconds: float = 60.0  # a longer wait ends the process; a wake costs 6-11 s
    catalog: str | None = None  # a team's own policies, beside the shipped catalogue


@dataclass(frozen=True)
class Home:
    """Where everything of one installation lies."""

    path: Path

    @property
    def flags(self) -> Path:
        return self.path / "flags.json"

    @property
    def waiting(self) -> Path:
        """Messages that could not be delivered yet."""
        return self.path / "outbox" / "waiting"

    @property
    def telemetry_map(self) -> Path:
        return self.path / "telemetry.yaml"

    def slack_people(self) -> dict[str, str]:
        """Names of policies (on-call, owners, roles) and their ids in Slack, as far as known.

        A missing or damaged file costs the mentions, never a page.
        """
        try:
            known = json.loads((self.path / "slack-people.json").read_text())
        except (OSError, ValueError):
            return {}
        return {str(k): str(v) for k, v in known.items()} if isinstance(known, dict) else {}

    def settings(self) -> Settings:
        """``UnavailableError`` before the first ``seatrial up``."""
        file = self.path / "settings.json"
        try:
            return Settings.model_validate_json(file.read_text())
        except FileNotFoundError as error:
            raise UnavailableError(
                f"Nothing has been started in {self.path}.",
                advice="Run `seatrial up` (or name the right folder with --home).",
            ) from error
        except ValidationError as error:
            if all(fault["type"] == "missing" for fault in error.errors()):
                raise UnavailableError(  # what a person set before the first start
                    f"Nothing has been started in {self.path}.", advice="Run `seatrial up`."
                ) from error
            raise RefusedError(
                f"{file} is damaged.", advice="Run `seatrial up` again: it writes a new one."
            ) from error

    def catalog(self) -> str | None:
        """The team's own policies, also before anything was started."""
        file = self.path / "settings.json"
        try:
            held = json.loads(file.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise RefusedError(f"{file} is damaged.", advice="Mend or delete it.") from error
        named = held.get("catalog") if isinstance(held, dict) else None
        return named if isinstance(named, str) else None

    def token(self, scope: str) -> str:
        """The bearer token of a scope: ``read``, ``route`` or ``kill``."""
        try:
            return str(json.loads((self.path / "tokens.json").read_text())[scope])
        except (FileNotFoundError, KeyError, json.JSONDecodeError) as error:
            raise RefusedError(
                f"There is no {scope} token in {self.path}.",
                advice="Run `seatrial up`: it makes the tokens.",
            ) from error


class World:
    """One home's adapters. Tests subclass it or set attributes before use."""

    def __init__(self, home: Path) -> None:
        self.home = Home(home)

    @cached_property
    def settings(self) -> Settings:
        return self.home.settings()

    @cached_property
    def clock(self) -> Clock:
        return ReplayClock(self.home.path / "clock")

    @cached_property
    def ledger(self) -> Ledger:
        from tasks.ledger.adapters.sql import SqlLedger

        return SqlLedger(self.home.path / "ledger.db")

    @cached_property
    def registry(self) -> Registry:
        from tasks.registry.adapters.mlflow import MlflowRegistry

        return MlflowRegistry(self.settings.mlflow_uri, self.home.path / "store")

    def shelf(self, store: Path) -> Shelf:
        """Models for a rehearsal, copied into a store of its own."""
        from tasks.registry.adapters.mlflow_shelf import MlflowShelf

        return MlflowShelf(store, self._mlflow_uri)

    def _mlflow_uri(self) -> str:
        """The home's server, else the one that MLflow itself would ask."""
        try:
            return self.settings.mlflow_uri
        except UnavailableError:
            if uri := os.environ.get(MLFLOW_VARIABLE):
                return uri
            raise

    @cached_property
    def router(self) -> Router:
        from tasks.traffic.adapters.flag_document import FlagDocumentRouter

        return FlagDocumentRouter(self.home.flags)

    @cached_property
    def serving(self) -> ServingPlane:
        from tasks.traffic.adapters.gateway import GatewayServingPlane

        return GatewayServingPlane(self.settings.gateway_urls, self.home.token("route"))

    @cached_property
    def telemetry(self) -> Source:
        """The gateway's spool; a team's own tables where the home has a ``telemetry.yaml``."""
        if self.home.telemetry_map.exists():
            from policies.loader import load_map
            from tasks.telemetry.adapters.mapped import MappedTelemetry

            return MappedTelemetry(self.home.path, load_map(self.home.telemetry_map), self._trials)
        from tasks.telemetry.adapters.ibis import IbisTelemetry

        return IbisTelemetry(self.home.path / "spool")

    def _trials(self) -> Sequence[Trial]:
        from tasks.ledger.record import trials

        return trials(self.ledger)

    @cached_property
    def directory(self) -> Directory:
        from tasks.approval.adapters.people_file import PeopleFile

        return PeopleFile(self.home.path / "people.json")

    @cached_property
    def contract(self) -> DataContract:
        from tasks.evaluation.adapters.great_expectations import GreatExpectationsContract

        return GreatExpectationsContract()

    @cached_property
    def drift_page(self) -> DriftPage:
        from tasks.evaluation.adapters.evidently import EvidentlyDriftPage

        return EvidentlyDriftPage()

    @cached_property
    def notifier(self) -> Notifier:
        """Slack where a token is set, with a folder for what it does not take; else the outbox."""
        if (slack := self.slack) is not None:
            from tasks.notify.adapters.waiting import PatientNotifier

            return PatientNotifier(slack, self.home.waiting)
        from tasks.notify.adapters.console import ConsoleNotifier

        return ConsoleNotifier(self.home.path / "outbox")

    @property
    def slack(self) -> Notifier | None:
        """Slack itself, whose refusals are errors; ``None`` without a token."""
        token = os.environ.get(SLACK_TOKEN_VARIABLE)
        if not token:
            return None
        from tasks.notify.adapters.slack import BASE_URL, SlackNotifier

        return SlackNotifier(
            token,
            os.environ.get(SLACK_CHANNEL_VARIABLE, ""),
            self.home.path / "slack-threads.json",
            people=self.home.slack_people,
            base_url=os.environ.get(SLACK_URL_VARIABLE) or BASE_URL,
        )

    def messages_waiting(self) -> list[Path]:
        """Messages that nobody has got yet."""
        from tasks.notify.adapters.waiting import waiting_in

        return waiting_in(self.home.waiting)

    @cached_property
    def orchestrator(self) -> Orchestrator:
        from tasks.orchestrator.adapters.prefect import PrefectOrchestrator

        return PrefectOrchestrator(self.settings.prefect_api, self.settings.prefect_ui)


_current: World | None = None


def current() -> World:
    """The world of this process: ``$SEATRIAL_HOME``, or ``.seatrial`` in the working folder."""
    global _current
    if _current is None:
        _current = World(Path(os.environ.get(HOME_VARIABLE, DEFAULT_HOME)).resolve())
    return _current


@contextmanager
def use(world: World) -> Iterator[World]:
    """Put another world in place until the block ends."""
    global _current
    before, _current = _current, world
    try:
        yield world
    finally:
        _current = before
