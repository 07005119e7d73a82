"""Releases that are fine on the whole: a group that pays for it, a feed that stops."""

from __future__ import annotations

from policies.vocabulary import Finding
from tests.flows.memory_world import Happening, MemoryWorld

WATCHED = {"policy": "score-watched"}


def test_a_better_candidate_passes_also_for_each_group(world: MemoryWorld) -> None:
    """Both sides are on the record of every look, and every step is earned."""
    told = world.release(**WATCHED)
    assert told.ended == "RELEASED"
    looks = [e.payload for e in told.entries if e.kind == "looked" and e.payload["step"] == "soak"]
    names = {item["name"] for item in looks[-1]["evidence"]}
    assert {"quality", "quality · side L", "quality · side R"} <= names
    assert {"inputs that change", "input drift"} <= names


def test_what_one_group_pays_for_never_meets_users(world: MemoryWorld) -> None:
    """Better for three in four, blind for the fourth: stopped in shadow, where nobody is served."""
    world.register("3", slope=2.0, blind="R")
    told = world.release("3", **WATCHED)
    assert told.ended in ("HELD", "ROLLED BACK")
    assert told.steps() == ["staging", "shadow"]
    assert "quality · side R" in told.one("containing").payload["reason"]
    assert told.one("closed").payload["exposed_requests"] == 0


def test_a_feed_that_stops_after_full_weight_is_rolled_back_in_soak(world: MemoryWorld) -> None:
    """A whole day of one value: the candidate answers blind, whatever the scores say so far."""
    world.happenings.append(Happening("full", lambda: world.frozen.update(x=0.25)))
    told = world.release(**WATCHED)
    assert told.ended == "ROLLED BACK"
    assert told.steps()[-1] == "soak"
    containing = told.one("containing").payload
    assert containing["finding"] == Finding.HARMFUL
    assert containing["reason"].startswith("inputs that change failed: 1 columns frozen")
    assert told.one("incident").payload["severity"] == "SEV1"


def test_errors_are_weighed_by_the_hour_where_requests_are_independent(world: MemoryWorld) -> None:
    """A sound candidate is released, and what its last look stood on are hours, not days."""
    told = world.release(policy="score-by-request")
    assert told.ended == "RELEASED"
    last = [e.payload for e in told.entries if e.kind == "looked"][-1]
    (errors,) = [item for item in last["evidence"] if item["name"] == "errors"]
    assert errors["unit"] == "hours" and errors["method"].startswith("independent requests")
    starts = {window["start"] for window in errors["windows"]}
    assert errors["clusters"] > 24 and len(starts) > 24


def test_a_candidate_that_fails_in_the_canary_is_rolled_back_by_its_requests(
    world: MemoryWorld,
) -> None:
    world.register("3", slope=2.0, fails_from_bp=3000)
    told = world.release("3", policy="score-by-request")
    assert (told.ended, told.steps()[-1]) == ("ROLLED BACK", "canary 30 %")
    assert told.one("containing").payload["reason"].startswith("errors is worse than")


def test_a_candidate_that_fails_where_the_champion_answers_never_meets_users(
    world: MemoryWorld,
) -> None:
    """One mirrored answer in twenty is none: more than missing rows, it is harm."""
    world.register("3", slope=2.0, fails_from_bp=0, fails_one_in=20)
    told = world.release("3")
    assert (told.ended, told.steps()) == ("ROLLED BACK", ["staging", "shadow"])
    assert told.one("containing").payload["reason"].startswith("errors is worse than")
    assert told.one("closed").payload["exposed_requests"] == 0


def test_what_must_become_better_is_released_when_it_is_shown_to_be(world: MemoryWorld) -> None:
    """The last look says so in words."""
    told = world.release(policy="score-better")
    assert told.ended == "RELEASED"
    last = [e.payload for e in told.entries if e.kind == "looked"][-1]
    (quality,) = [each for each in last["verdict"]["judged"] if each["name"] == "quality"]
    assert quality["reason"].endswith("It is shown to be better than the champion.")


def test_what_is_only_as_good_goes_no_further_than_its_soak(world: MemoryWorld) -> None:
    """Where the policy asks for an improvement, a copy of the champion is held at the end."""
    world.register("3", slope=0.69)
    told = world.release("3", policy="score-better")
    assert told.ended == "HELD"
    assert told.steps()[-1] == "soak"
    last = [e.payload for e in told.entries if e.kind == "looked"][-1]
    (quality,) = [each for each in last["verdict"]["judged"] if each["name"] == "quality"]
    assert (quality["code"], quality["finding"]) == ("not_yet_better", "not enough evidence")


