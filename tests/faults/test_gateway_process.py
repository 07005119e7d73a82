"""A real gateway, real models, real HTTP: the split, the mirror, and a candidate gone bad."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from policies.errors import RefusedError
from policies.vocabulary import Audience, Breaker, ModelRef, TrafficPlan, TrafficVariant
from tasks.registry.digest import hex_of, tree_digest
from tasks.traffic.split import goes_to_candidate
from tests.faults.forms_model import inputs_of, row_of, score_of
from tests.faults.forms_model import make as make_forms
from tests.faults.stack_gateway import MODEL, Stack, gateway, make_model, version

pytestmark = pytest.mark.stack
UNITS = [f"unit-{number}" for number in range(400)]


@pytest.fixture(scope="module")
def digests(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    home = tmp_path_factory.mktemp("home")
    store = home / "store"
    return home, [
        make_model(store, 0.1, sensitive=False),
        make_model(store, 0.2, sensitive=True),
        make_model(store, 0.3, sensitive=False),
    ]


@pytest.fixture(scope="module")
def running(digests: tuple[Path, list[str]]) -> Iterator[Stack]:
    home, _ = digests
    with gateway(home, "--deadline-ms", "1000", "--candidate-memory-mb", "1024") as stack:
        yield stack


@pytest.fixture
def trial(running: Stack, digests: tuple[Path, list[str]]) -> TrafficPlan:
    """A release at 25 %, mirrored, with something to fall back to."""
    one, two, three = digests[1]
    plan = TrafficPlan(
        model=MODEL,
        champion=version(1, one),
        candidate=version(2, two),
        previous=version(3, three),
        weight_bp=2500,
        mirror=True,
        baseline=0.5,
        release_id="r-1",
        step="ramp 25 %",
    )
    if running.router.killed_to(MODEL):
        running.router.restore(MODEL, "test")
    published = running.apply(plan)
    running.wait(lambda: running.plane.observe(MODEL)[0].error is None)
    return published


def lines(stack: Stack, kind: str = "predictions") -> list[dict[str, Any]]:
    files = sorted((stack.home / "spool" / kind).glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_split_is_sticky_and_as_planned(running: Stack, trial: TrafficPlan) -> None:
    """Every unit gets the arm its bucket says, twice the same, with that arm's score."""
    first, second = running.predict(UNITS), running.predict(UNITS)
    assert first == second
    for unit, answer in zip(UNITS, first, strict=True):
        arm = "candidate" if goes_to_candidate(MODEL, unit, 2500) else "champion"
        score = {"champion": 0.101, "candidate": 0.201}[arm]
        assert (answer["variant"], answer["score"]) == (arm, pytest.approx(score))
    assert 60 < sum(answer["variant"] == "candidate" for answer in first) < 140


def test_both_arms_score_every_row(running: Stack, trial: TrafficPlan) -> None:
    """Each row has a line of either arm, exactly one of them served, and its inputs."""
    units = [f"mirrored-{number}" for number in range(50)]
    answers = {answer["id"]: answer for answer in running.predict(units)}

    def logged() -> list[dict[str, Any]]:
        return [line for line in lines(running) if line["id"] in answers]

    running.wait(lambda: len(logged()) == 100)
    served = [line for line in logged() if line["served"]]
    assert Counter(line["arm"] for line in logged()) == {"champion": 50, "candidate": 50}
    assert {line["id"]: line["arm"] for line in served} == {
        id_: answer["variant"] for id_, answer in answers.items()
    }
    assert len(served) == 50
    assert {(line["release"], line["step"], line["weight_bp"]) for line in served} == {
        ("r-1", "ramp 25 %", 2500)
    }
    inputs = {line["id"]: line["inputs"] for line in lines(running, "inputs")}
    assert all(inputs[id_] == {"x": 1.0, "mood": ""} for id_ in answers)


def test_lines_say_of_whom_and_where_from(running: Stack, trial: TrafficPlan) -> None:
    """What the request said of itself, and nothing where it said nothing."""
    told = {"segment": "staff", "region": "nz"}
    row = {"unit": "u", "inputs": {"x": 1.0, "mood": ""}}
    body = {"rows": [{"id": "told", **row, **told}, {"id": "untold", **row}]}
    assert running.http.post(f"/models/{MODEL}/predict", json=body).status_code == 200
    running.wait(lambda: sum(line["id"] in ("told", "untold") for line in lines(running)) == 4)
    found = {x["id"]: {name: x[name] for name in told} for x in lines(running) if "told" in x["id"]}
    assert found == {"told": told, "untold": dict.fromkeys(told)}


