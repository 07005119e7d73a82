"""The release page: told by the ledger alone, sound HTML, and calm in front of any text."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from policies.errors import EvidenceError
from policies.vocabulary import Entry
from tasks.documents.page.next_steps import Addresses
from tasks.documents.page.page import ReleasePage, release_page
from tasks.documents.page.rendering import render_page
from tests.unit.documents.html_reader import Page, words_of

HOSTILE = "<script>alert(1)</script>\"'><img src=http://evil.example onerror=x> & {{ 7*7 }}"
EVERYTHING = ("model_card.md", "deployment_record.md", "drift.html", "post_mortem.md")


def until(entries: list[Entry], kind: str, step: str | None = None) -> list[Entry]:
    """The ledger as it stood right after the first entry of a kind (at a step)."""
    for place, entry in enumerate(entries):
        where = entry.payload.get("step")
        name = where["name"] if isinstance(where, dict) else where
        if entry.kind == kind and step in (None, name):
            return entries[: place + 1]
    raise AssertionError(kind)


def fact(entries: list[Entry], kind: str, actor: str, **payload: Any) -> list[Entry]:
    """The same ledger with one more entry at its end."""
    last = entries[-1]
    more = {"seq": last.seq + 1, "kind": kind, "move": False, "actor": actor, "payload": payload}
    return [*entries, last.model_copy(update=more)]


def html(entries: list[Entry], **more: Any) -> str:
    return render_page(release_page(entries, **more))


# ── What it says ────────────────────────────────────────────────────────────────────────────

STORIES = [
    ("opened", None, "delay v2 has been opened and has not yet entered a step."),
    ("entering", None, "delay v2 is entering staging: not every serving process reports"),
    ("entered", "staging", "delay v2 stands at staging, waits for a look on"),
    ("looked", "shadow", "delay v2 stands at shadow and has passed its last look there"),
    ("asked", None, "waits for people: 1 × manager and 1 × peer must sign before canary opens"),
    ("vote", None, "until 12 Mar 2026, 08:00 UTC; so far ann has signed."),
    ("looked", "canary 5 %", "delay v2 stands at canary 5 % and rolls back: quality is worse."),
    ("containing", None, "is being taken out of traffic at canary 5 %: quality is worse."),
    ("closed", None, "was rolled back at canary 5 % on 10 March 2026: quality is worse; it "
     "answered 1\u202f234 requests, and none from 0.4 s after the decision on."),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "step", "told"), STORIES)
def test_the_story_is_one_sentence_at_every_moment(
    entries: list[Entry], kind: str, step: str | None, told: str
) -> None:
    """A reader knows after one sentence how it ended, or where it stands and what it waits for."""
    assert told in release_page(until(entries, kind, step)).summary.story


ENDINGS = [
    ("released", "was released on 10 March 2026 after 10 days; on its way there it answered 1"),
    ("refused", "was refused in canary 5 % on 10 March 2026: quality is worse; it answered"),
    ("held", "was withdrawn at canary 5 % on 10 March 2026, without proof either way: quality"),
    ("aborted", "was aborted at canary 5 % on 10 March 2026: quality is worse"),
]


@pytest.mark.parametrize(("outcome", "told"), ENDINGS)
def test_every_outcome_has_its_own_words(entries: list[Entry], outcome: str, told: str) -> None:
    """A withdrawal without proof does not read like harm, nor a refusal like a rollback."""
    last = entries[-1].model_copy(update={"payload": entries[-1].payload | {"outcome": outcome}})
    assert told in release_page([*entries[:-1], last]).summary.story


def test_no_release_is_an_error() -> None:
    """There is no page of nothing."""
    with pytest.raises(EvidenceError):
        release_page([])


def test_who_signed_who_stopped_and_whose_vote_did_not_count(entries: list[Entry]) -> None:
    """Names, roles and keys; a vote under a request that is void is shown, and shown as void."""
    asked = until(entries, "asked")
    vote = until(entries, "vote")[-1].payload["sign_off"]
    refusal = vote | {"person": "bob", "role": "manager", "decision": "refuse", "comment": "No."}
    late = fact(entries[:-1], "vote", "bob", sign_off=refusal)
    stopped = fact(until(entries, "entered", "canary 5 %"), "kill", "olga", reason="odd answers")
    assert "signed as peer to open canary key SHA256:key" in words_of(html(entries))
    told = words_of(html(fact(asked, "vote", "bob", sign_off=refusal)))
    assert "bob refused as manager to open canary. No." in told
    assert "it did not count: nothing was being asked under that request" in words_of(html(late))
    told = words_of(html(stopped))
    assert "olga took the model out of service. odd answers" in told
    assert "has been asked to stop at canary 5 %: Killed by olga: odd answers." in told


def test_what_failed_comes_first_and_slices_have_rows(entries: list[Entry]) -> None:
    """A reader of a refusal does not look for it among fifteen checks that hold."""
    looked = until(entries, "looked")
    judged = [dict(item) for item in looked[-1].payload["verdict"]["judged"]]
    judged[-1]["finding"] = "harmful"
    verdict = looked[-1].payload["verdict"] | {"judged": judged}
    last = looked[-1].model_copy(update={"payload": looked[-1].payload | {"verdict": verdict}})
    page = release_page([*looked[:-1], last])
    assert [check.name for check in page.staging] == [
        "log loss by origin", "rollback target", "log loss",  # the first was not even judged
    ]  # fmt: skip
    (found,) = page.slices
    assert (found.check, found.name, found.effect, found.rows) == (
        "log loss by origin", "LGA", 0.01, 900,
    )  # fmt: skip


def test_evidence_of_a_part_stands_with_its_whole(entries: list[Entry]) -> None:
    """Whatever is weighed is drawn, under its own name; a part follows what it is part of."""
    changed = []
    for entry in entries:
        payload = entry.payload
        if entry.kind == "looked" and payload["stage"] != "staging":
            (quality,) = payload["evidence"]
            others = [quality | {"name": name} for name in ("errors", "quality · origin LGA")]
            payload = payload | {"evidence": [quality, *others]}
        changed.append(entry.model_copy(update={"payload": payload}))
    page = release_page(changed)
    assert [(one.name, one.part_of) for one in page.series] == [
        ("quality", None), ("quality · origin LGA", "quality"), ("errors", None),
    ]  # fmt: skip
    assert render_page(page).count("<h4>quality · origin LGA</h4>") == 1


def test_harm_since_a_later_step_says_since_when(entries: list[Entry]) -> None:
    """The bar is of all days; where harm shows only from a step on, the look's row tells."""
    looked = until(entries, "looked", "canary 5 %")
    (item,) = looked[-1].payload["evidence"]
    payload = looked[-1].payload | {"evidence": [item | {"onset": "since canary 5 % began +0.4"}]}
    text = html([*looked[:-1], looked[-1].model_copy(update={"payload": payload})])
    assert "harmful; since canary 5 % began +0.4" in words_of(text)