def test_a_split_that_leaks_passes_nobody(world: MemoryWorld) -> None:
    """Most of the candidate's users never reach it: better or not, nothing can be compared."""
    world.strays = lambda number: number % 80 != 0
    told = world.release(policy="score-short")
    assert (told.ended, told.steps()[-1]) == ("HELD", "canary 30 %")
    last = [e.payload for e in told.entries if e.kind == "looked"][-1]
    (split,) = [each for each in last["evidence"] if each["name"] == "sample ratio"]
    assert (split["status"], last["verdict"]["finding"]) == ("invalid", Finding.INVALID)
    assert "units were sent to the candidate" in last["verdict"]["reason"]


def test_harm_rolls_back_also_where_the_split_leaks(world: MemoryWorld) -> None:
    """No candidate is kept for a comparison that is broken."""
    world.strays = lambda number: number % 40 == 0
    world.register("3", slope=2.0, fails_from_bp=3000)
    told = world.release("3")
    assert (told.ended, told.steps()[-1]) == ("ROLLED BACK", "canary 30 %")


def test_the_split_is_looked_at_where_there_is_one(world: MemoryWorld) -> None:
    """At canary and ramp, and neither in the shadow nor at full weight."""
    told = world.release()
    assert told.ended == "RELEASED"
    looks = [e.payload for e in told.entries if e.kind == "looked"]
    asked = {p["step"] for p in looks for e in p["evidence"] if e["name"] == "sample ratio"}
    assert asked and asked == {s for s in told.steps() if s.startswith(("canary", "ramp"))}


def test_inputs_that_move_make_no_comparison_and_harm_nobody(world: MemoryWorld) -> None:
    """One side stops coming: each look says that nothing can be compared, until the deadline."""
    world.happenings.append(Happening("shadow", lambda: world.frozen.update(side="L")))
    told = world.release(**WATCHED)
    assert told.ended == "HELD"
    assert told.steps()[-1] == "shadow"
    assert set(told.verdicts("shadow")) == {"HOLD"}
    last = [e.payload for e in told.entries if e.kind == "looked"][-1]
    moved = [each for each in last["evidence"] if each["name"] == "input drift"]
    assert [each["status"] for each in moved] == ["invalid"]
    assert "Jensen-Shannon distance: side" in moved[0]["detail"]
    assert last["verdict"]["finding"] == Finding.INVALID


def _loses_a_fifth(world: MemoryWorld) -> None:
    """From the canary on, as when a disk is full now and then."""
    world.unlogged = lambda number: number // 20 % 5 == 0


def test_lines_that_the_log_lost_are_missing_and_no_health(world: MemoryWorld) -> None:
    """What is there looks well; a fifth of the canary is not there, and nobody passes on the rest.

    At its first look the whole release has lost less than its policy allows; the canary has not.
    """
    world.happenings.append(Happening("canary 30 %", lambda: _loses_a_fifth(world)))
    told = world.release(policy="score-short")
    assert (told.ended, told.steps()[-1]) == ("HELD", "canary 30 %")
    last = [e.payload for e in told.entries if e.kind == "looked"][-1]
    (coverage,) = [each for each in last["evidence"] if each["name"] == "coverage"]
    assert (coverage["status"], last["verdict"]["finding"]) == ("invalid", Finding.INVALID)
    assert "lines of the log" in last["verdict"]["reason"]
    assert "were lost, from 2024-01-" in last["verdict"]["reason"]


def test_a_few_lost_lines_hold_nobody_up(world: MemoryWorld) -> None:
    """As few as the policy allows to be missing, and they are on the record of the look."""
    world.unlogged = lambda number: number // 20 % 25 == 0
    told = world.release(policy="score-short")
    assert told.ended == "RELEASED"
    last = [e.payload for e in told.entries if e.kind == "looked"][-1]
    (coverage,) = [each for each in last["evidence"] if each["name"] == "coverage"]
    assert "were lost" in coverage["detail"] and 0.02 < coverage["effect"] < 0.1


def test_harm_rolls_back_also_where_lines_were_lost(world: MemoryWorld) -> None:
    world.register("3", slope=2.0, fails_from_bp=3000)
    world.happenings.append(Happening("canary 30 %", lambda: _loses_a_fifth(world)))
    told = world.release("3", policy="score-short")
    assert (told.ended, told.steps()[-1]) == ("ROLLED BACK", "canary 30 %")