def test_shadow_mirrors_without_serving(running: Stack, trial: TrafficPlan) -> None:
    """At weight 0 nobody gets the candidate's answer, and it still scores every row."""
    running.apply(trial.model_copy(update={"weight_bp": 0, "step": "shadow"}))
    units = [f"shadowed-{number}" for number in range(20)]
    assert {answer["variant"] for answer in running.predict(units)} == {"champion"}

    def shadowed() -> list[dict[str, Any]]:
        return [x for x in lines(running) if x["step"] == "shadow" and x["arm"] == "candidate"]

    running.wait(lambda: len(shadowed()) == 20)
    assert not any(line["served"] for line in shadowed())


def test_only_the_audience_meets_the_candidate(running: Stack, trial: TrafficPlan) -> None:
    """All of it, by what each row says of itself; the log says whose share was none."""
    whose = Audience(segments=("staff",), regions=("NO", "SE"))
    running.apply(trial.model_copy(update={"audience": whose, "weight_bp": 10_000}))
    running.wait(lambda: running.plane.observe(MODEL)[0].error is None)
    told = {"a-1": ("staff", "NO"), "a-2": ("staff", "DE"), "a-3": ("guests", "SE"), "a-4": None}
    rows = []
    for id_, where in told.items():
        row = {"id": id_, "unit": id_, "inputs": {"x": 1.0, "mood": ""}}
        rows.append(row | dict(zip(("segment", "region"), where or (), strict=False)))
    answer = running.http.post(f"/models/{MODEL}/predict", json={"rows": rows})
    met = {each["id"]: each["variant"] for each in answer.json()["answers"]}
    assert met == {"a-1": "candidate", "a-2": "champion", "a-3": "champion", "a-4": "champion"}

    def served() -> dict[str, int]:
        mine = [line for line in lines(running) if line["id"] in told and line["served"]]
        return {line["id"]: line["weight_bp"] for line in mine}

    running.wait(lambda: served() == {"a-1": 10_000, "a-2": 0, "a-3": 0, "a-4": 0})
    wrong = rows[0] | {"segment": 5}
    refused = running.http.post(f"/models/{MODEL}/predict", json={"rows": [wrong]})
    assert (refused.status_code, "segment is no text" in refused.json()["error"]) == (400, True)


@pytest.mark.parametrize("mood", ["hang", "crash", "hog", "raise", "nonsense"])
def test_a_bad_candidate_takes_nobody_along(running: Stack, trial: TrafficPlan, mood: str) -> None:
    """Whatever the candidate does, its units get the champion's answer, and it is on record.

    The candidate's process is replaced: it serves again afterwards.
    """
    id_ = f"unit-0-{mood}"
    start = time.monotonic()
    answers = running.predict(UNITS[:40], mood)
    assert time.monotonic() - start < 5
    assert {answer["variant"] for answer in answers} == {"champion"}
    fallen = [answer for answer in answers if answer["reason"]]
    assert fallen
    assert all(answer["reason"].startswith("fallback:") for answer in fallen)
    errors = {answer["id"] for answer in fallen}

    def failed() -> list[dict[str, Any]]:
        return [x for x in lines(running) if x["id"] in errors and x["arm"] == "candidate"]

    running.wait(lambda: len(failed()) == len(errors))
    assert all(x["served"] and x["score"] is None and x["error"] for x in failed()), id_
    instead = [x for x in lines(running) if x["id"] in errors and x["arm"] == "champion"]
    told = {x["id"]: x["reason"] for x in instead if not x["served"]}
    assert told == {answer["id"]: answer["reason"] for answer in fallen}
    running.wait(
        lambda: any(answer["variant"] == "candidate" for answer in running.predict(UNITS[:40])),
        seconds=90,
    )


@pytest.mark.parametrize(
    ("changes", "variant", "score"),
    [
        ({}, "previous", 0.301),
        ({"previous": None}, "baseline", 0.5),
        ({"fallback": ("baseline", "previous", "error")}, "baseline", 0.5),
        ({"fallback": ("degraded",)}, "degraded", None),
        ({"fallback": ("error",)}, "error", None),
        ({"previous": None, "baseline": None}, "error", None),
    ],
)
def test_a_champion_that_fails_is_answered_for_down_the_chain(
    running: Stack, trial: TrafficPlan, changes: dict[str, Any], variant: str, score: float | None
) -> None:
    """In the policy's order; degraded is an answer without a score, and an error is a 503."""
    plan = trial.model_copy(
        update={"candidate": None, "champion": trial.candidate, "weight_bp": 0, "mirror": False}
    )
    running.apply(plan.model_copy(update=changes))
    row = {"id": f"chain-{variant}", "unit": "u", "inputs": {"x": 1.0, "mood": "raise"}}
    reply = running.http.post(f"/models/{MODEL}/predict", json={"rows": [row]})
    if variant == "error":
        assert reply.status_code == 503
        assert "cannot score this" in reply.json()["error"]
        return
    (answer,) = reply.json()["answers"]
    assert (answer["variant"], answer["score"]) == (variant, score and pytest.approx(score))
    assert "cannot score this" in answer["reason"]


