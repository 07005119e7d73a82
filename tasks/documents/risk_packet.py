"""What has changed since a model's risk was judged last, from the ledger alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from policies.vocabulary import Entry, Value
from tasks.documents.tables import cell, markdown_table


class Packet(Value):
    """Where it lies (below the home), its digest, and how many of each it lists."""

    place: str
    digest: str
    counts: tuple[tuple[str, str], ...]


_SECTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Releases": ("Nothing was released or tried.", ("closed",)),
        "Incidents": ("No incident was opened.", ("incident",)),
        "Quarantines": ("No files were quarantined.", ("quarantined", "quarantine_lifted")),
        "Kills": ("Nobody took the model out of service.", ("kill", "restore")),
        "Alerts": ("No alert was raised.", ("alert", "alert_over")),
    }
)


def counts(entries: Sequence[Entry], since: datetime) -> tuple[tuple[str, str], ...]:
    """How many of each, for the message that asks for the review."""
    return tuple(
        (name, str(len(_of(entries, since, kinds[:1])))) for name, (_, kinds) in _SECTIONS.items()
    )


def risk_packet(
    model: str, entries: Sequence[Entry], since: datetime, why: str, tier: str, now: datetime
) -> str:
    """Markdown for whoever judges. ``entries`` are the model's own."""
    parts = [
        f"# {cell(model)}: what has changed since its risk was judged",
        f"{cell(why)} From {since:%Y-%m-%d} to {now:%Y-%m-%d}; its tier is **{cell(tier)}**.",
        *(_section(name, entries, since) for name in _SECTIONS),
        _QUESTIONS,
        f"When it is decided: `seatrial review {cell(model)} --as NAME --reason WHY`",
    ]
    return "\n\n".join(parts) + "\n"


_QUESTIONS = """## To decide

- Who relies on its answers now who did not before, and for what?
- Have law, policy or the people concerned changed?
- Could its tier be lower, or must it be higher? A change is a new policy.
- Are guardrails, margins and sign-offs still the right ones?

The ledger knows none of this: only people do."""


def _section(name: str, entries: Sequence[Entry], since: datetime) -> str:
    nothing, kinds = _SECTIONS[name]
    rows = [
        [f"{e.at:%Y-%m-%d}", _TELLS[e.kind](e), e.actor, str(e.seq)]
        for e in _of(entries, since, kinds)
    ]
    table = markdown_table(("when", "what", "by", "entry"), rows) if rows else nothing
    return f"## {name}\n\n{table}"


def _of(entries: Sequence[Entry], since: datetime, kinds: tuple[str, ...]) -> list[Entry]:
    return [entry for entry in entries if entry.kind in kinds and entry.at >= since]


def _said(entry: Entry, *names: str) -> str:
    told = (str(entry.payload[name]) for name in names if entry.payload.get(name))
    return next(told, "no reason on record")


_TELLS: Mapping[str, Callable[[Entry], str]] = MappingProxyType(
    {
        "closed": lambda e: (
            f"{e.release_id} {_said(e, 'outcome').replace('_', ' ')} at {_said(e, 'stage')}: "
            f"{_said(e, 'reason')[:200]}"
        ),
        "incident": lambda e: (
            f"{_said(e, 'severity')} {_said(e, 'title')}: {_said(e, 'reason')[:200]}"
        ),
        "quarantined": lambda e: f"{_said(e, 'ref')} quarantined: {_said(e, 'reason')[:200]}",
        "quarantine_lifted": lambda e: f"{_said(e, 'ref')} lifted: {_said(e, 'reason')[:200]}",
        "kill": lambda e: f"killed: {_said(e, 'reason')[:200]}",
        "restore": lambda e: "restored to service",
        "alert": lambda e: _said(e, "why", "reason", "title")[:200],
        "alert_over": lambda e: f"{_said(e, 'about')}: well again",
    }
)
