"""The release page in a real browser: readable by day and by night, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from policies.vocabulary import Entry
from tasks.documents.page.next_steps import Addresses
from tasks.documents.page.page import release_page
from tasks.documents.page.rendering import render_page
from tests.browser import recorded

MEASURES = (Path(__file__).parent / "page_measures.js").read_text()
BESIDE = ("model_card.md", "deployment_record.md", "drift.html")
TAB, ENTER = "\ue004", "\ue007"
HOSTILE = "<img src=http://127.0.0.1:9/x onerror=console.error(1)>" + "unbroken" * 40
RELEASES: dict[str, Callable[[], list[Entry]]] = {
    "released": recorded.released,
    "refused": recorded.refused,
    "in-canary": recorded.in_canary,
    "asking": recorded.asking,
    "rolled-back": recorded.rolled_back,
    "by-group": recorded.by_group,
}


class Reader:
    """A person in front of a page: with a screen of some width, by day or by night."""

    def __init__(self, browser: Any, folder: Path) -> None:
        self.browser = browser
        self.folder = folder

    def open(self, entries: list[Entry], *, width: int = 1280, theme: str = "light") -> None:
        addresses = Addresses(prefect_ui="http://127.0.0.1:4200", mlflow="http://127.0.0.1:5000")
        page = self.folder / "page.html"
        page.write_text(render_page(release_page(entries, beside=BESIDE, addresses=addresses)))
        self.size(width, 900)
        scheme = {"name": "prefers-color-scheme", "value": theme}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.browser.get("about:blank")
        self.browser.get_log("browser")  # what pages before this one had to say
        self.browser.get(page.as_uri())

    def size(self, width: int, height: int) -> None:
        shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)

    def measure(self, name: str) -> Any:
        return self.browser.execute_script(MEASURES, name)

    def unfold(self) -> None:
        """Every table behind a chart, too."""
        script = "document.querySelectorAll('details').forEach((each) => each.open = true)"
        self.browser.execute_script(script)


@pytest.fixture
def reader(browser: Any, tmp_path: Path) -> Iterator[Reader]:
    yield Reader(browser, tmp_path)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("release", RELEASES)
def test_every_letter_can_be_read(reader: Reader, release: str, theme: str) -> None:
    """Contrast is 4.5 or more for every text, of charts and of tables, by day and by night."""
    reader.open(RELEASES[release](), theme=theme)
    reader.unfold()
    assert reader.measure("read") > 100  # it did look at something
    assert reader.measure("faint") == []


def test_the_themes_differ(reader: Reader) -> None:
    """The page follows the reader's setting, so the two rows above are two."""
    colours = []
    for theme in ("light", "dark"):
        reader.open(recorded.released(), theme=theme)
        script = "return getComputedStyle(document.body).backgroundColor"
        colours.append(reader.browser.execute_script(script))
    assert len(set(colours)) == 2


@pytest.mark.parametrize("width", [320, 390, 700, 1280])
@pytest.mark.parametrize("release", RELEASES)
def test_it_fits_from_phone_to_desk(reader: Reader, release: str, width: int) -> None:
    """Nothing is wider than the screen, and no two labels of a chart lie on one another."""
    reader.open(RELEASES[release](), width=width)
    reader.unfold()
    assert reader.measure("width") <= 0
    assert reader.measure("outside") == []
    assert reader.measure("overlapping") == []


@pytest.mark.parametrize("release", RELEASES)
def test_it_needs_nothing_but_itself(reader: Reader, release: str) -> None:
    """Nothing is fetched, nothing is complained about, and every drawing has a name."""
    reader.open(RELEASES[release]())
    assert reader.measure("fetched") == []
    assert reader.browser.get_log("browser") == []
    assert reader.measure("nameless") == []


def test_hostile_names_neither_run_nor_break_the_page(reader: Reader) -> None:
    """A name of three hundred letters with markup in it is shown, wrapped, as text."""
    entries = recorded.rolled_back()
    first, last = entries[0], entries[-1]
    payload = first.payload | {"model": HOSTILE, "requester": HOSTILE}
    hostile = first.model_copy(update={"payload": payload})
    closed = last.model_copy(update={"payload": last.payload | {"reason": HOSTILE}})
    reader.open([hostile, *entries[1:-1], closed], width=320)
    assert HOSTILE in reader.browser.execute_script("return document.querySelector('h1').innerText")
    assert reader.measure("width") <= 0
    assert reader.measure("fetched") == []
    assert reader.browser.get_log("browser") == []


def test_everything_is_reached_by_keyboard(reader: Reader) -> None:
    """The first stop skips to the content; a table opens with the enter key."""
    reader.open(recorded.released())
    reader.browser.find_element("css selector", "body").send_keys(TAB)
    assert reader.browser.switch_to.active_element.get_attribute("class") == "skip"
    summary = reader.browser.find_element("css selector", "#guardrails summary")
    summary.send_keys(ENTER)
    table = reader.browser.find_element("css selector", "#guardrails .scroll")
    assert table.is_displayed()
    summary.send_keys(TAB)
    assert reader.browser.switch_to.active_element == table  # so that it can be scrolled by keys


def test_pictures_for_the_guide(reader: Reader, picture: Callable[[str], Path]) -> None:
    """By day, by night and on a phone; small enough to lie in the repository."""
    for name, width, height, theme in (
        ("light", 1000, 1900, "light"),
        ("dark", 1000, 1900, "dark"),
        ("phone", 390, 1900, "light"),
    ):
        reader.open(recorded.released(), width=width, theme=theme)
        reader.size(width, height)
        assert picture(f"release-page-{name}").stat().st_size < 300_000
