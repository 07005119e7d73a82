"""A real browser, and pictures of what it shows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ROOT = Path(__file__).parents[2]
WIDTH, HEIGHT = 1280, 900
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    f"--window-size={WIDTH},{HEIGHT}",
)

Picture = Callable[[str], Path]


@pytest.fixture(scope="session")
def _chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for all tests, with a profile of its own. It never looks for a download."""
    program = _found("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
    driver = _found("chromedriver")
    os.environ.update({"SE_OFFLINE": "true", "SE_AVOID_STATS": "true"})
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    # The window's frame takes part of its size: what counts is the page.
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", _page(WIDTH, HEIGHT))
    chrome.set_page_load_timeout(60)
    yield chrome
    chrome.quit()


@pytest.fixture
def browser(_chrome: webdriver.Chrome) -> webdriver.Chrome:
    """Chromium at an empty page of 1280 × 900."""
    _chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", _page(WIDTH, HEIGHT))
    _chrome.get("about:blank")
    return _chrome


@pytest.fixture
def picture(browser: webdriver.Chrome) -> Picture:
    """Saves what the browser shows as ``<name>.png``: in build/pictures, or where PICTURES says."""
    folder = pictures()

    def save(name: str) -> Path:
        file = folder / f"{name}.png"
        assert browser.save_screenshot(str(file)), f"{file} cannot be written"
        return file

    return save


def pictures() -> Path:
    folder = ROOT / os.environ.get("PICTURES", "build/pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _page(width: int, height: int) -> dict[str, object]:
    return {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}


def _found(*names: str) -> str:
    """The first of these programs on PATH; without one the tests cannot run."""
    path = next((path for name in names if (path := shutil.which(name))), None)
    if path is None:
        why = (
            f"No {' or '.join(names)} on PATH. What to do: install a browser and its driver "
            "(Debian: apt-get install chromium chromium-driver)."
        )
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return path


# ── What is left of a test that failed ──────────────────────────────────────────────────────


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Iterator[None]:
    """The page and its source, as the test saw them last."""
    report = yield
    chrome = getattr(item, "funcargs", {}).get("browser")
    if report.failed and chrome is not None:
        name = item.name.replace("/", "-")[:80]
        chrome.save_screenshot(str(pictures() / f"failed-{name}.png"))
        (pictures() / f"failed-{name}.html").write_text(chrome.page_source)
    return report
