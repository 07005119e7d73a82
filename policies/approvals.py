"""Does a gate open? Who has signed, counted against whom the policy asks for.

Four rules, in this order:

1. Any refusal blocks, until somebody asks anew.
2. A request that has expired opens nothing.
3. One person fills one place, even with two roles; the places are filled so that as many as
   possible are filled.
4. The gate opens when every place is filled. A request that asks for nobody never opens one.

Only sign-offs whose signatures and signers were checked may come here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from policies.vocabulary import ApprovalRequest, SignOff, Value


class Place(Value):
    """One place that one person fills."""

    role: str
    person: str


class Standing(Value):
    """How a request stands."""

    status: Literal["granted", "refused", "waiting", "expired"]
    reason: str  # one sentence
    filled: tuple[Place, ...] = ()
    missing: tuple[str, ...] = ()  # "1 × review board", one text a role


def standing(request: ApprovalRequest, sign_offs: Sequence[SignOff], now: datetime) -> Standing:
    ours = [each for each in sign_offs if each.request_id == request.request_id]
    filled = _filled(request.roles, ours)
    missing = _missing(request.roles, filled)
    refusals = [each for each in ours if each.decision == "refuse"]
    if refusals:
        first = refusals[0]
        words = f": {first.comment}" if first.comment else ""
        reason = f"{first.person} ({first.role}) refused{words}."
        return Standing(status="refused", reason=reason, filled=filled, missing=missing)
    if now >= request.expires_at:
        moment = request.expires_at.astimezone(UTC)
        reason = f"The request expired at {moment:%Y-%m-%d %H:%M} UTC."
        return Standing(status="expired", reason=reason, filled=filled, missing=missing)
    if not any(count > 0 for count in request.roles.values()):
        return Standing(status="waiting", reason="The request names nobody who could grant it.")
    if missing:
        reason = f"Waiting for {', '.join(missing)}."
        return Standing(status="waiting", reason=reason, filled=filled, missing=missing)
    names = ", ".join(f"{place.person} ({place.role})" for place in filled)
    return Standing(status="granted", reason=f"Granted by {names}.", filled=filled)


def _filled(roles: Mapping[str, int], sign_offs: Sequence[SignOff]) -> tuple[Place, ...]:
    offers: dict[str, list[str]] = {}  # person -> the roles they approved in
    for each in sign_offs:
        if each.decision == "approve":
            offers.setdefault(each.person, []).append(each.role)
    return seated(roles, offers)


def unfillable(roles: Mapping[str, int], offers: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Places that stay empty even if everybody signs who may: "1 × manager", one text a role."""
    return _missing(roles, seated(roles, offers))


def seated(roles: Mapping[str, int], offers: Mapping[str, Sequence[str]]) -> tuple[Place, ...]:
    """A largest matching of persons to places, by augmenting paths (Kuhn 1955).

    ``offers``: person -> the roles they fill.
    """
    places = [(role, n) for role, count in sorted(roles.items()) for n in range(count)]
    holders: dict[tuple[str, int], str] = {}

    def seat(person: str, tried: set[tuple[str, int]]) -> bool:
        for place in places:
            if place[0] not in offers[person] or place in tried:
                continue
            tried.add(place)
            if place not in holders or seat(holders[place], tried):
                holders[place] = person
                return True
        return False

    for person in offers:
        seat(person, set())
    return tuple(Place(role=p[0], person=holders[p]) for p in places if p in holders)


def _missing(roles: Mapping[str, int], filled: Sequence[Place]) -> tuple[str, ...]:
    have = [place.role for place in filled]
    lacking = {role: count - have.count(role) for role, count in sorted(roles.items())}
    return tuple(f"{count} × {role}" for role, count in lacking.items() if count > 0)
