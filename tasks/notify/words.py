"""How messages say names, times, shares and reasons, short enough for a phone."""

from __future__ import annotations

from datetime import UTC, datetime

from policies.lifecycle import Release
from policies.schema import ReleasePolicy

BRIEF = 280  # letters of a reason; `seatrial why` has all of it
_LONGER = "…"


def who(state: Release) -> str:
    """``delay v2``; what is known of it when it has only just begun."""
    return f"{state.model} v{state.version}" if state.version else state.model or "a release"


def place(state: Release) -> str:
    return state.step.name if state.step else "opening"


def rules_of(state: Release) -> ReleasePolicy | None:
    """The release's policy; none before it has opened."""
    return state.policy if state.policy_document else None


def on_call(state: Release) -> tuple[str, ...]:
    rules = rules_of(state)
    return (rules.incident.on_call,) if rules else ()


def owner(state: Release) -> tuple[str, ...]:
    rules = rules_of(state)
    return (rules.owner,) if rules else ()


def runbook(state: Release) -> tuple[tuple[str, str], ...]:
    rules = rules_of(state)
    return (("Runbook", rules.incident.runbook),) if rules else ()


def percent(weight_bp: int) -> str:
    return f"{weight_bp / 100:g} %"


def share(state: Release) -> str:
    weight_bp, mirror = (state.plan.weight_bp, state.plan.mirror) if state.plan else (0, False)
    if weight_bp == 0:
        return "none, it is mirrored" if mirror else "none"
    return percent(weight_bp)


def when(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if moment else "not set"


def took(seconds: float | None) -> str:
    return "not measured: it had no traffic" if seconds is None else f"{seconds:.1f} s"


def counted(requests: int | None) -> str:
    return "not known" if requests is None else f"{requests:,}"


def brief(reason: str, limit: int = BRIEF) -> str:
    """The beginning of a reason, ended where a sentence or a word ends."""
    text = " ".join(reason.split())
    if len(text) <= limit:
        return text
    start = text[: limit - len(_LONGER)]
    for mark in ("; ", ". ", ", ", " "):
        at = start.rfind(mark)
        if at > limit // 2:
            return start[:at] + _LONGER
    return start + _LONGER