def test_requests_answered_are_counted_from_what_looks_recorded(entries: list[Entry]) -> None:
    """The chart of exposure needs no telemetry: the windows of a look say who answered."""
    day = {"start": "2026-03-09T00:00:00Z", "step": "canary 5 %", "paired": None}
    counts = {"champion": {"n": 900, "events": 1}, "candidate": {"n": 40, "events": 0}}
    looked = until(entries, "looked", "canary 5 %")
    (item,) = looked[-1].payload["evidence"]
    payload = looked[-1].payload | {"evidence": [item | {"windows": [day | counts, day | counts]}]}
    page = release_page([*looked[:-1], looked[-1].model_copy(update={"payload": payload})])
    assert page.summary.answered == 80
    assert [each.value for each in page.counts] == [0, 80]


def test_what_could_not_be_done_is_told_with_advice(entries: list[Entry]) -> None:
    """An alert on the ledger is on the page."""
    told = fact(entries, "alert", "system:release", why="The disk is full.", advice="Make room.")
    assert "The disk is full. Make room." in words_of(html(told))


DETAILS = [
    ("Worst first: LGA +0.0100 (n 900).", [("LGA", 0.01, None, 900)]),
    (
        "Beyond the margin, but not shown to be: a, b. Worst first: a, b +0.2 ± 0.15 (n 3), "
        "c (x) -0.1000 (n 12). Not judged, fewer than 3 rows: d.",
        [("a, b", 0.2, 0.15, 3), ("c (x)", -0.1, None, 12)],
    ),
    ("80 labelled rows of 100 needed.", []),
    ("LGA +0.0100 (n 900)", []),
]


@pytest.mark.parametrize(("detail", "expected"), DETAILS)
def test_slices_are_read_as_they_are_told(
    entries: list[Entry], detail: str, expected: list[tuple[object, ...]]
) -> None:
    """Names with commas and brackets too; what is told otherwise stays in the sentence."""
    looked = until(entries, "looked")
    items = [item | {"detail": detail} for item in looked[-1].payload["evidence"][:1]]
    last = looked[-1].model_copy(update={"payload": looked[-1].payload | {"evidence": items}})
    found = release_page([*looked[:-1], last]).slices
    assert [(one.name, one.effect, one.error, one.rows) for one in found] == expected


