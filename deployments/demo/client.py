"""Speaking to the gateway as the airline's service would."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import httpx

from policies.errors import RefusedError, UnavailableError

PAUSE_SECONDS = 0.1
SERVER_FAULT = 500


@dataclass
class GatewayClient:
    """Keeps one connection; asks again with the same row ids when the gateway is away.

    ``patience_seconds`` bounds the wait for a gateway that does not answer at all (it may be
    restarting). One that answers with a fault is asked for ``fault_seconds``; then the rows
    count as unanswered, as they would for the passengers.
    """

    url: str
    stop: Event
    patience_seconds: float = 60.0
    fault_seconds: float = 2.0
    retries: int = 0
    _http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._http = httpx.Client(base_url=self.url, timeout=30.0, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def predict(self, model: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answers, or an empty list where the gateway kept failing."""
        answer = self._post(f"/models/{model}/predict", {"rows": rows})
        return list(answer.get("answers", []))

    def outcomes(self, model: str, outcomes: list[dict[str, Any]]) -> int:
        """How many the gateway took."""
        answer = self._post(f"/models/{model}/outcomes", {"outcomes": outcomes})
        return int(answer.get("accepted", 0))

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        content = json.dumps(body, allow_nan=False)
        started = time.monotonic()
        while True:
            fault = self._once(path, content)
            if isinstance(fault, dict):
                return fault
            waited = time.monotonic() - started
            if isinstance(fault, httpx.Response) and waited >= self.fault_seconds:
                return {}
            if waited >= self.patience_seconds or self.stop.is_set():
                raise UnavailableError(
                    f"The gateway at {self.url} does not answer.",
                    advice="Start it with seatrial up, then start the replay again: it resumes.",
                )
            self.retries += 1
            self.stop.wait(PAUSE_SECONDS)

    def _once(self, path: str, content: str) -> dict[str, Any] | httpx.Response | None:
        """The answer; the response where the gateway failed; nothing where it was not there."""
        try:
            response = self._http.post(
                path, content=content, headers={"content-type": "application/json"}
            )
        except httpx.TransportError:
            return None
        if response.status_code >= SERVER_FAULT:
            return response
        if response.is_error:
            raise RefusedError(
                f"The gateway refused {path}: {response.text[:200]}",
                advice="Has the model a champion? See seatrial adopt.",
            )
        answer: dict[str, Any] = response.json()
        return answer
