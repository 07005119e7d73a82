"""The moves that end a release: contain, promote, close; and what is left to people."""

from __future__ import annotations

from flows.looks import is_as_evaluated
from flows.messages import tell
from flows.pages import report, show_page
from flows.rollback import rollback
from policies.errors import UnavailableError
from policies.lifecycle import Move, Release, stop_asked_at
from policies.vocabulary import Outcome
from tasks.documents.task import write_documents, write_evidence
from tasks.ledger.task import Log, wall_clock
from tasks.notify import alarm, message
from tasks.registry.task import CHAMPION_ALIAS, label_registry, set_alias
from tasks.telemetry.task import exposure
from tasks.traffic.moving import plan_promoted
from tasks.traffic.task import contain, move_traffic


def contain_candidate(log: Log, state: Release, move: Move) -> None:
    """Traffic first: nothing is asked, written or told before the candidate is out of it."""
    why = move.containment
    if why is None:
        return
    exposed = state.plan is not None and state.plan.weight_bp > 0
    asked = stop_asked_at(log.entries())
    try:
        moved = contain(state)
    except UnavailableError as error:
        tell(log, alarm.unconfirmed(state, str(error)))
        raise
    seconds = (wall_clock() - asked).total_seconds() if asked else moved.seconds
    state = log.move(state, "containing", why.plain())
    log.move(
        state,
        "contained",
        {
            "revision": moved.plan.revision,
            "seconds_to_zero_traffic": round(seconds, 3) if exposed else None,
            "observed": [replica.plain() for replica in moved.observed],
        },
    )


def promote(log: Log, state: Release, move: Move) -> None:
    """The candidate becomes the champion: the switch first, the alias after it."""
    if not is_as_evaluated(log, state):
        return
    plan = plan_promoted(state)
    state = log.move(state, "promoting", {"plan": plan.plain(), "alias": CHAMPION_ALIAS})
    moved = move_traffic(plan, "promoted", log.revision)
    if plan.champion is not None:
        set_alias(plan.champion.ref, CHAMPION_ALIAS)
    log.move(state, "promoted", {"plan": moved.plan.plain(), "alias": CHAMPION_ALIAS})


def close(log: Log, state: Release, move: Move) -> None:
    """What follows the end: quarantine and incident where due, then the last move."""
    outcome = move.outcome or Outcome.ABORTED
    why = state.containment
    if outcome is Outcome.ROLLED_BACK or (why is not None and why.tampered):
        rollback(log.release_id)
    for fault in label_registry(state, outcome):
        log.fact("alert", {"why": fault})
    met = exposure(log.release_id, state.policy)
    finding = why.finding if why else (state.verdict.finding if state.verdict else None)
    closing = {
        "outcome": outcome.value,
        "stage": state.step.name if state.step else "opening",
        "finding": finding.value if finding else None,
        "reason": move.because if why else (state.verdict.reason if state.verdict else ""),
        "exposed_requests": met.requests,
        "first_answer_at": met.first_at.isoformat() if met.first_at else None,
        "first_fault_at": met.first_fault_at.isoformat() if met.first_fault_at else None,
        "seconds_to_zero_traffic": state.seconds_to_zero_traffic,
    }
    log.move(state, "closed", closing)


def finish(log: Log, state: Release) -> None:
    """What a closed release leaves to people: its documents and a last message, each once."""
    if not any(entry.kind == "document" for entry in log.entries()):
        report(log, write_evidence(log.release_id))
        for name, digest in write_documents(log.release_id).items():
            log.fact("document", {"name": name, "digest": digest})
    show_page(log)
    tell(log, message.release_complete(state))
