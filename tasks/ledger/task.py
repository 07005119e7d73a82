"""The ledger's nodes on the release graph, and the recorder that the flow carries along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from policies.between import ACTOR as SOAK
from policies.between import SERVES, Looked, news
from policies.errors import RefusedError, StaleMoveError
from policies.lifecycle import Release
from policies.loader import LoadedPolicy
from policies.requests import RECORDED, ReleaseRequest, RequestAnswer, answer, release_id_of
from policies.rerisk import Due, review_due
from policies.vocabulary import Artefact, Entry, Frozen, Lease, Message, TrafficVariant
from policies.watching import Act, Alarm, Seen, pause, untold, watch_act
from tasks.connections import current
from tasks.ledger import alarms
from tasks.ledger.alarms import record_alarm, record_told
from tasks.ledger.record import (
    Expected,
    champions,
    live_releases,
    note,
    recall,
    record,
    refuse_quarantined,
    undocumented,
)
from tasks.node import node

LEASE = timedelta(minutes=10)
WATCHER = "system:watch"
RERISK = "system:rerisk"


@dataclass(frozen=True)
class Log:
    """Writes one release's moves with the lease this run holds."""

    lease: Lease
    model: str
    revision: int = 0  # of the switch, read before the state was folded: fences every plan

    @property
    def release_id(self) -> str:
        return self.lease.release_id

    def state(self) -> Release:
        return recall(current().ledger, self.release_id)

    def now(self) -> datetime:
        """The world's time for this model."""
        return current().clock.now(self.model)

    def move(self, state: Release, kind: str, payload: Mapping[str, Any]) -> Release:
        """Append a move after the last one folded into ``state``."""
        world = current()
        return record(
            world.ledger, self.lease, state, kind, payload, at=self.now(), model=self.model
        )

    def fact(self, kind: str, payload: Mapping[str, Any], actor: str = "system:release") -> None:
        note(
            current().ledger,
            kind,
            payload,
            at=self.now(),
            actor=actor,
            release_id=self.release_id,
            model=self.model,
        )

    def entries(self) -> Sequence[Entry]:
        return current().ledger.entries(release_id=self.release_id)

    def has_news(self, state: Release) -> bool:
        """Whether anything was recorded of this release since ``state`` was folded."""
        world = current()
        return bool(world.ledger.entries(release_id=self.release_id, after=state.last_entry))

    def is_mine(self) -> bool:
        """Whether no other run has taken the release over."""
        lease = current().ledger.lease_of(self.release_id)
        return lease is not None and lease.epoch == self.lease.epoch

    def renewed(self) -> Log:
        """The same log with the lease extended; ``StaleMoveError`` when it is lost."""
        if not self.is_mine():
            raise StaleMoveError(
                f"Another run has taken over release {self.release_id}.",
                advice="Nothing to do: this run ends, the other goes on.",
            )
        lease = current().ledger.renew(self.lease, datetime.now(UTC), LEASE)
        return replace(self, lease=lease)


def take(release_id: str, model: str, holder: str) -> Log:
    """Take the lease of a release (or take it over: the run before is fenced off)."""
    lease = current().ledger.take_lease(release_id, holder, datetime.now(UTC), LEASE)
    return Log(lease=lease, model=model)


def wall_clock() -> datetime:
    """The time people live in, for durations that they felt."""
    return datetime.now(UTC)


def release_of(release_id: str) -> Release:
    """The release as the ledger tells it now."""
    return recall(current().ledger, release_id)


