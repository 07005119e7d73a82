"""Launch, sign, refuse, cancel and try again in the Prefect UI, as people do.

One stack, one story: the tests of this file stand on one another and run in their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from time import sleep
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from deployments.demo.people import ENGINEER, REVIEWER, key_of
from policies.lifecycle import Phase, Release
from policies.vocabulary import ApprovalRequest, Entry, Outcome
from tests.browser.conftest import Picture
from tests.browser.prefect_pages import DIALOG, PrefectUI
from tests.faults.stack_commands import MODEL, Seatrial, running

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]  # minutes only on a busy machine
QUIET = "quiet"  # a model that nobody asks anything: its releases can only hold


@dataclass
class Harbour:
    """A stack and the releases of this file, by what becomes of them."""

    stack: Seatrial
    runs: dict[str, str]

    def release(self, name: str) -> Release:
        return self.stack.release_of(f"rel-{self.runs[name][:8]}")

    def entries(self, name: str) -> list[Entry]:
        release_id = f"rel-{self.runs[name][:8]}"
        return list(self.stack.world.ledger.entries(release_id=release_id))

    def launch(self, name: str) -> None:
        ran = self.stack.release(MODEL, self.stack.versions["candidate"], "--json")
        assert ran.code == 0, ran.err
        self.runs[name] = ran.json["run_id"]

    def asked(self, name: str, forms: int = 1) -> ApprovalRequest:
        """The open request, once it has been shown on this many forms and the run waits."""

        def shown() -> bool:
            suspended = [e for e in self.entries(name) if e.kind == "suspended"]
            return len(suspended) == forms and self.state(name)[1] == "Sign-off wanted"

        self.stack.wait(shown)
        request = self.release(name).request
        assert request is not None
        return request

    def decision(self, request: ApprovalRequest, *more: str) -> str:
        """What the reviewer's own key makes of it, ready to be pasted."""
        who = ("--as", REVIEWER.name, "--role", "reviewer")
        key = str(key_of(self.stack.home, REVIEWER))
        words = ("approve", request.request_id, *who, "--key", key, "--yes", "--print", *more)
        ran = self.stack(*words)
        assert ran.code == 0, ran.err
        return ran.out.strip()

    def state(self, name: str) -> tuple[str, str, str]:
        """Type, name and message of the run's state, as Prefect's API tells them."""
        state = self._get(f"/flow_runs/{self.runs[name]}")["state"]
        return state["type"], state["name"], state["message"] or ""

    def ended(self, name: str, as_named: str) -> None:
        self.stack.wait(lambda: self.release(name).phase is Phase.CLOSED)
        self.stack.wait(lambda: self.state(name)[1] == as_named)

    def started(self) -> int:
        return len(self.found({"flows": {"name": {"any_": ["release"]}}}))

    def found(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        api = self.stack.world.settings.prefect_api
        told: list[dict[str, Any]] = httpx.post(f"{api}/flow_runs/filter", json=wanted).json()
        return told

    def _get(self, path: str) -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"{self.stack.world.settings.prefect_api}{path}").json()
        return told


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    """The first release is launched at once: it passes staging while the form is tried."""
    with running(tmp_path_factory.mktemp("browser") / "home") as stack:
        _register_quiet(stack)
        for model in (MODEL, QUIET):
            assert stack("adopt", model, "1").code == 0
        stack.send_traffic()
        harbour = Harbour(stack, {})
        harbour.launch("signed")
        yield harbour


def _register_quiet(stack: Seatrial) -> None:
    """The champion and the candidate again, under another name."""
    uri = stack.world.settings.mlflow_uri
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model(QUIET)
    for name in ("champion", "candidate"):
        known = client.get_model_version(MODEL, stack.versions[name])
        client.create_model_version(QUIET, known.source, known.run_id)


@pytest.fixture
def ui(browser: Chrome, harbour: Harbour) -> PrefectUI:
    return PrefectUI(browser, harbour.stack.world.settings.prefect_ui)


# ── Launching ───────────────────────────────────────────────────────────────────────────────


