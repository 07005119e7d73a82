"""The Prefect UI as a person uses it: found by texts, labels and roles, never by style."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE_SECONDS = 60.0  # a busy machine; a quiet one needs two or three
SUBMITS, SUBMIT_SECONDS = 4, 8.0
DIALOG = "//*[@role='dialog' or @role='alertdialog']"
Found = TypeVar("Found")


class PrefectUI:
    """One tab of the browser at the UI that ``seatrial up`` names."""

    def __init__(self, browser: Chrome, address: str) -> None:
        self.browser = browser
        self.address = address

    # ── going ───────────────────────────────────────────────────────────────────────────────

    def open(self, path: str) -> None:
        self.browser.get(f"{self.address}{path}")

    def open_run(self, run_id: str, tab: str = "Details") -> None:
        self.open(f"/runs/flow-run/{run_id}")
        self.tab(tab)

    def open_artifact(self, key: str) -> None:
        """Its newest version."""
        self.open(f"/artifacts/key/{key}")
        self.one("//a[contains(@href, '/artifacts/artifact/')]").click()

    def deployment(self, name: str) -> None:
        """As somebody gets there who has never been there."""
        self.open("/")
        self.follow("Deployments")
        self.follow(name)
        self.see("Entrypoint")

    # ── seeing ──────────────────────────────────────────────────────────────────────────────

    @property
    def text(self) -> str:
        return str(self.browser.execute_script("return document.body.innerText"))

    def see(self, *texts: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Until the page shows every one of these."""
        for each in texts:
            self._waited(lambda each=each: each in self.text, f"the page to show {each!r}", seconds)

    def shows(self, text: str, seconds: float) -> bool:
        """Whether the page comes to show this in time."""
        try:
            self.see(text, seconds=seconds)
        except AssertionError:
            return False
        return True

    def one(self, xpath: str, seconds: float = PATIENCE_SECONDS) -> WebElement:
        """The first element of these that a person can see."""

        def visible() -> WebElement | None:
            found = self.browser.find_elements(By.XPATH, xpath)
            return next((each for each in found if each.is_displayed()), None)

        return self._waited(visible, xpath, seconds)

    def dialog(self) -> WebElement:
        return self.one(DIALOG)

    # ── doing ───────────────────────────────────────────────────────────────────────────────

    def follow(self, text: str) -> None:
        self.one(f"//a[normalize-space()='{text}']").click()

    def press(self, name: str, within: str = "") -> None:
        """With the keyboard: a message that has just popped up covers no key."""
        self.one(f"{within}//button[normalize-space()='{name}']").send_keys(Keys.ENTER)

    def choose(self, item: str, menu: str = "Open menu") -> None:
        """An item of the page's menu (⋮), or of the menu of a button."""
        self.press(menu)
        self.one(f"//*[@role='menuitem'][normalize-space()='{item}']").click()

    def tab(self, name: str) -> None:
        xpath = f"//*[@role='tab'][normalize-space()='{name}']"
        self.one(xpath).click()
        self.one(f"{xpath}[@aria-selected='true']")

    def write(self, label: str, text: str) -> None:
        """Replace what stands in the field with this label."""
        field = self.field(label)
        field.send_keys(Keys.CONTROL + "a", Keys.BACKSPACE)
        field.send_keys(text)

    def field(self, label: str) -> WebElement:
        name = self.one(f"//label[starts-with(normalize-space(), '{label}')]")
        return self.browser.find_element(By.ID, name.get_attribute("for") or "")

    def resume(self, pasted: str) -> None:
        """Answer the form of a run that waits for people."""
        self.choose("Resume")
        self.dialog()
        if pasted:
            field = self.field("Signed decision")
            self.browser.execute_script("arguments[0].scrollIntoView()", field)
            field.send_keys(pasted)
        for _ in range(SUBMITS):  # the form may still be taking in what was typed
            self.press("Resume", within=DIALOG)
            if self.is_gone(DIALOG, seconds=SUBMIT_SECONDS):
                return
        self.gone(DIALOG)

    def is_gone(self, xpath: str, seconds: float) -> bool:
        """Whether nothing of this is left in time."""
        try:
            self._waited(lambda: not self.browser.find_elements(By.XPATH, xpath), xpath, seconds)
        except AssertionError:
            return False
        return True

    def gone(self, xpath: str) -> None:
        self._waited(lambda: not self.browser.find_elements(By.XPATH, xpath), f"{xpath} to go")

    def resize(self, width: int, height: int) -> None:
        page = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", page)

    def _waited(
        self, ask: Callable[[], Found | None], what: str, seconds: float = PATIENCE_SECONDS
    ) -> Found:
        """What ``ask`` answers once it answers anything; the page may change meanwhile."""
        waiting = WebDriverWait(
            self.browser, seconds, 0.2, ignored_exceptions=(StaleElementReferenceException,)
        )
        try:
            found: Found = waiting.until(lambda _: ask())
        except TimeoutException as error:
            raise AssertionError(f"waited {seconds:g} s for {what}") from error
        return found
