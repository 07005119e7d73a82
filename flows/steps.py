"""The moves that go forward: begin, enter a step, look at it, wait."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from flows.looks import artefact_now, is_as_evaluated, look_at_traffic
from flows.messages import tell
from flows.pages import show_page
from flows.staging import trial
from policies.errors import RefusedError, SeatrialError, UnavailableError
from policies.lifecycle import LIFECYCLE_VERSION, Move, Phase, Release, next_look_after
from policies.schema import ReleasePolicy
from policies.vocabulary import (
    Decision,
    Evidence,
    Finding,
    Frozen,
    Stage,
    Step,
    Verdict,
)
from tasks.approval.task import check_people
from tasks.documents.task import show_evidence, show_release
from tasks.evidence.digest import digest_of
from tasks.evidence.sequential import STATISTICS_VERSION
from tasks.gate.task import choose_policy, judge
from tasks.ledger.task import Log, decide, open_release, release_of, take
from tasks.notify import alarm, message
from tasks.notify.words import who
from tasks.orchestrator.task import nap, park_if_long, run_id
from tasks.registry.task import fetch
from tasks.telemetry.task import settle
from tasks.traffic.moving import plan_for
from tasks.traffic.task import move_traffic, read_switch

VERSIONS = {"lifecycle": LIFECYCLE_VERSION, "statistics": STATISTICS_VERSION}
RETRY_SECONDS = 10.0
HELP_SECONDS = 300.0
RENEW_SECONDS = 60.0
BLIND = (Finding.SOURCE_DOWN, Finding.INVALID)  # a person has to mend something


def begin(model: str, version: str, requester: str, policy: str = "", release_id: str = "") -> Log:
    """Open the release, or find where it stands; either way this run now holds its lease."""
    if release_id:
        refuse_another(release_of(release_id), release_id, model, version)
    log = take(release_id or f"rel-{run_id()[:8]}", model, holder=run_id())
    state = log.state()
    if state.phase is Phase.UNOPENED:
        ruling = choose_policy(model, policy or None)
        artefact = fetch(model, version)
        check_people(ruling.policy, requester, artefact.trainer)
        frozen = freeze(log, ruling.policy)
        open_release(log, artefact, requester, ruling, run_id(), VERSIONS, frozen)
        show_release(log.release_id)
    elif state.run_id != run_id():
        log.fact("attached", {"run_id": run_id()})
    return log


def freeze(log: Log, policy: ReleasePolicy) -> Frozen:
    """Asked of the source only where a guardrail needs it."""
    needed = any(r.kind == "quantile" or r.cuped_days for r in policy.guardrails)
    return settle(log.model, policy, log.now()) if needed else Frozen()


def refuse_another(state: Release, release_id: str, model: str, version: str) -> None:
    """A run takes over the release that is meant, and no other."""
    if state.release_id and (state.model, state.version) != (model, version):
        raise RefusedError(
            f"{release_id} is of {state.model} v{state.version}, not of {model} v{version}.",
            advice="Leave release_id empty to begin a new release; `seatrial status` lists them.",
        )


def turn(log: Log) -> Log:
    """Begin a turn: the lease extended, the switch read, a kill it shows on the record.

    The switch is read before the ledger is folded, so a plan decided on that fold is refused by
    the switch when anybody has moved traffic since.
    """
    log = log.renewed()
    switch = read_switch(log.model)
    state = log.state()
    if switch.killed_to is not None and state.is_live and state.stop is None:
        log.fact("kill", {"to": switch.killed_to, "reason": "found on the switch"})
    return replace(log, revision=switch.revision)


def refuse_other_versions(state: Release, move: Move) -> None:
    """A release parked for weeks may wake in newer code: only the way back stays open then."""
    if state.versions != VERSIONS and move.kind not in ("contain", "close"):
        raise RefusedError(
            f"Release {state.release_id} was opened by versions {state.versions}; "
            f"this code is {VERSIONS}.",
            advice="Run the release with the code it began with, or end it: "
            f"seatrial rollback {state.release_id} --reason WHY",
        )


def enter(log: Log, state: Release, move: Move) -> None:
    """Intent recorded, traffic moved, outcome observed and recorded."""
    step = move.step or state.policy.steps()[0]
    if step.weight_bp and not is_as_evaluated(log, state):
        return
    plan = plan_for(state, step)
    before = state.step
    state = log.move(state, "entering", {"step": step.plain(), "plan": plan.plain()})
    moved = move_traffic(plan, step.name, log.revision)
    observed = [replica.plain() for replica in moved.observed]
    entered = {"step": step.plain(), "plan": moved.plan.plain(), "observed": observed}
    state = log.move(state, "entered", entered)
    tell(log, message.stage_change(state, before))
    show_page(log)


def look(log: Log, state: Release, move: Move) -> None:
    """Observe → weigh → judge → decide: one node each on the graph."""
    step, number = move.step or state.policy.steps()[0], state.looks + 1
    staging = step.stage is Stage.STAGING
    evidence = artefact_now(log, state)
    evidence += trial(log, state) if staging else look_at_traffic(log, state, step)
    verdict = judge(state.policy, step, evidence)
    before = state.verdict.finding if state.verdict else None
    after = next_look_after(state.policy, state, log.now())
    found = looked(step, number, evidence, verdict, after)
    show_evidence(log.release_id, step.name, number, found)
    state = decide(log, state, step.name, number, verdict.decision.value, found)
    if verdict.finding in BLIND and verdict.finding is not before:
        tell(log, message.hold(state))
    show_page(log)


def looked(
    step: Step, number: int, evidence: list[Evidence], verdict: Verdict, after: datetime
) -> dict[str, object]:
    """What one look leaves on the ledger."""
    items = [item.plain() for item in evidence]
    return {
        "step": step.name,
        "stage": step.stage.value,
        "look": number,
        "evidence": items,
        "evidence_digest": digest_of(items),
        "verdict": verdict.plain(),
        "next_look": after.isoformat(),
    }


def wait(log: Log, state: Release, move: Move) -> None:
    """A long wait ends this process; a short one stays in it, and wakes for any news."""
    until = move.until or log.now()
    due = f"{move.because.rstrip('.')}. Next look {until:%Y-%m-%d %H:%M} UTC."
    told = f"{due} More: seatrial why {log.release_id}"
    park_if_long(log.model, until, "On hold" if is_held(state) else "Baking", told)
    renewed = time.monotonic()
    while log.now() < until and not log.has_news(state):
        nap(log.model, until)
        if time.monotonic() - renewed > RENEW_SECONDS:  # a replayed day may take long
            log.renewed()
            renewed = time.monotonic()


def is_held(state: Release) -> bool:
    """Waiting for better evidence, and not only for time to pass."""
    return state.verdict is not None and state.verdict.decision is Decision.HOLD


def wait_out(log: Log, error: UnavailableError) -> None:
    """Something outside is down: the release holds where it is, says so, and tries again."""
    with suppress(SeatrialError):  # the ledger or Slack may be what is down
        tell(log, message.source_down(who(log.state()), log.release_id, str(error)))
    time.sleep(RETRY_SECONDS)


def call_for_help(log: Log, error: SeatrialError) -> None:
    """Something is broken that waiting does not mend: call somebody once, look again later.

    The run stays, so a rollback, a kill or the mended part is acted on within minutes.
    """
    with suppress(SeatrialError):
        tell(log, alarm.stuck(log.state(), str(error)))
    until = time.monotonic() + HELP_SECONDS
    seen = log.state()
    while time.monotonic() < until and not log.has_news(seen):
        time.sleep(1.0)
