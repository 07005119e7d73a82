"""Who may do what: one bearer token a scope, compared in constant time, nothing open by default."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from starlette.requests import Request

Token = Callable[[str], str | None]  # scope -> token, None when there is none on record


class Denied(Exception):
    """No token, a wrong one, or one of another scope."""


def require(request: Request, scope: str, token: Token) -> None:
    """``Denied`` unless the request carries the token of exactly this scope.

    The token is looked up at every request, so one that was replaced is dead at once.
    """
    word, _, given = request.headers.get("authorization", "").partition(" ")
    expected = token(scope)
    if word.lower() != "bearer" or not expected:
        raise Denied(scope)
    if not hmac.compare_digest(given.strip().encode(), expected.encode()):
        raise Denied(scope)
