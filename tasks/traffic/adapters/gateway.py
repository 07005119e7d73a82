"""What the gateway's replicas really serve, asked over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from policies.errors import RefusedError, UnavailableError
from policies.vocabulary import Serving
from tasks.traffic.ports import Probe

Read = TypeVar("Read")
_SERVING = TypeAdapter(tuple[Serving, ...])
_IS_IT_UP = "Is the gateway running? seatrial doctor tells."


class GatewayServingPlane:
    """ServingPlane over every gateway replica. One that is silent makes the answer incomplete,
    so it is ``UnavailableError``: a release advances only when all replicas have reported.
    """

    def __init__(
        self,
        urls: Sequence[str],
        token: str,
        *,
        timeout_seconds: float = 5.0,
        probe_timeout_seconds: float = 120.0,
    ) -> None:
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._token = token
        self._probe_timeout_seconds = probe_timeout_seconds
        # One client, since making one costs more than asking; no kept connection, since a gateway
        # that was started anew would look silent on it once.
        self._client = httpx.Client(
            timeout=timeout_seconds, limits=httpx.Limits(max_keepalive_connections=0)
        )

    def observe(self, model: str) -> Sequence[Serving]:
        answers = [_get(self._client, f"{url}/observe/{model}") for url in self._urls]
        reports = [report for answer in answers for report in _read(_SERVING, answer)]
        if not reports:
            raise UnavailableError(f"No replica reports on {model}.", advice=_IS_IT_UP)
        return tuple(reports)

    def heard(self, model: str) -> Sequence[Serving]:
        reports: list[Serving] = []
        for url in self._urls:
            with suppress(UnavailableError, RefusedError):
                found = _read(_SERVING, _get(self._client, f"{url}/observe/{model}"))
                reports.extend(found)
        return tuple(reports)

    def probe(
        self, model: str, variant: str, rows: Sequence[dict[str, Any]], *, timed_calls: int = 0
    ) -> Probe:
        if not self._urls:
            raise UnavailableError("No gateway is configured.", advice=_IS_IT_UP)
        url = f"{self._urls[0]}/models/{model}/variants/{variant}/score"
        body = {"rows": list(rows), "timed_calls": timed_calls, "features": True}
        headers, timeout = {"authorization": f"Bearer {self._token}"}, self._probe_timeout_seconds
        try:
            answer = self._client.post(url, json=body, headers=headers, timeout=timeout)
        except httpx.TransportError as error:
            raise _silent(url) from error
        return _read(TypeAdapter(Probe), _checked(answer))


def _get(client: httpx.Client, url: str) -> httpx.Response:
    try:
        answer = client.get(url)
    except httpx.TransportError as error:
        raise _silent(url) from error
    if answer.status_code == httpx.codes.NOT_FOUND:  # a plan just published is not there yet
        raise UnavailableError(f"{url} does not know the model (yet).", advice=_IS_IT_UP)
    return _checked(answer)


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    fault = _fault(answer)
    if answer.is_server_error:
        raise UnavailableError(f"{answer.url}: {fault['error']}", advice=fault["advice"])
    raise RefusedError(f"{answer.url}: {fault['error']}", advice=fault["advice"])


def _fault(answer: httpx.Response) -> dict[str, str]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return {"error": f"answered {answer.status_code}", "advice": _IS_IT_UP}
    return {"error": str(body.get("error", "")), "advice": str(body.get("advice", ""))}


def _read(kind: TypeAdapter[Read], answer: httpx.Response) -> Read:
    try:
        return kind.validate_json(answer.content)
    except ValidationError as error:
        raise RefusedError(
            f"{answer.url} answered something else than a gateway does.",
            advice="Do gateway and command line come from the same version?",
        ) from error


def _silent(url: str) -> UnavailableError:
    return UnavailableError(f"{url} does not answer.", advice=_IS_IT_UP)
