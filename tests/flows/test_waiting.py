"""Long waits have no process: a run parks, is suspended for people, and goes on when woken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.flow_runs import resume_flow_run
from prefect.settings import PREFECT_API_URL
from prefect.states import AwaitingRetry

from policies.vocabulary import ApprovalRequest, SignOff
from tasks.approval import ssh_signature
from tasks.approval.adapters.memory import MemoryDirectory
from tasks.approval.ports import Person
from tasks.approval.sign_off import sign
from tasks.ledger.record import note
from tasks.orchestrator.adapters.prefect import PrefectOrchestrator
from tasks.orchestrator.ports import Run
from tasks.telemetry.adapters.memory import MemoryTelemetry
from tests.flows.memory_world import MODEL, MemoryWorld, Told, carry_on, deploy

SIGNED = "score-signed"
ROLES = {
    "rita": ("reviewer",),
    "oscar": ("owner",),
    "erin": ("reviewer", "owner"),  # asks for the release
    "tom": ("owner",),  # trained the candidate
}


def private_key(name: str) -> bytes:
    key = Ed25519PrivateKey.from_private_bytes(name.ljust(32).encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


@pytest.fixture
def orchestrator(prefect_server: None) -> PrefectOrchestrator:
    return PrefectOrchestrator(str(PREFECT_API_URL.value()), "")


@pytest.fixture
def peopled(world: MemoryWorld) -> MemoryWorld:
    keys = {name: ssh_signature.public_line(private_key(name)) for name in ROLES}
    world.directory = MemoryDirectory(
        Person(name=name, roles=roles, public_keys=(keys[name],)) for name, roles in ROLES.items()
    )
    return world


def test_a_long_wait_ends_the_process_and_a_wake_goes_on(
    world: MemoryWorld, orchestrator: PrefectOrchestrator
) -> None:
    """Baking is a scheduled state; woken, the same run is the same release, and finishes it."""
    world.settings = world.settings.model_copy(update={"park_after_seconds": 60.0})
    world.clock.leaps = False
    run_id = deploy(policy="score-short")
    parked = _until_it_waits(orchestrator, run_id)
    assert (parked.state, parked.state_name) == ("SCHEDULED", "Baking")
    assert parked.due is not None
    assert parked.url.endswith(run_id)
    message = "shadow has just begun. Next look 2024-01-06 12:00 UTC."
    assert _state(run_id).message == f"{message} More: seatrial why rel-{run_id[:8]}"
    assert parked.due - datetime.now(UTC) > timedelta(days=3)
    assert world.plan.mirror
    assert world.ledger.entries()[-1].kind == "notified"

    world.clock.leaps = True
    orchestrator.wake(run_id)  # else Prefect lets nobody start it before it is due
    told = world.told(carry_on(run_id))
    assert told.ended == "RELEASED"
    assert told.release_id == f"rel-{run_id[:8]}"
    assert "attached" not in told.kinds()


def test_two_people_open_the_gate_and_nobody_else(
    peopled: MemoryWorld, orchestrator: PrefectOrchestrator
) -> None:
    """Requester, trainer, a wrong role and a forged name do not count; two true sign-offs do."""
    run_id = deploy(policy=SIGNED)
    assert _until_it_waits(orchestrator, run_id).state == "PAUSED"
    request = _request(peopled)
    assert (request.gate, request.requester, request.trainer) == ("canary", "erin", "tom")
    wrong = [
        _vote(request, "erin", "reviewer"),
        _vote(request, "tom", "owner"),
        _vote(request, "rita", "owner"),
        _vote(request, "rita", "reviewer", key_of="erin"),
    ]
    for vote in wrong:
        _on_the_record(peopled, vote)
    _answer(run_id, _vote(request, "erin", "owner"))
    assert _until_it_waits(orchestrator, run_id).state == "PAUSED"
    assert peopled.plan.weight_bp == 0

    _answer(run_id, _vote(request, "rita", "reviewer"))
    assert _until_it_waits(orchestrator, run_id).state == "PAUSED"
    assert peopled.plan.weight_bp == 0
    _answer(run_id, _vote(request, "oscar", "owner"))
    told = peopled.told(carry_on(run_id))
    assert told.ended == "RELEASED"
    granted = told.one("granted").payload["sign_offs"]
    assert {(place["role"], place["person"]) for place in granted} == {
        ("reviewer", "rita"),
        ("owner", "oscar"),
    }
    assert told.kinds().index("granted") < told.kinds().index("entering", _place(told))
    assert len([m for m in peopled.notifier.sent if m.kind == "approval"]) == 1


def test_the_run_says_what_it_waits_for(
    peopled: MemoryWorld, orchestrator: PrefectOrchestrator
) -> None:
    """Its state names it, and a form tells what came of the one before; none is shown twice."""
    run_id = deploy(policy=SIGNED)
    assert _until_it_waits(orchestrator, run_id).state_name == "Sign-off wanted"
    request = _request(peopled)
    message = _state(run_id).message or ""
    assert f"Asked on {request.request_id}: 1 × owner, 1 × reviewer, by 2024-" in message
    forged = _vote(request, "rita", "reviewer", key_of="erin").model_dump_json()
    for pasted, told in (
        ("", "Nothing was pasted"),
        ("lgtm", "is no signed decision"),
        (forged, "did not count. "),
    ):
        assert "> **" not in _form(run_id) or pasted != ""
        resume_flow_run(run_id, run_input={"signed_decision": pasted})
        assert _until_it_waits(orchestrator, run_id).state_name == "Sign-off wanted"
        assert told in _form(run_id)
        assert "vote" not in [e.kind for e in peopled.ledger.entries()]
    orchestrator.wake(run_id)  # as the watcher does, without a form
    assert _until_it_waits(orchestrator, run_id).state_name == "Sign-off wanted"
    keys = [e.payload["key"] for e in peopled.ledger.entries() if e.kind == "suspended"]
    assert len(keys) == len(set(keys)) == 5


def test_a_held_release_is_called_so(world: MemoryWorld, orchestrator: PrefectOrchestrator) -> None:
    """Who looks at the list of runs tells a hold from a bake."""
    world.settings = world.settings.model_copy(update={"park_after_seconds": 60.0})
    world.clock.leaps = False
    world.telemetry = MemoryTelemetry()  # nothing that staging could look at
    run_id = deploy(policy="score-short")
    parked = _until_it_waits(orchestrator, run_id)
    assert (parked.state, parked.state_name) == ("SCHEDULED", "On hold")
    assert "Next look 2024-" in (_state(run_id).message or "")


def test_a_finished_run_that_is_tried_again_acts_no_more(
    peopled: MemoryWorld, orchestrator: PrefectOrchestrator
) -> None:
    """Its release is closed: it says so, with the outcome, and nothing is recorded or told."""
    run_id = deploy(policy="score-short")
    assert carry_on(run_id).name == "RELEASED"
    before, sent = peopled.ledger.entries(), list(peopled.notifier.sent)
    published = list(peopled.router.published)
    with get_client(sync_client=True) as client:  # what Retry in the UI does
        client.set_flow_run_state(UUID(run_id), AwaitingRetry(), force=True)
    again = carry_on(run_id)
    assert again.name == "RELEASED"
    assert (again.message or "").startswith("Closed before this attempt, which moved nothing.")
    assert peopled.ledger.entries() == before
    assert (peopled.notifier.sent, peopled.router.published) == (sent, published)


def test_one_refusal_ends_the_release(
    peopled: MemoryWorld, orchestrator: PrefectOrchestrator
) -> None:
    """Whoever may sign may refuse; the candidate has met nobody."""
    run_id = deploy(policy=SIGNED)
    _until_it_waits(orchestrator, run_id)
    request = _request(peopled)
    _on_the_record(peopled, _vote(request, "oscar", "owner", "refuse"))
    orchestrator.wake(run_id)
    told = peopled.told(carry_on(run_id))
    assert told.ended == "REFUSED"
    assert told.one("closed").payload["exposed_requests"] == 0
    assert (peopled.plan.candidate, peopled.plan.mirror) == (None, False)
    assert "quarantined" not in told.kinds()


def _until_it_waits(orchestrator: PrefectOrchestrator, run_id: str) -> Run:
    """One process of the run, to where it waits without one."""
    with pytest.raises(Pause):
        carry_on(run_id)
    run = orchestrator.run(run_id)
    assert run is not None
    return run


def _state(run_id: str) -> State[Any]:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(run_id)).state
    assert state is not None
    return state


def _form(run_id: str) -> str:
    """What stands above the field of the form that is open now."""
    keyset = _state(run_id).state_details.run_input_keyset
    assert keyset is not None
    with get_client(sync_client=True) as client:
        return client.read_flow_run_input(UUID(run_id), keyset["description"])


def _answer(run_id: str, vote: SignOff) -> None:
    """Through the form in the Prefect UI: it also has the run go on."""
    resume_flow_run(run_id, run_input={"signed_decision": vote.model_dump_json()})


def _on_the_record(world: MemoryWorld, vote: SignOff) -> None:
    """As the command line leaves it, here without its own check."""
    release_id = world.ledger.entries()[-1].release_id
    now = world.clock.now(MODEL)
    where = {"release_id": release_id, "model": MODEL}
    note(world.ledger, "vote", {"sign_off": vote.plain()}, at=now, actor=vote.person, **where)


def _request(world: MemoryWorld) -> ApprovalRequest:
    asked = [e for e in world.ledger.entries() if e.kind == "asked"]
    return ApprovalRequest.model_validate(asked[-1].payload["request"])


def _vote(
    request: ApprovalRequest,
    person: str,
    role: str,
    decision: Literal["approve", "refuse"] = "approve",
    key_of: str = "",
) -> SignOff:
    key = private_key(key_of or person)
    return sign(request, key, person=person, role=role, decision=decision)


def _place(told: Told) -> int:
    return told.kinds().index("asked")
