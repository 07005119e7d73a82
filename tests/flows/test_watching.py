"""The watcher finds releases whose run was lost, and they end as they should."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from flows.watch import watch
from tasks.approval import ssh_signature
from tasks.approval.adapters.memory import MemoryDirectory
from tasks.approval.ports import Person
from tasks.notify.adapters.slack import SlackNotifier
from tasks.notify.adapters.waiting import PatientNotifier
from tasks.orchestrator.ports import Run
from tasks.orchestrator.task import RELEASE_DEPLOYMENT
from tests.contract.slack_double import CHANNEL, CLOSED, TOKEN, running_double
from tests.flows.memory_world import MODEL, Happening, MemoryWorld, Moment, ProcessDied, Told, die
from tests.flows.test_waiting import private_key

CANARY = "canary 30 %"


@pytest.fixture
def lost(world: MemoryWorld) -> MemoryWorld:
    """The process of a release has died in the canary."""
    world.ledger.at(Moment("before", "looked", CANARY), die)
    with pytest.raises(ProcessDied):
        world.release(policy="score-short")
    return world


@pytest.mark.parametrize("state", ["RUNNING", "SCHEDULED", "PENDING"])
def test_a_run_that_is_well_is_left_alone(state: str, lost: MemoryWorld) -> None:
    """Its lease is fresh, or it is due later: nothing is done and nothing recorded."""
    _put(lost, state)
    before = lost.ledger.entries()
    watch()
    assert lost.ledger.entries() == before
    assert lost.orchestrator.runs(RELEASE_DEPLOYMENT) == [_run(lost)]


def test_a_crashed_run_is_woken(lost: MemoryWorld) -> None:
    """The same run starts again: it is the same release."""
    _put(lost, "CRASHED")
    watch()
    assert _run(lost).state_name == "Woken"
    assert lost.ledger.entries()[-1].payload["act"] == "wake"
    watch()
    assert [e.kind for e in lost.ledger.entries()].count("watched") == 1


def test_a_missing_run_is_replaced_and_the_release_goes_on(lost: MemoryWorld) -> None:
    """The orchestrator has lost its memory, the ledger has not."""
    told = _taken_over(lost)
    assert told.ended == "RELEASED"
    assert told.one("watched").payload["act"] == "adopt"
    told.one("attached")
    assert lost.alias == "score v2"


def test_one_run_at_a_time_is_launched_to_take_a_release_over(lost: MemoryWorld) -> None:
    """The worker is busy, and the watcher comes every minute."""
    watch()
    watch()
    assert [e.kind for e in lost.ledger.entries()].count("watched") == 2
    assert len(lost.orchestrator.runs(RELEASE_DEPLOYMENT)) == 1


def test_a_cancelled_run_aborts_its_release(lost: MemoryWorld) -> None:
    """Who cancels a run in Prefect wants the candidate out, not a release nobody looks after."""
    _put(lost, "CANCELLED")
    told = _taken_over(lost)
    assert told.ended == "ABORTED"
    assert told.one("abort_asked").payload["reason"] == "the run was cancelled in Prefect"
    assert (lost.plan.candidate, lost.plan.weight_bp) == (None, 0)
    assert lost.alias == "score v1"


def test_a_run_lost_in_its_last_seconds_still_leaves_its_documents(world: MemoryWorld) -> None:
    """The release is closed, but nobody has been told and nothing is on paper."""
    world.ledger.at(Moment("after", "closed"), die)
    with pytest.raises(ProcessDied):
        world.release(policy="score-short")
    told = _taken_over(world)
    assert told.ended == "RELEASED"
    assert [e.payload["name"] for e in told.entries if e.kind == "document"] == [
        "model_card",
        "deployment_record",
    ]
    assert world.notifier.sent[-1].kind == "complete"
    before = world.ledger.entries()
    watch()
    assert world.ledger.entries() == before


# ── People are called when a release pauses for long ────────────────────────────────────────


PEOPLE = MemoryDirectory(
    Person(
        name=name,
        roles=("reviewer", "owner"),
        public_keys=(ssh_signature.public_line(private_key(name)),),
    )
    for name in ("erin", "tom")
)
ALLOWED = timedelta(minutes=15)  # of the policy `score`, by default


@pytest.fixture
def ago(world: MemoryWorld) -> Iterator[Callable[[timedelta], None]]:
    """Whatever is recorded from now on was recorded that long ago."""

    def set_back(length: timedelta) -> None:
        world.ledger._clock = lambda: datetime.now(UTC) - length

    yield set_back


@pytest.fixture
def asking(world: MemoryWorld, ago: Callable[[timedelta], None]) -> MemoryWorld:
    """A release whose process ended when it had asked two people, twenty minutes ago."""
    world.directory = PEOPLE
    world.ledger.at(Moment("before", "asked"), lambda: ago(ALLOWED + timedelta(minutes=5)))
    world.ledger.at(Moment("after", "suspended"), die)
    with pytest.raises(ProcessDied):
        world.release(policy="score-signed")
    ago(timedelta())
    _put(world, "PAUSED")
    world.notifier.sent.clear()
    return world


def test_missing_sign_offs_are_told_once_and_escalated_once(
    asking: MemoryWorld, ago: Callable[[timedelta], None]
) -> None:
    """Those who may sign hear what is missing; if nobody acts, on-call and the owner do."""
    ago(5 * ALLOWED)  # so the first call lies long back when the second round comes
    watch()
    ago(timedelta())
    (told,) = asking.notifier.sent
    assert (told.kind, told.to) == ("pause", ("owner", "reviewer"))
    assert told.title == "score v2 waits for sign-offs to canary"
    assert ("Missing", "1 × owner, 1 × reviewer") in told.facts
    watch()
    watch()
    assert [m.kind for m in asking.notifier.sent] == ["pause", "page"]
    page = asking.notifier.sent[1]
    assert page.title == "Still: score v2 waits for sign-offs to canary"
    assert page.to == ("score-on-call", "owner", "reviewer", "score team")
    assert page.links == (("Runbook", "https://runbooks.example/score"),)
    about = [e.payload["about"] for e in asking.ledger.entries() if e.kind == "alert"]
    assert about == ["people", "people"]


def test_a_pause_in_time_is_not_told(world: MemoryWorld) -> None:
    """People have a quarter of an hour before anybody is reminded."""
    world.directory = PEOPLE
    world.ledger.at(Moment("after", "suspended"), die)
    with pytest.raises(ProcessDied):
        world.release(policy="score-signed")
    _put(world, "PAUSED")
    before = world.ledger.entries()
    watch()
    assert world.ledger.entries() == before


def test_a_hold_past_its_time_says_which_guardrail_is_missing(
    world: MemoryWorld, ago: Callable[[timedelta], None]
) -> None:
    """It could have passed, and did not: the owner hears since when and what is not shown."""
    world.register("3", slope=0.7)
    world.happenings.append(Happening(CANARY, lambda: setattr(world.telemetry, "down", True)))
    world.ledger.at(Moment("before", "looked", CANARY), lambda: ago(ALLOWED * 2))
    world.ledger.at(Moment("after", "looked", CANARY), die)
    with pytest.raises(ProcessDied):
        world.release(policy="score-short")
    ago(timedelta())
    _put(world, "SCHEDULED")
    sent = len(world.notifier.sent)
    watch()
    watch()
    (told,) = world.notifier.sent[sent:]
    assert (told.kind, told.to) == ("pause", ("score team",))
    assert told.title == f"score v2 holds at {CANARY} past its time"
    assert "Its time here was over 30 minutes ago" in told.body
    assert "telemetry" in told.body
    assert world.ledger.entries()[-2].payload["missing"]


# ── Nothing is lost while Slack is away ─────────────────────────────────────────────────────


def test_a_release_goes_on_while_slack_is_away_and_is_told_afterwards(
    world: MemoryWorld,
) -> None:
    """Slack is silent from the canary to the end: the release ends as it should, each message
    waits, the ledger says so, and the watcher delivers all of them once Slack is back.
    """
    with running_double() as slack:
        direct = SlackNotifier(
            TOKEN, CHANNEL, world.home.path / "threads.json", base_url=slack.url, timeout_seconds=1
        )
        world.notifier = PatientNotifier(direct, world.home.waiting)
        away = Moment("after", "entering", CANARY)
        world.ledger.at(away, lambda: setattr(slack, "down", CLOSED))
        told = world.release(policy="score-short")
        assert told.ended == "RELEASED"
        assert slack.titles() == ["score v2: staging", "score v2: shadow"]
        where = [e.payload["where"] for e in told.entries if e.kind == "notified"]
        assert [each.split(":")[0] for each in where] == ["slack"] * 2 + ["waiting"] * 4
        assert "Slack does not answer." in where[-1]

        watch()
        assert len(slack.titles()) == 2
        slack.down = None
        watch()
        watch()
        assert slack.titles()[2:] == [
            f"score v2: {CANARY}",
            "score v2: full",
            "score v2: soak",
            "score v2 is the champion now",
        ]
        assert len({m.get("thread_ts", m["ts"]) for m in slack.posted}) == 1
    delivered = [e for e in world.ledger.entries() if e.kind == "delivered"]
    assert [e.release_id for e in delivered] == [told.release_id] * 4


def _taken_over(world: MemoryWorld) -> Told:
    """One round of the watcher, and the run it launched, to its end."""
    watch()
    launched = world.orchestrator.runs(RELEASE_DEPLOYMENT)[0]
    assert launched.parameters["release_id"]
    return world.told(world.try_release(**launched.parameters))


def _put(world: MemoryWorld, state: str) -> None:
    run = Run(run_id=_run_id(world), name="score v2", state=state, state_name=state, due=None)
    world.orchestrator.put(RELEASE_DEPLOYMENT, run)


def _run(world: MemoryWorld) -> Run:
    run = world.orchestrator.run(_run_id(world))
    assert run is not None
    return run


def _run_id(world: MemoryWorld) -> str:
    opened = next(e for e in world.ledger.entries(model=MODEL) if e.kind == "opened")
    return str(opened.payload["run_id"])