def test_the_form_starts_what_it_understands_and_nothing_else(
    ui: PrefectUI, harbour: Harbour, picture: Picture
) -> None:
    """Every field says what it wants; a wrong one says what is wrong, and no run begins."""
    before = harbour.started()
    ui.resize(1280, 1040)
    ui.deployment("release")
    ui.choose("Custom run", menu="Run")
    ui.see("Something must already serve it", "a whole number such as 2", "cannot approve it")
    ui.see("that policy rules it", "Only for taking over a release whose run was lost")
    filled = {"model": QUIET, "version": "2", "requester": ENGINEER.name, "policy": "quick"}
    for label, text in filled.items():
        ui.write(label, text)
    picture("launch-form")
    ui.write("model", "")
    ui.write("version", "abc")
    ui.press("Submit")
    ui.see("'model' is a required property", "'abc' does not match")
    ui.write("model", QUIET)
    ui.write("version", "2")
    assert harbour.started() == before
    for _ in range(3):  # Prefect's form checks again at the first press, and submits at the next
        if harbour.started() == before:
            ui.press("Submit")
        if ui.shows("View run", seconds=10):
            break
    ui.follow("View run")
    ui.see("quiet v2")
    harbour.runs["quiet"] = ui.browser.current_url.split("/flow-run/")[1][:36]
    assert harbour.started() == before + 1


# ── Waiting ─────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_waits_says_why(ui: PrefectUI, harbour: Harbour, picture: Picture) -> None:
    """Its state is not a bare "Scheduled", its message says what is missing and until when."""
    harbour.stack.wait(lambda: harbour.state("quiet")[1] == "On hold")
    release_id = f"rel-{harbour.runs['quiet'][:8]}"
    ui.resize(1280, 760)
    ui.open_run(harbour.runs["quiet"])
    ui.see("quiet v2", "On hold", "State Message", "0 labelled rows of recent traffic, 50 needed")
    ui.see("Next look 20", f"seatrial why {release_id}")
    picture("held-release")
    ui.open_artifact(f"evidence-{release_id}")  # Prefect hides the tabs of a scheduled run
    ui.see("staging · look 1 · HOLD")
    ui.open_artifact(release_id)
    ui.see("quiet v2 on trial", "What it has to pass", "canary 30 %", "1 × reviewer")
    link = ui.one("//a[normalize-space()='quiet v2 in MLflow']").get_attribute("href")
    assert link == f"{harbour.stack.world.settings.mlflow_uri}/#/models/quiet/versions/2"


# ── Signing ─────────────────────────────────────────────────────────────────────────────────


def test_people_sign_what_they_read_in_the_form(
    ui: PrefectUI, harbour: Harbour, picture: Picture
) -> None:
    """Nothing pasted and a forged decision open nothing, and a fresh form says so; a signed one
    opens the gate.
    """
    request = harbour.asked("signed")
    ui.open_run(harbour.runs["signed"])
    ui.see("Sign-off wanted", f"Asked on {request.request_id}: 1 × reviewer")
    ui.one("//canvas")  # the graph: one drawing, so its names are read in the list of task runs
    ui.tab("Artifacts")
    ui.see("What is on trial", "staging, look 1", "It decides nothing.")
    ui.tab("Task Runs")
    ui.see("staging · look 1 · PASS", "evidence of staging, look 1", "count the sign-offs")
    ui.resize(1280, 1500)
    ui.choose("Resume")
    packet = ui.dialog()
    for told in ("tiny v2: open shadow?", "PASS at staging.", "What your signature opens"):
        assert told in packet.text
    rows = packet.find_elements(By.XPATH, ".//table//tr")
    assert rows[0].text.split() == ["check", "measured", "at", "most", "finding"]
    assert any(row.text.startswith("log loss") and row.text.endswith("safe") for row in rows)
    picture("approval-packet")
    ui.press("Cancel", within=DIALOG)
    ui.gone(DIALOG)

    ui.resume("")
    harbour.asked("signed", forms=2)
    forged = json.loads(harbour.decision(request, "--refuse")) | {"decision": "approve"}
    ui.open_run(harbour.runs["signed"])
    ui.resume(json.dumps(forged))
    harbour.asked("signed", forms=3)
    ui.open_run(harbour.runs["signed"])
    ui.choose("Resume")
    assert "What was pasted did not count." in ui.dialog().text
    assert "decision differs" in ui.dialog().text
    ui.press("Cancel", within=DIALOG)
    ui.gone(DIALOG)
    assert "vote" not in [entry.kind for entry in harbour.entries("signed")]

    ui.resume(harbour.decision(request))
    harbour.stack.wait(lambda: (s := harbour.release("signed").step) and s.name == "shadow")
    assert [e.actor for e in harbour.entries("signed") if e.kind == "vote"] == [REVIEWER.name]
    harbour.stack.wait(lambda: harbour.state("signed")[1] == "Baking")