BREAKER = Breaker(answer_within_ms=300, rows=20, bad_share=0.5, window_seconds=20)


@pytest.mark.parametrize("mood", ["raise", "nonsense", "hang", "crash"])
def test_a_breaker_takes_a_broken_candidate_out(
    running: Stack, trial: TrafficPlan, mood: str
) -> None:
    """Users get the champion's answers, first a row at a time, then because the candidate is out.

    It stays out at the next step of the same release; another release begins anew.
    """
    plan = trial.model_copy(
        update={"breaker": BREAKER, "release_id": f"r-{mood}", "weight_bp": 5000, "mirror": False}
    )
    running.apply(plan)
    running.wait(lambda: running.plane.observe(MODEL)[0].error is None, seconds=90)

    def opened() -> str | None:
        assert {a["variant"] for a in running.predict(UNITS[:20], mood)} == {"champion"}
        return running.plane.observe(MODEL)[0].opened

    running.wait(opened)
    told = running.plane.observe(MODEL)[0]
    assert told.opened is not None and "had no good answer within 300 ms" in told.opened
    assert (told.weight_bp, told.mirror) == (0, False)
    assert {a["variant"] for a in running.predict(UNITS)} == {"champion"}
    running.apply(plan.model_copy(update={"weight_bp": 6000}))
    assert running.plane.observe(MODEL)[0].opened == told.opened
    running.apply(plan.model_copy(update={"release_id": "r-another"}))
    assert running.plane.observe(MODEL)[0].opened is None


def test_nobody_waits_longer_than_the_policy_says(running: Stack, trial: TrafficPlan) -> None:
    """A candidate that hangs is answered for by the champion when its time is over."""
    running.apply(trial.model_copy(update={"breaker": BREAKER, "weight_bp": 10_000}))
    running.wait(lambda: running.plane.observe(MODEL)[0].error is None, seconds=90)
    (answer,) = running.predict(UNITS[:1], "hang")
    assert answer["variant"] == "champion"
    assert "no answer within 0.3 s" in answer["reason"]


def test_who_is_killed_answers_for_nobody(running: Stack, trial: TrafficPlan) -> None:
    """Also where the one it was killed to fails, and the policy's chain does not name that one."""
    plan = trial.model_copy(
        update={"candidate": None, "previous": trial.candidate, "fallback": ("baseline", "error"),
                "weight_bp": 0, "mirror": False}
    )  # fmt: skip
    running.apply(plan)
    running.router.kill(MODEL, "previous", "drill", "test")
    running.wait(lambda: running.predict(UNITS[:3])[0]["variant"] == "previous")
    assert {a["variant"] for a in running.predict(UNITS[:3], "raise")} == {"baseline"}


def test_a_kill_to_degraded_says_so_to_every_caller(running: Stack, trial: TrafficPlan) -> None:
    """200, no score, and why: the caller goes on without an answer."""
    running.router.kill(MODEL, "degraded", "drill", "test")
    running.wait(lambda: running.predict(UNITS[:3])[0]["variant"] == "degraded")
    told = {(a["variant"], a["score"], a["reason"]) for a in running.predict(UNITS[:40])}
    assert told == {("degraded", None, "killed")}


def test_a_kill_is_in_the_answers_within_half_a_second(running: Stack, trial: TrafficPlan) -> None:
    running.router.kill(MODEL, "previous", "drill", "test")
    took = running.wait(
        lambda: {answer["variant"] for answer in running.predict(UNITS[:40])} == {"previous"}
    )
    assert took < 0.5
    report = running.plane.observe(MODEL)[0]
    assert (report.killed_to, report.weight_bp, report.mirror) == ("previous", 0, False)
    running.router.kill(MODEL, "error", "drill", "test")
    running.wait(
        lambda: running.http.post(f"/models/{MODEL}/predict", json=one_row()).status_code == 503
    )


