"""Who decided what, when, because of what: the entries of a release, told one row each.

The rows come from the entries alone, so they can be told from an export without the system.
An entry of an unknown kind, or one that lacks a field, is told as far as it goes: a gap in the
story is shown, never papered over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from policies.vocabulary import Entry
from tasks.ledger.payload import NOT_TOLD, Fields, figure, joined, named


@dataclass(frozen=True)
class Row:
    """One entry, told. ``evidence`` is what it stood on: numbers, digests, signatures."""

    seq: int
    at: datetime
    who: str
    what: str
    because: str = ""
    evidence: str = ""

    def sentence(self) -> str:
        """``looked at canary 5 %: PASS – not worse than 0.02 (quality: effect −0.019 …)``."""
        because = f" – {self.because}" if self.because else ""
        evidence = f" ({self.evidence})" if self.evidence else ""
        return f"{self.what}{because}{evidence}"


@dataclass(frozen=True)
class _Told:
    what: str
    because: str = ""
    evidence: str = ""


def why(entries: Iterable[Entry]) -> list[Row]:
    """One row an entry, in the order in which they were recorded."""
    return [_row(entry) for entry in sorted(entries, key=lambda entry: entry.seq)]


def _row(entry: Entry) -> Row:
    told = _KINDS.get(entry.kind, _unknown(entry.kind))(Fields(entry.payload))
    return Row(entry.seq, entry.at, entry.actor, told.what, told.because, told.evidence)


def _opened(p: Fields) -> _Told:
    artefact = p.inside("artefact").digest("digest")
    champion = p.inside("champion").inside("ref").text("version", "")
    against = f" against v{champion}" if champion else " against the baseline rule"
    frozen = [
        f"{name} counts what is later than {Fields(each).text('above')} ms"
        for name, each in p.inside("thresholds").items()
    ]
    frozen += [_adjusted(name, Fields(each)) for name, each in p.inside("adjustments").items()]
    asked = f"{p.text('requester')} asked for it under policy {p.text('policy')}"
    return _Told(
        f"opened the release of {p.text('model')} v{p.text('version')}{against}",
        "; ".join([asked, *frozen]),
        joined(named("artefact", artefact), named("policy", p.digest("policy_digest"))),
    )


def _adjusted(name: str, p: Fields) -> str:
    users = f"{figure(p.number('n'))} users"
    if p.number("theta") == 0.0:
        return f"{name} is not adjusted: what {users} brought before does not tell it"
    theta, correlation = figure(p.number("theta")), figure(p.number("correlation"))
    return (
        f"{name} is told apart from what each user brought before: theta {theta}, "
        f"correlation {correlation}, learnt from {users}"
    )


def _entering(p: Fields) -> _Told:
    return _Told(f"began to enter {_step(p)}", _share(p))


def _entered(p: Fields) -> _Told:
    replicas = [Fields(each) for each in p.each("observed")]
    seen = ", ".join(f"{r.text('replica')} at revision {r.text('revision')}" for r in replicas)
    return _Told(f"entered {_step(p)}", _share(p), f"observed: {seen}" if seen else "not observed")


def _looked(p: Fields) -> _Told:
    verdict = p.inside("verdict")
    numbers = [_measured(Fields(each)) for each in p.each("evidence")]
    return _Told(
        f"looked at {_step(p)} (look {p.text('look')}): {verdict.text('decision')}",
        verdict.text("reason"),
        joined(*numbers, named("evidence", p.digest("evidence_digest"))),
    )


def _measured(e: Fields) -> str:
    status = e.text("status", "ok")
    if status != "ok":
        said = {"scarce": "too little to say", "down": "source down"}.get(status, status)
        detail = e.text("detail", "")
        return f"{e.text('name')}: {said}" + (f", {detail}" if detail else "")
    facts = [f"effect {figure(e.number('effect'))}"]
    if e.number("lower") is not None or e.number("upper") is not None:
        facts.append(f"interval {figure(e.number('lower'))} to {figure(e.number('upper'))}")
    for name in ("margin", "limit"):
        if e.number(name) is not None:
            facts.append(f"{name} {figure(e.number(name))}")
    for name, words in (("n", "rows"), ("clusters", "units")):
        if count := e.number(name):
            facts.append(f"{int(count):,} {words}".replace(",", " "))
    return f"{e.text('name')}: {', '.join(facts)}"


def _asked(p: Fields) -> _Told:
    request = p.inside("request")
    counts = request.inside("roles").items()
    roles = ", ".join(f"{count} × {role}" for role, count in counts) or NOT_TOLD
    return _Told(
        f"asked for {roles} to open {request.text('gate')}",
        f"request {request.text('request_id')}, until {request.text('expires_at')}",
        joined(
            named("artefact", request.digest("artefact_digest")),
            named("evidence", request.digest("evidence_digest")),
            named("policy", request.digest("policy_digest")),
        ),
    )


def _vote(p: Fields) -> _Told:
    vote = p.inside("sign_off")
    decided = {"approve": "approved", "refuse": "refused"}.get(vote.text("decision"), NOT_TOLD)
    key = vote.text("key_id", "")
    return _Told(
        f"{decided} as {vote.text('role')} (request {vote.text('request_id')})",
        vote.text("comment", ""),
        f"signed by {vote.text('person')} with {key}" if key else "no key named",
    )


def _granted(p: Fields) -> _Told:
    people = [_signer(each) for each in p.each("sign_offs")]
    return _Told(
        f"opened the gate to {p.text('gate')}",
        f"request {p.text('request_id')} has every sign-off it asked for",
        f"signed: {', '.join(people)}" if people else "no sign-off named",
    )


def _signer(place: Any) -> str:
    if isinstance(place, str):
        return place
    fields = Fields(place)
    return f"{fields.text('person')} ({fields.text('role')})"


def _containing(p: Fields) -> _Told:
    finding = p.text("finding", "")
    return _Told("began to take the candidate out", p.text("reason"), named("finding", finding))


def _contained(p: Fields) -> _Told:
    seconds = p.number("seconds_to_zero_traffic")
    took = "" if seconds is None else f"no traffic after {figure(seconds)} s"
    revision = named("switch revision", p.text("revision", ""))
    return _Told("took the candidate out of service", took, revision)


def _promoting(p: Fields) -> _Told:
    return _Told(f"began to promote {_candidate(p)}")


def _promoted(p: Fields) -> _Told:
    plan = p.inside("plan")
    revision = named("switch revision", plan.text("revision", ""))
    return _Told(f"promoted {_candidate(p)} to {p.text('alias')}", "", revision)


def _closed(p: Fields) -> _Told:
    exposed, seconds = p.number("exposed_requests"), p.number("seconds_to_zero_traffic")
    outcome = p.text("outcome").replace("_", " ")
    return _Told(
        f"closed the release at {p.text('stage')}: {outcome}",
        p.text("reason", p.text("finding", "")),
        joined(
            "" if exposed is None else f"{int(exposed)} requests answered by the candidate",
            "" if seconds is None else f"{figure(seconds)} s to no traffic",
        ),
    )


def _kill(p: Fields) -> _Told:
    to = p.text("to", "the next in its chain")
    return _Told(f"killed {p.text('model', 'the model')}: {to} answers", p.text("reason"))


def _quarantined(p: Fields) -> _Told:
    return _Told("quarantined the artefact", p.text("reason"), p.digest("digest"))


def _tampered(p: Fields) -> _Told:
    return _Told(
        "found the registered files changed since they were evaluated",
        "",
        joined(named("now", p.digest("found")), named("evaluated", p.digest("expected"))),
    )


def _breaker_opened(p: Fields) -> _Told:
    return _Told("saw a circuit breaker take the candidate out", p.text("why"), p.text("replica"))


def _adopted(p: Fields) -> _Told:
    adopted = f"adopted {p.text('model')} v{p.text('version')} as champion"
    return _Told(adopted, p.text("reason", ""), p.digest("digest"))


def _alert(p: Fields) -> _Told:
    words = p.text("title", p.text("why", p.text("reason")))
    if status := p.text("status", ""):  # of the daily look
        unseen = " was not observed" if status == "not observed" else ""
        words = f"{p.text('about')}{unseen}: {words}"
    missing = ", ".join(str(each) for each in p.each("missing"))
    again = " again, for nobody had acted" if p.text("escalated", "") else ""
    what = f"raised an alert{again}: {words}"
    return _Told(what, p.text("detail", p.text("advice", "")), named("missing:", missing))


def _incident(p: Fields) -> _Told:
    identity = f"{p.text('incident_id')} ({p.text('severity')})"
    if p.text("status", "") == "suspected":
        return _Told(f"suspected incident {identity}: {p.text('title')}", p.text("reason"))
    return _Told(f"opened incident {identity}", p.text("title", ""))


def _notified(p: Fields) -> _Told:
    words = p.text("title", p.inside("message").text("title", p.text("message")))
    where = p.text("where", "")
    if where.startswith("waiting:"):
        reason = where.split(": ", 1)[-1]
        return _Told(f"could not tell people yet: {words}", reason, where.split(": ")[0])
    return _Told(f"told people: {words}", "", named("sent to", where))


def _alert_over(p: Fields) -> _Told:
    return _Told(f"saw that {p.text('about')} is well again")


def _risk_review_due(p: Fields) -> _Told:
    evidence = joined(named("packet", p.text("packet", "")), p.digest("packet_digest"))
    return _Told("asked for a risk review", p.text("why"), evidence)


def _risk_reviewed(p: Fields) -> _Told:
    since = p.text("since", "")
    return _Told("reviewed the risk", p.text("reason"), named("judged last", since[:10]))


def _delivered(p: Fields) -> _Told:
    return _Told(f"told people late: {p.text('title')}", "", named("sent to", p.text("where", "")))


def _document(p: Fields) -> _Told:
    return _Told(f"wrote {p.text('name')}", "", joined(p.text("path", ""), p.digest("digest")))


def _plainly(what: str) -> Callable[[Fields], _Told]:
    return lambda p: _Told(what, p.text("reason", ""))


def _unknown(kind: str) -> Callable[[Fields], _Told]:
    return lambda p: _Told(kind, p.text("reason", ""))


def _step(p: Fields) -> str:
    return p.inside("step").text("name", p.text("step"))


def _share(p: Fields) -> str:
    weight = p.inside("plan").number("weight_bp")
    return "" if weight is None else f"the candidate answers {weight / 100:g} % of requests"


def _candidate(p: Fields) -> str:
    # A promoted plan has the former candidate as its champion.
    ref = p.inside("plan").inside("champion").inside("ref")
    return f"{ref.text('model')} v{ref.text('version')}"


_KINDS: Mapping[str, Callable[[Fields], _Told]] = MappingProxyType(
    {
        "opened": _opened,
        "entering": _entering,
        "entered": _entered,
        "looked": _looked,
        "asked": _asked,
        "granted": _granted,
        "containing": _containing,
        "contained": _contained,
        "promoting": _promoting,
        "promoted": _promoted,
        "closed": _closed,
        "vote": _vote,
        "kill": _kill,
        "restore": _plainly("let the switch serve again"),
        "quarantined": _quarantined,
        "tampered": _tampered,
        "breaker_opened": _breaker_opened,
        "adopted": _adopted,
        "alert": _alert,
        "alert_over": _alert_over,
        "risk_review_due": _risk_review_due,
        "risk_reviewed": _risk_reviewed,
        "incident": _incident,
        "notified": _notified,
        "delivered": _delivered,
        "document": _document,
        "attached": _plainly("took up the release in a run"),
        "suspended": _plainly("put the run aside until people have signed"),
    }
)
