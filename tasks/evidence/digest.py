"""The digest that evidence is voted on and recomputed by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import rfc8785


def digest_of(items: Sequence[dict[str, Any]]) -> str:
    """SHA-256 over the RFC 8785 canonical JSON of the evidence, in order."""
    return digest_of_json(list(items))


def digest_of_json(document: Any) -> str:
    """SHA-256 over the RFC 8785 canonical JSON of anything that JSON can say."""
    return f"sha256:{hashlib.sha256(rfc8785.dumps(document)).hexdigest()}"
