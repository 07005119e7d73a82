"""The release page is there from the first step on, keeps up, and stands in nobody's way."""

from __future__ import annotations

import resource
from pathlib import Path

from policies.lifecycle import stop_asked_at
from tasks.incidents.timeline import timeline
from tests.flows.memory_world import Happening, MemoryWorld, Moment, Told


def page_of(world: MemoryWorld) -> Path:
    (folder,) = (world.home.path / "documents").iterdir()
    return folder / "page.html"


def alerts(told: Told) -> list[dict[str, str]]:
    return [e.payload for e in told.entries if e.kind == "alert"]


def test_the_page_keeps_up_with_the_release(world: MemoryWorld) -> None:
    """It tells of each step while the release stands there, and in the end how it ended."""
    seen: list[str] = []
    for step in ("shadow", "canary 30 %", "full"):
        world.happenings.append(Happening(step, lambda: seen.append(page_of(world).read_text())))
    told = world.release()
    titles = [page.split("<title>")[1].split("</title>")[0] for page in seen]
    assert [title.split(" – ")[0] for title in titles] == [
        "score v2: at shadow", "score v2: at canary 30 %", "score v2: at full",
    ]  # fmt: skip
    last = page_of(world).read_text()
    assert "<title>score v2: released" in last
    links = ("drift.html", "model_card.md", "deployment_record.md")
    assert all(f'href="{name}"' in last and (page_of(world).parent / name).exists()
               for name in links)  # fmt: skip
    assert alerts(told) == []


def test_a_disk_that_fills_up_stops_no_release(world: MemoryWorld) -> None:
    """From the canary to full no page can be written: one alert, the old page, and it goes on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept: list[str] = []

    def fill() -> None:
        kept.append(page_of(world).read_text())
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))

    def empty() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        kept.append(page_of(world).read_text())
        assert [each.name for each in page_of(world).parent.iterdir() if each.name[0] == "."] == []

    world.ledger.at(Moment("after", "entered", "canary 30 %"), fill)
    world.ledger.at(Moment("before", "entered", "full"), empty)
    try:
        told = world.release()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert told.ended == "RELEASED"
    assert kept[0] == kept[1]
    assert "<title>score v2: released" in page_of(world).read_text()
    (alert,) = alerts(told)
    assert "page.html could not be written" in alert["why"]
    assert "Make room on the disk" in alert["advice"]


def test_a_folder_that_is_no_folder_stops_no_rollback(world: MemoryWorld) -> None:
    """Nothing at all can be written: staging passes without its drift page, and harm is stopped."""
    folder = world.home.path / "documents"
    folder.write_text("in the way")
    world.ledger.at(Moment("after", "contained"), folder.unlink)
    world.register("3", slope=2.0, fails_from_bp=3000)
    told = world.release("3")
    assert told.ended == "ROLLED BACK"
    assert told.verdicts("staging") == ["PASS"]
    whys = [alert["why"] for alert in alerts(told)]
    assert len(whys) == 2  # the page and the drift page
    assert timeline(told.entries).detected_by == "system:release"
    harmful = [e for e in told.entries if e.kind == "looked"][-1]
    assert timeline(told.entries).detected == harmful.at  # no alert about a page counts as one
    assert stop_asked_at(told.entries) == harmful.recorded_at
    assert "<title>score v3: rolled back" in page_of(world).read_text()