# ── What holds for every page ───────────────────────────────────────────────────────────────


def test_any_beginning_of_a_release_can_be_drawn(entries: list[Entry]) -> None:
    """At no moment does the page fail, and it is the same whatever order entries come in."""
    for length in range(1, len(entries) + 1):
        text = html(entries[:length])
        assert Page(text).faults == [], length
    assert html(list(reversed(entries))) == html(entries)


def test_the_page_stands_alone_and_is_well_formed(entries: list[Entry]) -> None:
    """Nothing is loaded from anywhere; landmarks, headings and names are there for everybody."""
    text = html(entries, beside=EVERYTHING, addresses=Addresses(mlflow="http://127.0.0.1:5000"))
    page = Page(text)
    assert page.faults == []
    assert page.loaded == ["data:,"]
    assert "url(" not in text and "@import" not in text and "script" not in page.tags
    assert {"header", "nav", "main", "footer"} <= set(page.tags)
    assert page.headings[0] == 1 and page.headings.count(1) == 1
    assert '<html lang="en">' in text
    assert all(svg.get("aria-hidden") == "true" or svg.get("aria-labelledby") for svg in page.svgs)
    inside = [link[1:] for link in page.links if link.startswith("#")]
    assert set(inside) <= set(page.ids)
    assert set(EVERYTHING) <= set(page.links)
    assert "http://127.0.0.1:5000/#/models/delay/versions/2" in page.links


def test_only_what_is_there_is_linked(entries: list[Entry]) -> None:
    """No file that is missing, and no address that is not of the web."""
    page = Page(html(entries, addresses=Addresses(prefect_ui="javascript:alert(1)//")))
    assert [link for link in page.links if not link.startswith("#")] == []


def test_hostile_text_stays_text(entries: list[Entry]) -> None:
    """Names, reasons and comments can bring in neither an element nor an attribute nor a link."""

    def spoilt(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spoilt(each) for key, each in value.items()}
        if isinstance(value, list):
            return [spoilt(each) for each in value]
        told = {"delay", "quality", "quality is worse.", "rita", "ann", "No.", "peer"}
        return HOSTILE if value in told else value

    kept = ("policy_document", "policy", "request")
    hostile = [
        entry.model_copy(
            update={
                "actor": HOSTILE,
                "payload": {
                    key: value if key in kept else spoilt(value)
                    for key, value in entry.payload.items()
                },
            }
        )
        for entry in entries
    ]
    hostile = fact(hostile, "rollback_asked", HOSTILE, reason=HOSTILE)
    hostile = fact(hostile, "alert", HOSTILE, why=HOSTILE, advice=HOSTILE)
    text = html(hostile, addresses=Addresses(mlflow="http://127.0.0.1:5000", prefect_ui=HOSTILE))
    honest = Page(html(entries))
    page = Page(text)
    assert page.faults == []
    assert set(page.tags) <= {*honest.tags, "li", "a"}
    assert page.attributes <= honest.attributes
    assert page.loaded == ["data:,"]
    assert text.count("alert(1)") > 10  # it is told, and told as text
    assert all(link.startswith(("#", "http://127.0.0.1:5000/")) for link in page.links)


def test_thousands_of_looks_make_a_page_and_not_a_book(entries: list[Entry]) -> None:
    """Looks are left out, the page says so, and the last one is always there."""
    before = until(entries, "entered", "canary 5 %")
    look = until(entries, "looked", "shadow")[-1]
    looks = [
        look.model_copy(
            update={
                "seq": before[-1].seq + n,
                "at": before[-1].at + timedelta(minutes=10 * n),
                "payload": look.payload | {"look": n, "step": "canary 5 %", "stage": "canary"},
            }
        )
        for n in range(1, 2001)
    ]
    page = release_page([*before, *looks])
    (quality,) = page.series
    assert quality.looks == 2001
    assert quality.last.number == 2000
    text = render_page(page)
    assert len(text) < 300_000
    assert "180 of 2 001 looks are shown" in words_of(text)


def test_the_page_names_the_entries_it_stands_on(entries: list[Entry]) -> None:
    """Whoever doubts the page knows which entry to look up."""
    page: ReleasePage = release_page(entries)
    assert (page.ground.first_seq, page.ground.last_seq) == (11, entries[-1].seq)
    assert page.ground.last_hash == entries[-1].hash
    assert entries[-1].hash in words_of(render_page(page))
