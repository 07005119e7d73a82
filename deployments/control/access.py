"""Who may do what: one bearer token a scope, compared in constant time, nothing open by default."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request

SCOPES = ("kill", "route", "read")
Token = Callable[[str], str | None]  # scope -> token, None when there is none on record


class Denied(Exception):
    """No token, a wrong one, or one of another scope."""


def require(request: Request, scope: str, token: Token) -> None:
    """``Denied`` unless the request carries the token of exactly this scope.

    The token is looked up at every request, so one that was replaced is dead at once.
    """
    if not _holds(request.headers, token(scope)):
        raise Denied(scope)


def held(headers: Headers, token: Token) -> str | None:
    """The scope whose token is carried, whatever is asked with it; ``None`` for no right one."""
    return next((scope for scope in SCOPES if _holds(headers, token(scope))), None)


def _holds(headers: Headers, expected: str | None) -> bool:
    word, _, given = headers.get("authorization", "").partition(" ")
    if word.lower() != "bearer" or not expected:
        return False
    return hmac.compare_digest(given.strip().encode(), expected.encode())
