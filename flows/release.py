"""A release: one durable run from the registry to the end of soak.

The run holds nothing: each turn folds the ledger, asks the lifecycle for the one move that
follows, and carries it out. So a run that was killed, parked or taken over goes on where the
ledger says the release stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.approvals import ask_people, await_people, standing_now
from flows.closing import close, contain_candidate, finish, promote
from flows.forms import ModelName, PolicyName, ReleaseId, Requester, Version
from flows.steps import (
    begin,
    call_for_help,
    enter,
    look,
    refuse_other_versions,
    turn,
    wait,
    wait_out,
)
from policies.errors import RefusedError, SeatrialError, StaleMoveError, UnavailableError
from policies.lifecycle import Move, Phase, Release, next_move
from tasks.ledger.task import Log

CARRY_OUT: Mapping[str, Callable[[Log, Release, Move], None]] = MappingProxyType(
    {
        "enter": enter,
        "look": look,
        "ask": ask_people,
        "await_approval": await_people,
        "wait": wait,
        "contain": contain_candidate,
        "promote": promote,
        "close": close,
    }
)


CLOSED_BEFORE = "Closed before this attempt, which moved nothing. "


@flow(
    name="release",
    flow_run_name="{model} v{version}",
    description="Staging → shadow → canary → ramp → full → soak. Each step is earned.",
    persist_result=False,
    validate_parameters=True,
)
def release(
    model: ModelName,
    version: Version,
    requester: Requester,
    policy: PolicyName = "",
    release_id: ReleaseId = "",
) -> State[Any]:
    """Take one registered version from the registry to full service, as far as it earns it.

    Args:
        model: Name of the registered model in MLflow. Something must already serve it: the
            command seatrial adopt puts the first champion in place.
        version: The registered version on trial: a whole number such as 2.
        requester: Your name as your team's directory knows it. Who asks for a release cannot
            approve it.
        policy: Leave empty where a policy names the model: that policy rules it. Else the name
            of one, such as medium.
        release_id: Leave empty. Only for taking over a release whose run was lost: rel- and
            the digits that seatrial status shows.
    """
    log = begin(model, version, requester, policy, release_id)
    preface = CLOSED_BEFORE if log.state().phase is Phase.CLOSED else ""
    while True:
        try:
            log = turn(log)
            standing = standing_now(log, log.state())
            state = log.state()
            move = next_move(state, state.policy, log.now(), standing)
            if move.kind == "done":
                finish(log, state)
                return told(state, preface)
            get_run_logger().info("%s: %s", move.kind.replace("_", " "), move.because)
            carry_out(log, state, move)
        except StaleMoveError as error:
            if not log.is_mine():
                return Completed(name="TAKEN OVER", message=str(error))
        except UnavailableError as error:
            wait_out(log, error)
        except SeatrialError as error:
            call_for_help(log, error)


def carry_out(log: Log, state: Release, move: Move) -> None:
    """A kill refuses every plan: what it cut short is left, and the stop is what follows."""
    refuse_other_versions(state, move)
    try:
        CARRY_OUT[move.kind](log, state, move)
    except RefusedError:
        if state.stop is not None or log.state().stop is None:
            raise


def told(state: Release, preface: str = "") -> State[Any]:
    """The final state that people see on the run: the outcome, and why."""
    ended = state.closing
    if ended is None:
        return Completed(name="CLOSED")
    name = ended.outcome.value.upper().replace("_", " ")
    return Completed(name=name, message=f"{preface}{ended.reason}")