def test_a_kill_discards_an_answer_under_way(running: Stack, trial: TrafficPlan) -> None:
    """The candidate is still computing when the model is killed: its answer is not given."""
    running.apply(trial.model_copy(update={"weight_bp": 10_000, "mirror": False}))
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(running.predict, UNITS[:3], "hang")
        time.sleep(0.2)
        running.router.kill(MODEL, "baseline", "drill", "test")
        answers = asked.result()
    assert {(answer["variant"], answer["score"]) for answer in answers} == {("baseline", 0.5)}


def test_a_torn_document_changes_nothing(running: Stack, trial: TrafficPlan) -> None:
    """Half a file, or a valid file that says nothing: the last good one stays in force."""
    path = running.home / "flags.json"
    good = path.read_bytes()
    for broken in (good[: len(good) // 2], b"{}", b""):
        path.write_bytes(broken)
        running.wait(lambda: "last good" in (running.plane.observe(MODEL)[0].error or ""))
        assert any(answer["variant"] == "candidate" for answer in running.predict(UNITS[:40]))
    path.write_bytes(good)
    running.wait(lambda: running.plane.observe(MODEL)[0].error is None)


def test_an_altered_file_is_refused(
    running: Stack, trial: TrafficPlan, digests: tuple[Path, list[str]]
) -> None:
    """A version whose stored bytes changed is not loaded, says so, and the champion answers."""
    store = running.home / "store"
    digest = make_model(store, 0.9, sensitive=False)
    (store / hex_of(digest) / "MLmodel").open("a").write("\n# altered\n")
    plan = trial.model_copy(update={"candidate": version(4, digest), "weight_bp": 10_000})
    published = running.router.apply(plan)
    running.wait(lambda: "altered" in (running.plane.observe(MODEL)[0].error or ""))
    report = running.plane.observe(MODEL)[0]
    assert report.revision < published.revision
    assert "candidate" not in report.serving
    assert "altered" in report.refused[digest]
    assert {answer["variant"] for answer in running.predict(UNITS[:20])} == {"champion"}


def test_a_model_with_code_leaves_nothing_beside_its_files(tmp_path: Path) -> None:
    """Python compiles what it imports; in the store that would change what was digested."""
    digest = make_model(tmp_path, 0.4, sensitive=False)
    twice = (
        "import sys; from pathlib import Path; from deployments.gateway.model import load\n"
        "for _ in range(2): load(Path(sys.argv[1]), sys.argv[2])"
    )
    plain = {name: value for name, value in os.environ.items() if "BYTECODE" not in name}
    subprocess.run([sys.executable, "-c", twice, str(tmp_path), digest], env=plain, check=True)
    assert tree_digest(tmp_path / hex_of(digest)) == digest


def test_wrong_requests_name_the_column(running: Stack, trial: TrafficPlan) -> None:
    """400, every wrong column by name, and which columns to send."""
    for inputs, fault in (
        ({"x": 1.0}, "mood is missing"),
        ({"x": "1", "mood": ""}, "x is not a number"),
        ({"x": 1.0, "mood": "", "extra": 1}, "extra is unknown"),
    ):
        body = {"rows": [{"id": "1", "unit": "u", "inputs": inputs}]}
        answer = running.http.post(f"/models/{MODEL}/predict", json=body)
        assert answer.status_code == 400
        assert fault in answer.json()["error"]
        assert "x (double)" in answer.json()["advice"]
    assert running.http.post("/models/none/predict", json=one_row()).status_code == 404


def test_nested_and_optional_inputs_are_scored_as_they_are_sent(
    running: Stack, tmp_path: Path
) -> None:
    """Lists, objects and what is left out reach both models; what is wrong is named."""
    digest = tree_digest(Path(make_forms(tmp_path / "forms")))
    shutil.copytree(tmp_path / "forms", running.home / "store" / hex_of(digest))
    old, new = (
        TrafficVariant(ref=ModelRef(model="forms", version=number), digest=digest)
        for number in ("1", "2")
    )
    plan = TrafficPlan(model="forms", champion=old, candidate=new, weight_bp=5000, step="ramp")
    running.apply(plan)
    rows = [{"id": str(n), "unit": str(n), "inputs": inputs_of(n)} for n in range(40)]
    running.wait(lambda: running.plane.observe("forms")[0].error is None)
    answer = running.http.post("/models/forms/predict", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    assert [each["score"] for each in answer.json()["answers"]] == [
        pytest.approx(score_of(row_of(n))) for n in range(40)
    ]
    kept = {
        line["id"]: line["inputs"] for line in lines(running, "inputs") if line["model"] == "forms"
    }
    assert kept["1"] == inputs_of(1)
    for part, fault in (
        ({"tags": ["one"]}, "tags"),
        ({"who": {"name": "Ann"}}, "who"),
        ({"sent": 5}, "sent"),
        ({"visits": "often"}, "visits"),
    ):
        wrong = {"id": "w", "unit": "w", "inputs": inputs_of(1) | part}
        refused = running.http.post("/models/forms/predict", json={"rows": [wrong]})
        assert (refused.status_code, fault in refused.json()["error"]) == (400, True), refused.text


def test_probe_shows_scores_features_and_memory(running: Stack, trial: TrafficPlan) -> None:
    """Without traffic and without a trace in the spool."""
    running.apply(trial.model_copy(update={"weight_bp": 0, "mirror": False, "step": "staging"}))
    before = len(lines(running))
    rows = [{"x": 1.0, "mood": ""}, {"x": 2.0, "mood": "raise"}]
    probe = running.plane.probe(MODEL, "candidate", rows, timed_calls=5)
    assert probe.scores == (pytest.approx(0.201), None)
    assert probe.features == ({"twice": 2.0, "mood": ""}, {"twice": 4.0, "mood": "raise"})
    assert (len(probe.latency_ms), len(probe.champion_ms), probe.errors) == (5, 5, 1)
    assert probe.memory_mb is not None
    keeps = running.plane.probe(MODEL, "candidate", [{"x": 1.0, "mood": "keep"}])
    assert keeps.memory_mb is not None
    assert keeps.memory_mb - probe.memory_mb > 60  # measured after the rows, not when it was loaded
    assert running.plane.probe(MODEL, "champion", rows).errors == 0
    assert len(lines(running)) == before
    with pytest.raises(RefusedError, match="token"):
        type(running.plane)([f"http://127.0.0.1:{running.port}"], "wrong").probe(
            MODEL, "candidate", rows
        )


def test_outcomes_are_on_file_when_accepted(running: Stack, trial: TrafficPlan) -> None:
    """On the model's own clock; what is odd about them is told, and nothing is refused for it."""
    clock = running.home / "clock"
    clock.mkdir(exist_ok=True)
    (clock / f"{MODEL}.json").write_text('{"now": "2013-05-01T12:00:00+00:00", "rate": 3600}')
    running.predict(["late"], mood="1")
    revenue = {"metric": "revenue", "value": 12.3}
    posted = [{"id": "late-1", "label": 1}, {"id": "late-1", "label": 0}, {"id": "other"} | revenue]
    before = running.http.get("/health").json()["outcomes"]
    answer = running.http.post(f"/models/{MODEL}/outcomes", json={"outcomes": posted})
    told = {"accepted": 3, "labels": 2, "metrics": 1, "unknown": 1, "repeated": 1, "early": 0}
    assert answer.json() == told
    after = running.http.get("/health").json()["outcomes"]
    assert {name: after[name] - before[name] for name in told} == told
    noon = "2013-05-01T12:00:00.000000+00:00"
    found = [line for line in lines(running, "outcomes") if line["id"] == "late-1"]
    assert [(x["label"], x["at"]) for x in found] == [(1.0, noon), (0.0, noon)]
    found = [line for line in lines(running, "metrics") if line["id"] == "other"]
    assert found == [{"at": noon, "model": MODEL, "id": "other"} | revenue]


def one_row() -> dict[str, Any]:
    return {"rows": [{"id": "1", "unit": "u", "inputs": {"x": 1.0, "mood": ""}}]}


@pytest.mark.parametrize("signal", ["terminate", "kill"])
def test_no_worker_outlives_the_gateway(digests: tuple[Path, list[str]], signal: str) -> None:
    """Also when it is killed while the candidate hangs."""
    with gateway(digests[0]) as stack:
        if stack.router.killed_to(MODEL):
            stack.router.restore(MODEL, "test")
        one, two, _ = digests[1]
        plan = TrafficPlan(
            model=MODEL, champion=version(1, one), candidate=version(2, two), mirror=True
        )
        stack.apply(plan)
        workers = psutil.Process(stack.process.pid).children(recursive=True)
        assert workers
        stack.predict(UNITS[:1], "hang")
        getattr(stack.process, signal)()
        assert stack.process.wait(15) == (0 if signal == "terminate" else -9)
        _, alive = psutil.wait_procs(workers, timeout=5)
        assert not alive