@node("open release", "open the release of {artefact.ref}")
def open_release(
    log: Log,
    artefact: Artefact,
    requester: str,
    ruling: LoadedPolicy,
    run_id: str,
    versions: Mapping[str, str],
    frozen: Frozen,
) -> Release:
    """Record what is on trial, what serves today, and the policy that rules to the end.

    Refused: a model that nothing serves yet or that is killed, a candidate equal to the
    champion, a quarantined artefact; and, by the ledger itself, a second live release of the model.
    """
    world = current()
    serving = world.router.current(log.model)
    if serving is None or (serving.champion is None and serving.baseline is None):
        raise RefusedError(
            f"Nothing serves {log.model} yet, so there is nothing to compare with.",
            advice=f"Run `seatrial adopt {log.model} VERSION` (or --rule) first.",
        )
    if (killed_to := world.router.killed_to(log.model)) is not None:
        raise RefusedError(
            f"{log.model} is out of service, killed to {killed_to}.",
            advice=f"Lift the kill first: seatrial restore {log.model} --reason WHY",
        )
    if serving.champion is not None and serving.champion.digest == artefact.digest:
        raise RefusedError(
            f"{artefact.ref} has the same files as the champion ({serving.champion.ref}).",
            advice="Register the version you mean to release.",
        )
    refuse_quarantined(world.ledger, TrafficVariant(ref=artefact.ref, digest=artefact.digest))
    opened = {
        "model": log.model,
        "version": artefact.ref.version,
        "requester": requester,
        "artefact": artefact.plain(),
        "champion": serving.champion.plain() if serving.champion else None,
        "previous": serving.previous.plain() if serving.previous else None,
        "baseline": serving.baseline,
        "policy": ruling.policy.policy,
        "policy_digest": ruling.digest,
        "policy_document": ruling.policy.model_dump(mode="json"),
        "versions": dict(versions),
        **frozen.plain(),
        "run_id": run_id,
    }
    return log.move(log.state(), "opened", opened)


@node("decide", "{stage} · look {look} · {verdict}")
def decide(
    log: Log, state: Release, stage: str, look: int, verdict: str, found: Mapping[str, Any]
) -> Release:
    """Record the look; its verdict is in the node's name."""
    return log.move(state, "looked", found)


@node("answer request", "what follows from the request of {request.ref}?")
def answer_request(request: ReleaseRequest) -> RequestAnswer:
    world, model = current(), request.ref.model
    live = live_releases(world.ledger, model)
    plan = world.router.current(model)
    serves = plan is not None and (plan.champion is not None or plan.baseline is not None)
    return answer(
        request,
        world.ledger.entries(model=model),
        live=live[0].release_id if live else None,
        serves=serves and world.router.killed_to(model) is None,
    )


@node("record request", "{request.ref} was asked for and is launched")
def record_request(request: ReleaseRequest, run_id: str) -> None:
    world, model = current(), request.ref.model
    note(
        world.ledger,
        RECORDED,
        {
            "version": request.ref.version,
            "requester": request.requester,
            "release_id": release_id_of(run_id),
            "run_id": run_id,
        },
        at=world.clock.now(model),
        actor="system:register",
        model=model,
    )


@node("quarantine", "quarantine the artefact")
def quarantine(state: Release, reason: str) -> None:
    """No automation may release this artefact again, nor what was put in its place.

    Recorded once a release.
    """
    world = current()
    if state.artefact is None:
        return
    known = world.ledger.entries(release_id=state.release_id)
    if any(entry.kind == "quarantined" for entry in known):
        return
    put_there = [e.payload["found"] for e in known if e.kind == "tampered"]
    for digest in dict.fromkeys([state.artefact.digest, *put_there]):
        note(
            world.ledger,
            "quarantined",
            {"digest": digest, "ref": str(state.artefact.ref), "reason": reason},
            at=world.clock.now(state.model),
            actor="system:release",
            release_id=state.release_id,
            model=state.model,
        )


@node("live releases", "which releases still need a run?")
def live() -> list[Release]:
    """Live ones, and closed ones that have not yet left their documents."""
    ledger = current().ledger
    return [*live_releases(ledger), *undocumented(ledger)]


