"""One flag for one context, in the words of OFREP: other services get the split without a client.

Whoever asks here gets the bucket of this program's hash, in every language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.traffic.flag import kill_of
from tasks.traffic.split import variant_of

Reply = tuple[int, dict[str, Any]]


def evaluate(document: Mapping[str, Any], key: str, body: object) -> Reply:
    """HTTP status and body. A split without a unit is refused, never guessed."""
    flag = document["flags"].get(key)
    if flag is None:
        return 404, {"key": key, "errorCode": "FLAG_NOT_FOUND"}
    context = body.get("context") if isinstance(body, Mapping) else None
    if not isinstance(context, Mapping):
        return 400, {"key": key, "errorCode": "INVALID_CONTEXT"}
    unit = context.get("targetingKey")
    splits = bool(flag["targeting"])
    if splits and (not isinstance(unit, str) or not unit):
        return 400, {"key": key, "errorCode": "TARGETING_KEY_MISSING"}
    name = variant_of(key, flag, unit if isinstance(unit, str) else "")
    reason = "SPLIT" if splits else "STATIC" if kill_of(flag) is None else "DISABLED"
    metadata = flag["metadata"]
    value = flag["variants"][name]
    return 200, {
        "key": key,
        "reason": reason,
        "variant": name,
        "value": value,
        "metadata": metadata,
    }
