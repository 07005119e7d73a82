"""The drawing of a plan stands by itself and says in words what it shows."""

from __future__ import annotations

from xml.etree import ElementTree

from tasks.planning.assumed import Given, assume, simulated
from tasks.planning.fates import MULTIPLES, Fate
from tasks.planning.picture import picture
from tasks.planning.plan import PolicyPlan
from tests.unit.planning.planned_policy import COST, ERRORS, QUALITY, planned_policy

SVG = "{http://www.w3.org/2000/svg}"


def drawing() -> str:
    whole = planned_policy(QUALITY.model_copy(update={"name": "a <b> & c"}), ERRORS, COST)
    assumed = assume(whole, Given(100.0, {"": 0.1}))
    policy = simulated(whole, assumed)
    fates = tuple(
        Fate(rail.name, harm, 0.1, 20, 0.0, 0.75, 0.25, 5, 6, 9)
        for rail in policy.guardrails
        for harm in MULTIPLES
    )
    sound = Fate("", 0.0, 0.0, 20, 1.0, 0.0, 0.0, 0, 0, 0)
    plan = PolicyPlan("low", assumed, 1, 20, (), (), sound, sound, fates, 9.0, 9.0, 9.0, ())
    return picture(policy, plan)


def test_every_guardrail_has_its_three_lines_and_nothing_is_fetched() -> None:
    """Names are escaped; no script, no address but the name of the format itself."""
    text = drawing()
    root = ElementTree.fromstring(text)
    lines = [path for path in root.iter(f"{SVG}path") if "line" in path.get("class", "").split()]
    assert len(lines) == 2 * 3
    assert text.count("http") == 1 and "<script" not in text
    assert "a &lt;b&gt; &amp; c" in text
    assert "prefers-color-scheme:dark" in text


def test_it_is_described_in_words() -> None:
    """Nothing is known to the eye alone."""
    found = ElementTree.fromstring(drawing()).find(f"{SVG}desc")
    assert found is not None and found.text
    assert "As good as the champion: rolled back 0%, held 0%, promoted 100%." in found.text
    assert "errors worse by 2 margins: rolled back 75%, held 25%, promoted 0%." in found.text


def test_what_it_does_not_show_is_said_in_it() -> None:
    """A drawing travels without the plan that it came from."""
    assert drawing().count("Not simulated, taken to be safe: cost.") == 2  # seen, and in words