# ── Ending ──────────────────────────────────────────────────────────────────────────────────


def test_a_rolled_back_release_and_what_followed_are_on_its_page(
    ui: PrefectUI, harbour: Harbour, picture: Picture
) -> None:
    """Outcome and reason in the state; the rollback and the incident as runs of their own."""
    words = ("rollback", MODEL, "--reason", "late answers in the shadow", "--as", "ann")
    assert harbour.stack(*words).code == 0
    harbour.ended("signed", "ROLLED BACK")
    ui.resize(1280, 1090)
    ui.open_run(harbour.runs["signed"])
    ui.see("ROLLED BACK", "Rolled back by ann: late answers in the shadow")
    ui.one("//canvas")
    sleep(2)  # the graph draws itself, and nothing on the page says when it is done
    picture("rolled-back-release")
    ui.tab("Subflow Runs")
    ui.see(f"rollback rel-{harbour.runs['signed'][:8]}")
    ui.follow(f"rollback rel-{harbour.runs['signed'][:8]}")
    ui.see("Parent Run")
    ui.tab("Subflow Runs")
    ui.see(f"incident of rel-{harbour.runs['signed'][:8]}")


def test_a_finished_run_that_is_retried_acts_no_more(ui: PrefectUI, harbour: Harbour) -> None:
    """Its release is closed: the run says so with the same outcome, and nothing is recorded."""
    before = harbour.entries("signed")
    ui.open_run(harbour.runs["signed"])
    ui.choose("Retry")
    ui.press("Retry", within=DIALOG)
    harbour.stack.wait(lambda: "Closed before this attempt" in harbour.state("signed")[2])
    assert harbour.state("signed")[1] == "ROLLED BACK"
    assert harbour.entries("signed") == before
    ui.see("Closed before this attempt, which moved nothing.")


def test_a_signed_refusal_ends_the_release(ui: PrefectUI, harbour: Harbour) -> None:
    """The candidate has met nobody, and the run says who refused."""
    harbour.launch("refused")
    request = harbour.asked("refused")
    refusal = harbour.decision(request, "--refuse", "--comment", "not before the holidays")
    ui.open_run(harbour.runs["refused"])
    ui.resume(refusal)
    harbour.ended("refused", "REFUSED")
    ui.see("REFUSED", "A sign-off refused it")
    closing = harbour.release("refused").closing
    assert closing is not None and closing.exposed_requests == 0


def test_a_cancelled_run_aborts_its_release(ui: PrefectUI, harbour: Harbour) -> None:
    """One that waits for people and one that is parked: no process is there to stop, and still
    the candidate leaves traffic and the record says why.
    """
    harbour.launch("cancelled")
    harbour.asked("cancelled")
    for name in ("cancelled", "quiet"):
        ui.open_run(harbour.runs[name])
        ui.choose("Cancel")
        ui.press("Cancel Flow Run", within=DIALOG)
        harbour.stack.wait(lambda name=name: harbour.state(name)[0].startswith("CANCEL"))
    ui.deployment("watch")
    ui.choose("Quick run", menu="Run")  # it comes by itself within a minute
    for name in ("cancelled", "quiet"):
        harbour.stack.wait(lambda name=name: harbour.release(name).phase is Phase.CLOSED)
        closing = harbour.release(name).closing
        assert closing is not None and closing.outcome is Outcome.ABORTED
        assert closing.reason == "Aborted by system:watch: the run was cancelled in Prefect"
    for model in (MODEL, QUIET):
        plan = harbour.stack.world.router.current(model)
        assert plan is not None and (plan.candidate, plan.mirror) == (None, False)
