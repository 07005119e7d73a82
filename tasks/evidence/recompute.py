"""A recorded verdict recomputed from its file: the same weighing, the same judging, compared.

Four questions are asked, and every "no" is told with its numbers:

1. Are the two entries, the policy and the evidence what their digests say?
2. Do the windows give the recorded evidence, under the margins and weights of the policy?
3. Does the recorded evidence give the recorded verdict, word for word?
4. Does the evidence found anew give the same verdict?

The second and the fourth need the statistics that the release was judged by; with any others the
answer is that nothing was recomputed. Checks (``kind='check'``) have no windows, but for the split
of the users: their value is taken as recorded. So is a guardrail whose values could not be read,
which never passes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from policies.errors import EvidenceError
from policies.schema import ReleasePolicy
from policies.verdict import judge
from policies.vocabulary import Evidence, Step, Verdict
from tasks.evidence import sample_ratio
from tasks.evidence.digest import digest_of, digest_of_json
from tasks.evidence.evidence_file import Looking, Read
from tasks.evidence.sequential import STATISTICS_VERSION
from tasks.evidence.step import due_at, weigh_step
from tasks.evidence.telling import TOO_LARGE

TOLERANCE = 1e-9  # relative; of an e-value, so absolute for its logarithm
MOST_WINDOWS = 20_000  # of one guardrail: two years of hours
LOGARITHMS = ("log_e_harm", "log_e_safe", "log_e_better")
_ADVICE = "Compare the file with the ledger: seatrial why RELEASE --evidence FILE writes it again."


class Answer(StrEnum):
    SAME = "same"
    DIFFERS = "differs"
    NOT_RECOMPUTED = "not recomputed"


@dataclass(frozen=True)
class Difference:
    """One thing that is not as recorded; ``by`` how much, for numbers."""

    what: str  # "quality: log_e_safe"
    recorded: str
    found: str
    by: float | None = None

    def sentence(self) -> str:
        by = "" if self.by is None else f", {self.by:.3g} apart"
        return f"{self.what} is recorded as {self.recorded}; it is {self.found}{by}."


@dataclass(frozen=True)
class Recomputed:
    """``evidence`` and ``verdict`` as found anew; as recorded when nothing was recomputed."""

    answer: Answer
    policy: ReleasePolicy
    step: Step
    statistics: str
    evidence: tuple[Evidence, ...]
    verdict: Verdict
    differences: tuple[Difference, ...]


def recompute(read: Read) -> Recomputed:
    """Ask the four questions. ``EvidenceError`` when the file cannot be judged at all."""
    opening, look = read.file.opened.payload, read.file.looked.payload
    policy, step = opening.policy_document, _step(opening.policy_document, look)
    _refuse_malformed(look.evidence)
    statistics = opening.versions.get("statistics", "unknown")
    evidence, found = look.evidence, [*_digests(read), *_belonging(read)]
    is_known = statistics == STATISTICS_VERSION
    if is_known:
        evidence = _weighed(policy, step, look.evidence)
        found += _evidence(look.evidence, evidence)
    verdict = judge(policy, step, evidence)
    found += _verdict(look.verdict, judge(policy, step, look.evidence), "its evidence")
    if is_known:
        found += _decided(look.verdict, verdict)
    answer = Answer.SAME if is_known else Answer.NOT_RECOMPUTED
    return Recomputed(
        answer=Answer.DIFFERS if found else answer,
        policy=policy,
        step=step,
        statistics=statistics,
        evidence=evidence,
        verdict=verdict,
        differences=tuple(found),
    )


# ── can it be judged? ───────────────────────────────────────────────────────────────────────


def _step(policy: ReleasePolicy, look: Looking) -> Step:
    for step in policy.steps():
        if (step.name, step.stage.value) == (look.step, look.stage):
            return step
    known = ", ".join(step.name for step in policy.steps())
    raise EvidenceError(
        f"The look is at {look.step!r} ({look.stage}), which is no step of its policy: {known}.",
        advice=_ADVICE,
    )


def _refuse_malformed(evidence: Sequence[Evidence]) -> None:
    for name, count in Counter(item.name for item in evidence).items():
        if count > 1:
            raise EvidenceError(f"The evidence has {name!r} {count} times.", advice=_ADVICE)
    for item in evidence:
        if len(item.windows) > MOST_WINDOWS:
            what = f"{item.name} has {len(item.windows)} windows, more than {MOST_WINDOWS}."
            raise EvidenceError(what, advice=_ADVICE)
        days = Counter((window.start, window.step) for window in item.windows)
        for (start, where), count in days.items():
            if count > 1 and item.status != "invalid":
                what = f"{item.name} has {count} windows for {start.isoformat()} at {where!r}."
                raise EvidenceError(what, advice=_ADVICE)


# ── 1: digests ──────────────────────────────────────────────────────────────────────────────


def _digests(read: Read) -> Iterator[Difference]:
    opened, looked = read.plain["opened"], read.plain["looked"]
    for entry in (opened, looked):
        rest = {name: value for name, value in entry.items() if name != "hash"}
        told = f"the hash of entry {entry['seq']} ({entry['kind']})"
        yield from _same(told, entry["hash"], digest_of_json(rest))
    document = opened["payload"]["policy_document"]
    recorded = opened["payload"]["policy_digest"]
    yield from _same("the policy's digest", recorded, digest_of_json(document))
    evidence = looked["payload"]["evidence"]
    recorded = looked["payload"]["evidence_digest"]
    yield from _same("the evidence's digest", recorded, digest_of(evidence))


def _belonging(read: Read) -> Iterator[Difference]:
    """Both entries are of one release, and in order."""
    opened, looked = read.file.opened, read.file.looked
    yield from _same("the look's release", looked.release_id, opened.release_id)
    yield from _same("the look's model", looked.model, opened.model)
    yield from _same("the opened model", opened.payload.model, opened.model)
    if looked.seq <= opened.seq:
        yield Difference("the look's entry", str(looked.seq), f"not after entry {opened.seq}")


def _same(what: str, recorded: str, found: str) -> Iterator[Difference]:
    if recorded != found:
        yield Difference(what, recorded, found)


# ── 2: evidence ─────────────────────────────────────────────────────────────────────────────


def _weighed(
    policy: ReleasePolicy, step: Step, recorded: Sequence[Evidence]
) -> tuple[Evidence, ...]:
    """Each guardrail found anew in its place; those that the look left out stand at the end."""
    windows: dict[str, Sequence[Any]] = {}
    if not _is_blind(recorded):
        unread = {item.name for item in recorded if item.kind == "check"}
        windows |= {rail.name: () for rail in due_at(policy, step) if rail.name not in unread}
    windows |= {item.name: item.windows for item in recorded if _has_windows(item)}
    try:
        found = {item.name: item for item in weigh_step(policy, step, windows)}
    except (ArithmeticError, ValueError) as error:
        raise EvidenceError(TOO_LARGE, advice=_ADVICE) from error
    _refuse_broken(recorded, found)
    names = {item.name for item in recorded}
    kept = [found.get(item.name, item) for item in recorded if item.kind == "check"
            or item.name in found]  # fmt: skip
    return (*kept, *(item for name, item in found.items() if name not in names))


def _has_windows(item: Evidence) -> bool:
    return item.kind == "sequential" or item.name == sample_ratio.NAME


def _is_blind(recorded: Sequence[Evidence]) -> bool:
    """The telemetry could not be read at all, which is on the record and never passes."""
    return not any(item.kind == "sequential" for item in recorded) and any(
        item.status in ("down", "invalid") for item in recorded
    )


def _refuse_broken(recorded: Sequence[Evidence], found: Mapping[str, Evidence]) -> None:
    """Windows that cannot be are on the record only where the look itself said so."""
    known = {item.name for item in recorded if item.status == "invalid"}
    for item in found.values():
        is_broken = item.kind == "sequential" and item.status == "invalid"
        if is_broken and item.name not in known:
            raise EvidenceError(item.detail, advice=_ADVICE)


def _evidence(recorded: Sequence[Evidence], found: Sequence[Evidence]) -> Iterator[Difference]:
    anew = {item.name: item for item in found}
    for item in recorded:
        if item.name not in anew:
            yield Difference(item.name, "a guardrail", "none of the policy")
        else:
            yield from _item(item, anew[item.name])
    for name in anew.keys() - {item.name for item in recorded}:
        yield Difference(name, "not looked at", "a guardrail due at this step")


def _item(recorded: Evidence, found: Evidence) -> Iterator[Difference]:
    for field in Evidence.model_fields:
        old, new = getattr(recorded, field), getattr(found, field)
        if field == "windows":
            if old != new:
                yield Difference(f"{recorded.name}: windows", "not in order", "weighed in order")
        elif isinstance(old, float) and isinstance(new, float):
            yield from _number(f"{recorded.name}: {field}", old, new, field in LOGARITHMS)
        elif old != new:
            yield Difference(f"{recorded.name}: {field}", repr(old), repr(new))


def _number(what: str, old: float, new: float, is_logarithm: bool) -> Iterator[Difference]:
    scale = 1.0 if is_logarithm else max(abs(old), abs(new))
    apart = abs(old - new)
    if not apart <= TOLERANCE * scale:
        yield Difference(what, repr(old), repr(new), apart if math.isfinite(apart) else None)


# ── 3 and 4: verdict ────────────────────────────────────────────────────────────────────────


def _verdict(recorded: Verdict, found: Verdict, source: str) -> Iterator[Difference]:
    """Word for word: both are of the same numbers."""
    yield from _decided(recorded, found)
    yield from _same(f"the verdict's reason, from {source},", recorded.reason, found.reason)
    for old, new in zip(recorded.judged, found.judged, strict=False):
        if old.name == new.name:
            yield from _same(f"{old.name}: reason", old.reason, new.reason)
            if old.code:
                yield from _same(f"{old.name}: code", old.code, new.code)


def _decided(recorded: Verdict, found: Verdict) -> Iterator[Difference]:
    yield from _same("the verdict", recorded.decision.value, found.decision.value)
    yield from _same("the finding", recorded.finding.value, found.finding.value)
    old, new = (
        [f"{item.name}: {item.finding.value}" for item in verdict.judged]
        for verdict in (recorded, found)
    )
    if old != new:
        yield Difference("the findings", "; ".join(old) or "none", "; ".join(new) or "none")
    was, now = recorded.log_e_harm_total, found.log_e_harm_total
    if was is not None and now is not None:
        yield from _number("the harm e-value of all together (log)", was, now, True)
    elif was is not now:
        yield Difference("the harm e-value of all together (log)", repr(was), repr(now))
