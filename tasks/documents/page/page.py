"""Everything the release page says, as one value made from the ledger's entries alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from policies.lifecycle import Release
from policies.vocabulary import Artefact, Entry, Outcome, Value
from tasks.documents.looks import release_of
from tasks.documents.page import words
from tasks.documents.page.checks import Check, Slice, checks, slices
from tasks.documents.page.exposure import Moment, Stretch, counts, shares, stretches, weight_now
from tasks.documents.page.next_steps import Addresses, Command, Link, commands, links
from tasks.documents.page.people import Act, acts
from tasks.documents.page.readings import (
    Glance,
    Series,
    glances,
    live_glance,
    series_of,
    staging_glance,
)
from tasks.documents.page.story import story
from tasks.documents.page.track import Stop, track
from tasks.documents.page.trouble import Alert, Trouble, alerts, trouble

Tone = Literal["good", "bad", "wait"]
MOST_LISTED = 200  # decisions, or alerts, on a page: the newest; the ledger has them all


class Subject(Value):
    """What was on trial, against what, under which rules."""

    release_id: str
    model: str
    version: str
    champion: str
    description: str
    policy: str
    why: str
    artefact_digest: str
    policy_digest: str
    run_id: str


class Summary(Value):
    """What is read first."""

    outcome: str
    tone: Tone
    story: str
    is_live: bool
    weight_bp: int
    answered: int | None  # None: nothing has counted yet
    looks: int


class Times(Value):
    """The world's time (what the policy reckons in) and the wall clock's, where recorded."""

    opened: datetime
    last: datetime
    next_look: datetime | None
    world_seconds: float
    real_seconds: float | None
    seconds_to_zero_traffic: float | None
    was_stopped: bool
    first_answer: datetime | None  # to a user; known once the release is closed
    first_fault: datetime | None
    is_replayed: bool  # the world's time did not pass as the wall clock's


class Ground(Value):
    """The entries the page stands on, so that it can be checked."""

    first_seq: int
    last_seq: int
    entries: int
    last_hash: str
    recorded_at: datetime | None


class ReleasePage(Value):
    subject: Subject
    summary: Summary
    times: Times
    stops: tuple[Stop, ...]
    stretches: tuple[Stretch, ...]
    shares: tuple[Moment, ...]
    counts: tuple[Moment, ...]
    series: tuple[Series, ...]
    staging: tuple[Check, ...]
    slices: tuple[Slice, ...]
    live_checks: tuple[Check, ...]
    live_look: str  # which look the live checks are of
    acts: tuple[Act, ...]
    acts_left_out: int
    alerts: tuple[Alert, ...]
    alerts_left_out: int
    trouble: Trouble | None
    commands: tuple[Command, ...]
    links: tuple[Link, ...]
    ground: Ground


def release_page(
    entries: Sequence[Entry], *, beside: Sequence[str] = (), addresses: Addresses | None = None
) -> ReleasePage:
    """``beside``: names of the files in the page's folder, which it links."""
    ordered = sorted(entries, key=lambda entry: entry.seq)
    state, artefact = release_of(ordered)
    looks = glances(ordered)
    live = live_glance(looks)
    done, warned = acts(ordered), alerts(ordered)
    times = _times(state, ordered)
    return ReleasePage(
        subject=_subject(state, artefact),
        summary=_summary(state, looks, times),
        times=times,
        stops=track(state, ordered, looks),
        stretches=stretches(ordered),
        shares=shares(ordered),
        counts=counts(looks, ordered),
        series=series_of(looks, state.policy),
        staging=checks(staging_glance(looks)),
        slices=slices(staging_glance(looks)),
        live_checks=checks(live),
        live_look=f"{live.step}, look {live.number}" if live else "",
        acts=done[-MOST_LISTED:],
        acts_left_out=max(0, len(done) - MOST_LISTED),
        alerts=warned[-MOST_LISTED:],
        alerts_left_out=max(0, len(warned) - MOST_LISTED),
        trouble=trouble(ordered),
        commands=commands(state, ordered),
        links=links(state, beside, addresses or Addresses()),
        ground=Ground(
            first_seq=ordered[0].seq,
            last_seq=ordered[-1].seq,
            entries=len(ordered),
            last_hash=ordered[-1].hash,
            recorded_at=ordered[-1].recorded_at,
        ),
    )


def _subject(state: Release, artefact: Artefact) -> Subject:
    return Subject(
        release_id=state.release_id,
        model=state.model,
        version=state.version,
        champion=str(state.champion.ref) if state.champion else "the baseline rule",
        description=artefact.description,
        policy=state.policy_name,
        why=state.policy.why,
        artefact_digest=artefact.digest,
        policy_digest=state.policy_digest or "",
        run_id=state.run_id or "",
    )


def _times(state: Release, entries: Sequence[Entry]) -> Times:
    moves = [entry for entry in entries if entry.move]
    first, last = moves[0], moves[-1]
    world = (last.at - first.at).total_seconds()
    real = None
    if first.recorded_at is not None and last.recorded_at is not None:
        real = (last.recorded_at - first.recorded_at).total_seconds()
    return Times(
        opened=first.at,
        last=last.at,
        next_look=state.next_look if state.is_live and state.containment is None else None,
        world_seconds=world,
        real_seconds=real,
        seconds_to_zero_traffic=state.seconds_to_zero_traffic,
        was_stopped=state.containment is not None,
        first_answer=state.closing.first_answer_at if state.closing else None,
        first_fault=state.closing.first_fault_at if state.closing else None,
        is_replayed=real is not None and abs(world - real) > 0.1 * max(world, real, 60.0),
    )


def _summary(state: Release, looks: Sequence[Glance], times: Times) -> Summary:
    answered = next((look.answered for look in reversed(looks) if look.answered is not None), None)
    if state.closing is not None:
        answered = state.closing.exposed_requests
    outcome, tone = _outcome(state)
    return Summary(
        outcome=outcome,
        tone=tone,
        story=story(state, words.day(times.last), words.span(times.world_seconds)),
        is_live=state.is_live,
        weight_bp=weight_now(state),
        answered=answered,
        looks=len(looks),
    )


def _outcome(state: Release) -> tuple[str, Tone]:
    """In two or three words, for a badge and the title of the window."""
    if state.closing is not None:
        told = {Outcome.HELD: "withdrawn"}.get(
            state.closing.outcome, state.closing.outcome.value.replace("_", " ")
        )
        good = state.closing.outcome is Outcome.RELEASED
        mild = state.closing.outcome in (Outcome.HELD, Outcome.ABORTED)
        return told, "good" if good else "wait" if mild else "bad"
    if state.containment is not None or state.stop is not None:
        return "being stopped", "bad"
    where = state.step.name if state.step else "opened"
    return (f"{where}: waits for people", "wait") if state.request else (f"at {where}", "wait")