@node("attend", "what does {release.release_id} need?")
def attend(release: Release, seen: Seen) -> Act:
    """What the watcher does about one release; everything but leaving it is on the ledger."""
    world = current()
    now = world.clock.now(release.model)
    lease = world.ledger.lease_of(release.release_id)
    act = watch_act(release, seen, lease, now=now, wall=datetime.now(UTC))
    if act == "leave":
        return act
    payload = {"act": act, "run_id": release.run_id, "run_state": seen.state}
    where = {"release_id": release.release_id, "model": release.model}
    note(world.ledger, "watched", payload, at=now, actor=WATCHER, **where)
    if act == "abort" and release.stop is None:
        why = {"reason": "the run was cancelled in Prefect"}
        note(world.ledger, "abort_asked", why, at=now, actor=WATCHER, **where)
    return act


def pause_of(release: Release, missing: Sequence[str]) -> Alarm | None:
    """A pause that people have to hear of now; asked every minute, so no node of its own."""
    entries, wall = current().ledger.entries(release_id=release.release_id), datetime.now(UTC)
    found = pause(release, entries, missing=missing, wall=wall)
    return untold(release, entries, found, wall) if found else None


@node("raise alarm", "alert: {release.release_id} pauses")
def raise_alarm(release: Release, found: Alarm) -> None:
    world = current()
    record_alarm(world.ledger, release, found, world.clock.now(release.model), WATCHER)


@node("record call", "record who was told of {release.release_id}")
def record_call(release: Release, found: Alarm, told: Message, where: str) -> None:
    world = current()
    now = world.clock.now(release.model)
    record_told(world.ledger, release, found, told, where, now, WATCHER)


def record_delivered(title: str, thread: str, where: str) -> None:
    """A message that had to wait has reached people. ``thread``: a release, or a model."""
    world = current()
    alarms.record_delivered(world.ledger, world.clock.now, title, thread, where, WATCHER)


@node("expected", "what should every model serve?")
def serving_expected() -> list[Expected]:
    return list(champions(current().ledger))


@node("news", "what is news of {expected.model}?")
def news_of(expected: Expected, looks: Sequence[Looked]) -> tuple[Looked, ...]:
    """Only what is not on record already."""
    return news(looks, current().ledger.entries(model=expected.model))


@node("record looks", "record what was told of {expected.model}")
def record_looks(expected: Expected, looks: Sequence[Looked], told: Message, where: str) -> None:
    """After it was told: a look that ends before that is made again, and tells it then."""
    for look in looks:
        over = look.status == "well"
        payload: dict[str, Any] = {"about": look.about}
        if not over:
            payload |= {"status": look.status, "why": look.why}
        if look.figures:
            payload["figures"] = list(look.figures)
        if look.about == SERVES and expected.digest is not None:
            payload["expected"] = expected.digest
        _note_between(expected, "alert_over" if over else "alert", payload, SOAK)
    payload = {"kind": told.kind, "title": told.title, "where": where}
    _note_between(expected, "notified", payload, SOAK)


@node("review due", "is the risk review of {expected.model} due?")
def find_review(expected: Expected, months: int) -> Due | None:
    world = current()
    now = world.clock.now(expected.model)
    return review_due(months, world.ledger.entries(model=expected.model), now)


@node("record review due", "record that {expected.model} has to be reviewed")
def record_review_due(expected: Expected, due: Due, packet: str, digest: str, where: str) -> None:
    """Only when somebody was told: a run that ends before it tells them begins again."""
    payload = {
        "since": due.since.isoformat(),
        "why": due.why,
        "packet": packet,
        "packet_digest": digest,
        "where": where,
    }
    _note_between(expected, "risk_review_due", payload, RERISK)


def _note_between(expected: Expected, kind: str, payload: Mapping[str, Any], actor: str) -> None:
    """On the model's record, and on that of the release that put its champion there."""
    world = current()
    note(
        world.ledger,
        kind,
        payload,
        at=world.clock.now(expected.model),
        actor=actor,
        release_id=expected.release_id,
        model=expected.model,
    )
