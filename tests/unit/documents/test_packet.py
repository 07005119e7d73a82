"""The evidence packet: what is asked, on what it stands, how to sign."""

from __future__ import annotations

from policies.lifecycle import fold
from policies.loader import find
from policies.schema import ApprovalRule
from policies.vocabulary import ApprovalRequest, Entry, Stage
from tasks.documents.packet import approval_packet, opened_by


def asked(entries: list[Entry]) -> ApprovalRequest:
    entry = next(entry for entry in entries if entry.kind == "asked")
    return ApprovalRequest.model_validate(entry.payload["request"])


def test_evidence_that_is_not_on_the_ledger_is_not_to_be_signed(entries: list[Entry]) -> None:
    """A digest that no look has stops the reader; no other look's numbers are shown instead."""
    request = asked(entries).model_copy(update={"evidence_digest": "sha256:" + "9" * 64})
    page = approval_packet(request, entries)
    assert "Do not sign" in page
    assert "seatrial doctor" in page
    assert "-0.0123" not in page


def test_the_packet_says_what_a_signature_binds(entries: list[Entry]) -> None:
    """Nobody signs in the belief that every later look needs a new signature."""
    page = approval_packet(asked(entries), entries)
    assert "the evidence is that of the look that asked" in page
    assert "A look that no longer passes voids this request" in page


def test_the_packet_says_it_all(entries: list[Entry]) -> None:
    """Verdict, guardrails, staging, digests, signers and the command are on one page."""
    page = approval_packet(asked(entries), entries)
    for told in (
        "# delay v2: open canary?",
        "**PASS at shadow.**",
        "| quality | -0.0123 (-0.0200 to -0.0040) | 0.02 | safe | 12,345 / 14 days |",
        "## Staging: PASS",
        "| log loss | 0.001 | 0.02 | safe |",
        "1 × manager, 1 × peer",
        "Not rita or tom",
        "seatrial approve req-1 --as NAME --role peer --key KEY",
        "- ann (peer): approve",
        "a" * 64,
        "c" * 64,
    ):
        assert told in page, told


def test_a_form_is_narrow(entries: list[Entry]) -> None:
    """No table is wider than five columns."""
    page = approval_packet(asked(entries), entries)
    assert max(line.count("|") for line in page.splitlines()) <= 6


def test_the_packet_is_the_same_after_the_release_went_on(entries: list[Entry]) -> None:
    """The look is found by the digest that is signed, not by being the newest."""
    request = asked(entries)
    place = next(i for i, entry in enumerate(entries) if entry.kind == "vote")
    assert approval_packet(request, entries[: place + 1]) == approval_packet(request, entries)


def test_blast_radius_reaches_to_the_next_signature(entries: list[Entry]) -> None:
    """One signature for the canary opens every step that asks nobody again: up to all users."""
    page = approval_packet(asked(entries), entries)
    assert "Up to **100 %** of users" in page
    policy = fold(entries[:1]).policy
    rule = ApprovalRule(gate=Stage.FULL, roles={"peer": 1}, expires_hours=1)
    twice = policy.model_copy(update={"approvals": (*policy.approvals, rule)})
    assert [step.stage for step in opened_by(twice, "canary")][-1] is Stage.RAMP
    assert [step.stage for step in opened_by(twice, "full")] == [Stage.FULL, Stage.SOAK]


def test_an_unknown_gate_opens_nothing(entries: list[Entry]) -> None:
    """A request for a step the policy does not have is not to be signed."""
    assert opened_by(find("medium").policy, "moon") == ()
    page = approval_packet(asked(entries).model_copy(update={"gate": "moon"}), entries)
    assert "Do not sign" in page


def test_what_came_of_the_last_form_is_told_first(entries: list[Entry]) -> None:
    """A decision that did not count must not look as if it had; nothing in it breaks the page."""
    page = approval_packet(asked(entries), entries, "ann's <b>key</b> is unknown.")
    assert page.splitlines()[2] == "> **ann's &lt;b&gt;key&lt;/b&gt; is unknown.**"
    assert "> **" not in approval_packet(asked(entries), entries)
