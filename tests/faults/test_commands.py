"""What a person is told when something is wrong, through the real command on a real stack.

Exit 0 done, 1 refused or unhealthy, 2 usage, 3 interrupted or incomplete. A refused command
says what to do next and changes nothing.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.demo.people import ENGINEER, MANAGER, REVIEWER, key_of
from deployments.stack.parts import parts
from policies.lifecycle import Phase
from policies.vocabulary import Finding, Outcome
from tasks.ledger.record import note
from tests.faults.stack_commands import MODEL, Ran, Seatrial, alive, pids, running

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seatrial]:
    with running(tmp_path_factory.mktemp("commands") / "home") as made:
        yield made


def refused(ran: Ran, *told: str, code: int = 1) -> None:
    """The exit code, every expected word, and advice, on standard error."""
    assert (ran.code, ran.out) == (code, ""), (ran.out, ran.err)
    words = " ".join(ran.err.split())
    for each in told:
        assert each in words, ran.err
    assert code == 2 or "What to do: " in words, ran.err


# ── The stack ───────────────────────────────────────────────────────────────────────────────


def test_up_twice_leaves_what_runs_alone(stack: Seatrial) -> None:
    """The same processes, the same addresses, and every part is well."""
    before = pids(stack.home)
    again = stack("up", "--json")
    assert (again.code, pids(stack.home)) == (0, before)
    assert again.json["mlflow_uri"] == stack.world.settings.mlflow_uri
    assert "starting" not in again.err
    doctor = stack("doctor", "--json")
    assert doctor.code == 0, doctor.out
    assert {row["part"] for row in doctor.json} >= {*before, "ledger"}


# ── What serves today ───────────────────────────────────────────────────────────────────────


def test_adopting_needs_one_thing_to_adopt(stack: Seatrial) -> None:
    """Neither or both of version and rule is wrong usage; a rule is a share."""
    for words in ((), ("1", "--rule", "0.5"), ("--rule", "2")):
        refused(stack("adopt", MODEL, *words), "Error", code=2)


def test_what_cannot_be_served_is_not_adopted(stack: Seatrial) -> None:
    """Nothing is switched and nothing recorded. What else may be wrong: see ``release``."""
    before = stack.state
    refused(stack("adopt", MODEL, "abc"), "Check the model's name and version")
    assert stack.state == before


def test_a_rule_serves_as_the_champion(stack: Seatrial) -> None:
    """A model nobody has yet can begin with a constant answer; a version may take its place."""
    assert stack("adopt", MODEL, "--rule", "0.25").code == 0
    assert stack.score()["score"] == 0.25
    adopted = stack("adopt", MODEL, stack.versions["champion"], "--json")
    assert (adopted.code, adopted.json["champion"]["ref"]["version"]) == (0, "1")
    assert (stack.score()["score"], stack.score()["version"]) == (0.5, "1")


# ── A release that cannot begin ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("ghost", "1"), ("ghost", "policy")),
        (("ghost", "1", "--policy", "quick"), ("ghost", "Check the model's name")),
        ((MODEL, "99"), ("99", "Check the model's name and version")),
        ((MODEL, "champion", "--policy", "nobody"), ("nobody", "Known policies")),
        ((MODEL, "unsigned"), ("has no signature with named columns", "Log it again")),
        ((MODEL, "gone"), ("its files are gone", "Register the version again")),
        ((MODEL, "copy"), ("has the same files as the champion",)),
    ],
)
def test_a_release_that_cannot_begin_is_refused_at_once(
    stack: Seatrial, words: tuple[str, ...], told: tuple[str, ...]
) -> None:
    """No run is launched and nothing recorded."""
    before = stack.state
    refused(stack.release(*(stack.versions.get(word, word) for word in words)), *told)
    assert stack.state == before


def test_somebody_whom_nobody_knows_asks_for_no_release(stack: Seatrial) -> None:
    """Else nobody could tell whether the person who signs is the one who asked."""
    ran = stack("release", MODEL, stack.versions["candidate"], "--as", "Nobody")
    refused(ran, "nobody in the directory")


def test_every_fault_of_a_policy_is_named_with_its_line(stack: Seatrial) -> None:
    """By ``release`` as by ``policy check``."""
    file = stack.home.parent / "catalog" / "faulty.yaml"
    file.write_text("policy: faulty\nextends: quick\nownr: x\ncanary: {min_days: -1}\n")
    try:
        before = stack.state
        checked = stack("policy", "check", str(file))
        for ran in (stack.release(MODEL, "2", "--policy", "faulty"), checked):
            assert ran.code == 1
            assert re.search(r"faulty\.yaml:3: ownr", ran.err), ran.err
            assert re.search(r"faulty\.yaml:4: canary\.min_days", ran.err), ran.err
        assert stack.state == before
    finally:
        file.unlink()


# ── Releases that meet their end ────────────────────────────────────────────────────────────


def test_a_model_that_cannot_score_is_refused_before_a_user_meets_it(stack: Seatrial) -> None:
    """It loads, it raises: staging refuses it, the champion serves on, nobody may try again."""
    stack.send_traffic()
    launched = stack.release(MODEL, stack.versions["raises"], "--json")
    assert launched.code == 0, launched.err
    release_id = launched.json["release_id"]

    def closed() -> bool:
        assert (stack.score()["version"], stack.score()["reason"]) == ("1", None)
        return stack.release_of(release_id).phase is Phase.CLOSED

    stack.wait(closed)
    ended = stack.release_of(release_id).closing
    assert ended is not None
    assert (ended.outcome, ended.stage, ended.exposed_requests) == (Outcome.REFUSED, "staging", 0)
    verdict = stack.release_of(release_id).verdict
    findings = {item.name: item.finding for item in verdict.judged} if verdict else {}
    assert findings["answers"] is Finding.HARMFUL
    why = stack("why", release_id)
    assert (why.code, "refused" in why.out.lower()) == (0, True)
    refused(stack("rollback", release_id, "--reason", "x"), "is closed")


@pytest.fixture(scope="module")
def asking(stack: Seatrial) -> str:
    """A release that has passed staging and waits for a reviewer; its id."""
    launched = stack.release(MODEL, stack.versions["candidate"], "--json")
    assert launched.code == 0, launched.err
    release_id: str = launched.json["release_id"]
    stack.wait(lambda: stack.release_of(release_id).request is not None)
    return release_id


def test_one_release_of_a_model_at_a_time(stack: Seatrial, asking: str) -> None:
    """A second one is refused, and so is changing the champion under the first."""
    before = stack.at_rest()
    refused(stack.release(MODEL, stack.versions["dies"]), asking, "one at a time")
    refused(stack("adopt", MODEL, "--rule", "0.1"), "is live")
    assert stack.at_rest() == before


def test_only_the_right_person_signs(stack: Seatrial, asking: str) -> None:
    """Wrong key, role, person, file or request: told at once, and no vote is counted."""
    request = stack.release_of(asking).request
    assert request is not None
    keys = {person: str(key_of(stack.home, person)) for person in (ENGINEER, REVIEWER, MANAGER)}
    wrong = [
        ("req-none", REVIEWER.name, "reviewer", keys[REVIEWER], "No live release asks"),
        (request.request_id, REVIEWER.name, "reviewer", keys[MANAGER], "key"),
        (request.request_id, MANAGER.name, "reviewer", keys[MANAGER], "reviewer"),
        (request.request_id, REVIEWER.name, "manager", keys[REVIEWER], "manager"),
        (request.request_id, ENGINEER.name, "reviewer", keys[ENGINEER], ENGINEER.name),
        (request.request_id, "Nobody", "reviewer", keys[REVIEWER], "Nobody"),
        (request.request_id, REVIEWER.name, "reviewer", "/none", "cannot be read"),
        (request.request_id, REVIEWER.name, "reviewer", str(stack.home / "ports.json"), "key"),
    ]
    before = stack.at_rest()
    for asked, person, role, key, told in wrong:
        ran = stack("approve", asked, "--as", person, "--role", role, "--key", key, "--yes")
        refused(ran, told)
    unconfirmed = stack("approve", asking, "--as", REVIEWER.name, "--role", "reviewer", "--key",
                        keys[REVIEWER])  # fmt: skip
    assert unconfirmed.code == 1  # nobody was there to say yes
    assert stack.at_rest() == before
    # ── and the right one does: the release goes on to its next step
    right = ("approve", asking, "--as", REVIEWER.name, "--role", "reviewer", "--key")
    assert stack(*right, keys[REVIEWER], "--yes").code == 0
    stack.wait(lambda: (s := stack.release_of(asking).step) is not None and s.name == "shadow")


def test_a_person_ends_a_release_and_a_quarantine_holds(stack: Seatrial, asking: str) -> None:
    """It ends as rolled back; files that somebody put in quarantine are not released again."""
    done = stack("rollback", MODEL, "--reason", "seen enough", "--as", "ann", "--json")
    assert (done.code, done.json["release_id"]) == (0, asking), done.err
    stack.wait(lambda: stack.release_of(asking).phase is Phase.CLOSED)
    state = stack.release_of(asking)
    assert state.closing is not None and state.closing.outcome is Outcome.ROLLED_BACK
    assert state.artefact is not None
    held = {"digest": state.artefact.digest, "reason": "looked odd"}
    note(stack.world.ledger, "quarantined", held, at=datetime.now(UTC), actor="ann", model=MODEL)
    refused(stack.release(MODEL, stack.versions["candidate"]), "quarantine")
    refused(stack("rollback", MODEL, "--reason", "again"), "No release of tiny is live")
    refused(stack("why", "rel-none"), "There is no release rel-none")
    refused(stack("kill", "ghost", "--reason", "x"), "ghost")


# ── When something is away ──────────────────────────────────────────────────────────────────


def test_without_the_ledger_only_the_kill_acts(stack: Seatrial) -> None:
    """Another program holds the database: everything else is refused, the switch still moves."""
    before = stack.state
    held = sqlite3.connect(stack.home / "ledger.db", isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    try:
        refused(stack("adopt", MODEL, "--rule", "0.1"), "ledger")
        assert (stack.score()["version"], stack.score()["reason"]) == ("1", None)
        killed = stack("kill", MODEL, "--reason", "wrong answers", "--as", "ann", "--json")
        assert killed.code == 0 and "ledger could not record" in killed.err, killed.err
        assert killed.json["seconds"] < 5  # the ledger's patience comes after the switch
        assert stack.is_killed()
    finally:
        held.execute("ROLLBACK")
        held.close()
    assert stack("restore", MODEL, "--reason", "the ledger is back").code == 0
    assert stack.score()["version"] == "1"
    assert stack.state[0] != before[0]


def test_without_the_gateway_nothing_is_believed(stack: Seatrial) -> None:
    """Not a release, not a kill that no replica confirms; ``up`` starts just what is missing."""
    before = pids(stack.home)
    stack.stop_part("gateway")
    refused(stack.release(MODEL, stack.versions["dies"]), "does not answer")
    status = stack("status", "--json")
    assert (status.code, "not be observed" in status.err) == (3, True)
    doctor = stack("doctor", "--json")
    sick = {row["part"]: row for row in doctor.json if not row["well"]}
    assert (doctor.code, "gateway" in sick, "mlflow" in sick) == (1, True, False)
    assert all(row["advice"] for row in sick.values())
    killed = stack("kill", MODEL, "--reason", "no answers", "--json")
    assert (killed.code, killed.json["observed"]) == (3, [])
    assert stack("up").code == 0
    after = pids(stack.home)
    assert {name for name in after if after[name] != before[name]} == {"gateway"}
    stack.wait(stack.is_killed)  # a kill outlives the process that obeyed it
    assert stack("restore", MODEL, "--reason", "it answers again").code == 0


def test_the_switch_needs_neither_prefect_nor_mlflow(stack: Seatrial, asking: str) -> None:
    """What needs them is refused with advice; what stops harm and explains works."""
    before = pids(stack.home)
    stack.stop_part("prefect")
    launch = stack.release(MODEL, stack.versions["dies"])
    refused(launch, "Prefect is not reachable")
    stack.stop_part("mlflow")
    for process in alive(stack.home):
        if "mlflow" in " ".join(process.cmdline()) and "worker" not in process.name():
            process.kill()
    refused(stack.release(MODEL, stack.versions["dies"]), "MLflow at", "does not answer")
    refused(stack("adopt", MODEL, stack.versions["champion"]), "MLflow at", "does not answer")
    assert stack("kill", MODEL, "--reason", "wrong answers").code == 0
    assert stack("status").code == 0
    assert stack("why", asking).code == 0
    assert stack("restore", MODEL, "--reason", "it was the feed").code == 0
    assert stack("doctor").code == 1
    assert stack("up").code == 0
    after = pids(stack.home)
    assert {name for name in after if after[name] != before[name]} >= {"prefect", "mlflow"}
    assert all(after[name] == before[name] for name in ("gateway", "control"))


def test_down_leaves_nothing_behind_and_may_be_called_twice(stack: Seatrial) -> None:
    """Every process of this home is dead, also one whose parent was killed before."""
    assert len(alive(stack.home)) >= len(parts())
    stack.stop_part("mlflow")  # leaves a server behind
    first = stack("down", "--json")
    assert (first.code, first.json["alive"]) == (0, [])
    assert alive(stack.home) == []
    second = stack("down")
    assert (second.code, "Nothing was running" in second.out) == (0, True)
    refused(stack.release(MODEL, "2"), "does not answer")
    assert json.loads((stack.home / "stack.json").read_text()) == []


def test_a_home_without_a_stack(tmp_path: Path, stack: Seatrial) -> None:
    """Nothing is made by looking into a folder that is not there."""
    nowhere = Seatrial(tmp_path / "none")
    for words in (("status",), ("why", "rel-1"), ("doctor",), ("kill", "m", "--reason", "x")):
        refused(nowhere(*words), "There is no home")
    assert not nowhere.home.exists()
