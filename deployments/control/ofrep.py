"""The published split in the words of OFREP: other services get it without a client of ours.

Whoever asks here gets the bucket of this program's hash, in every language. A client that gets
no answer falls back to the default in its own code, so that one has to be the safe side.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from deployments.control.body import Malformed, parsed
from tasks.traffic.audience import belongs
from tasks.traffic.flag import kill_of, plan_of
from tasks.traffic.split import variant_of

Reply = tuple[int, dict[str, Any]]
Now = Callable[[str], datetime]  # what time it is where a model lives
_NO_CONTEXT = "The body has no context: send {'context': {'targetingKey': unit}}."
_NO_UNIT = "The model's traffic is split by unit: send the unit as targetingKey, a text."


def evaluate(document: Mapping[str, Any], key: str, body: bytes, now: Now) -> Reply:
    """HTTP status and body for one flag. A split without a unit is refused, never guessed."""
    flag = document["flags"].get(key)
    if flag is None:
        return 404, _failed("FLAG_NOT_FOUND", f"The switch knows no model {key}.", key)
    context, why = _context(body)
    if context is None:
        return 400, _failed(*why, key)
    found = _evaluated(key, flag, context, now)
    return 400 if "errorCode" in found else 200, found


def evaluate_all(document: Mapping[str, Any], body: bytes, now: Now) -> Reply:
    """Every flag for one context; one that cannot be told says so and hides no other."""
    context, why = _context(body)
    if context is None:
        return 400, _failed(*why)
    flags = document["flags"]
    return 200, {"flags": [_evaluated(key, flag, context, now) for key, flag in flags.items()]}


def etag_of(reply: Mapping[str, Any]) -> str:
    """The same for the same answers: it changes with every revision of any flag."""
    text = json.dumps(reply, sort_keys=True).encode()
    return f'"{hashlib.sha256(text).hexdigest()[:32]}"'


def is_held(etag: str, if_none_match: str | None) -> bool:
    """Whether the caller holds it already (RFC 9110, 13.1.2: weak comparison, ``*`` for any)."""
    given = [part.strip().removeprefix("W/") for part in (if_none_match or "").split(",")]
    return etag in given or "*" in given


def _context(body: bytes) -> tuple[Mapping[str, Any] | None, tuple[str, str]]:
    """The context, or ``None`` and why there is none in the protocol's words."""
    try:
        context = parsed(body or b"{}").get("context")
    except Malformed as error:
        return None, ("PARSE_ERROR", str(error))
    if not isinstance(context, Mapping):
        return None, ("INVALID_CONTEXT", _NO_CONTEXT)
    return context, ("", "")


def _evaluated(
    key: str, flag: Mapping[str, Any], context: Mapping[str, Any], now: Now
) -> dict[str, Any]:
    unit, splits = context.get("targetingKey"), bool(flag["targeting"])
    if splits and (not isinstance(unit, str) or not unit):
        return _failed("TARGETING_KEY_MISSING", _NO_UNIT, key)
    member = not splits or _belongs(key, flag, context, now)
    name = variant_of(key, flag, unit if isinstance(unit, str) else "", belongs=member)
    return {
        "key": key,
        "reason": _reason(flag, member=member),
        "variant": name,
        "value": flag["variants"][name],
        "metadata": flag["metadata"],
    }


def _belongs(key: str, flag: Mapping[str, Any], context: Mapping[str, Any], now: Now) -> bool:
    """By the context's ``segment`` and ``region``, and by the model's own time."""
    audience = plan_of(key, flag).audience if "audience" in flag["metadata"] else None
    if audience is None:
        return True
    return belongs(audience, context.get("segment"), context.get("region"), now(key))


def _reason(flag: Mapping[str, Any], *, member: bool) -> str:
    if kill_of(flag) is not None:
        return "DISABLED"
    if not flag["targeting"]:
        return "STATIC"
    return "SPLIT" if member else "TARGETING_MATCH"


def _failed(code: str, details: str, key: str | None = None) -> dict[str, Any]:
    of = {} if key is None else {"key": key}
    return {**of, "errorCode": code, "errorDetails": details}
