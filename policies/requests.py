"""What follows when somebody asks for a release in the registry.

The tag ``seatrial.release = requested`` on a version is the request; the ledger knows whether it
has been answered. Each version is launched once on a request; another trial of the same version
is asked for with the command. A tag is a label that anybody with the registry's write access can
set: it names who asks, it proves nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from policies.vocabulary import Entry, ModelRef, Value

REQUEST_TAG, REQUESTED = "seatrial.release", "requested"
REQUESTER_TAG = "seatrial.requester"
RELEASE_TAG = "seatrial.release_id"  # what a request was answered with
RECORDED = "release_requested"
ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "CANCELLING", "CRASHED"})


class ReleaseRequest(Value):
    """A version that carries the tag; ``requester`` is empty where nobody is named."""

    ref: ModelRef
    requester: str = ""

    @property
    def key(self) -> str:
        """One launch for it, however often it is asked for."""
        return f"release-request:{self.ref.model}:{self.ref.version}"


def in_order(requests: Iterable[ReleaseRequest]) -> tuple[ReleaseRequest, ...]:
    """By model; of one model the older version first. MLflow counts versions, others may not."""
    return tuple(sorted(requests, key=lambda r: (r.ref.model, _number(r), r.ref.version)))


def _number(request: ReleaseRequest) -> int:
    version = request.ref.version
    return int(version) if version.isascii() and version.isdigit() else 0


class RequestAnswer(Value):
    """``ask``: another request's run has not opened its release; whether it still may, it knows."""

    act: Literal["launch", "ask", "wait", "leave"]
    because: str
    run_id: str | None = None


def release_id_of(run_id: str) -> str:
    """The id of the release that a run opens."""
    return f"rel-{run_id[:8]}"


def answer(
    request: ReleaseRequest, entries: Sequence[Entry], *, live: str | None, serves: bool
) -> RequestAnswer:
    """``entries``: of the model. ``live``: its live release. ``serves``: something answers."""
    answered = [entry for entry in entries if entry.kind in (RECORDED, "opened")]
    tried = {entry.payload.get("version") for entry in answered}
    if request.ref.version in tried:
        return RequestAnswer(act="leave", because="it has been launched before")
    if not request.requester.strip():
        return RequestAnswer(act="wait", because=f"the tag {REQUESTER_TAG} names nobody")
    if live is not None:
        return RequestAnswer(act="wait", because=f"release {live} is live: one at a time")
    if not serves:
        return RequestAnswer(act="wait", because="nothing serves the model yet")
    begun = {entry.release_id for entry in entries if entry.kind == "opened"}
    for entry in reversed(entries):
        if entry.kind == RECORDED and entry.payload.get("release_id") not in begun:
            run_id = str(entry.payload["run_id"])
            return RequestAnswer(act="ask", because="another run may still open", run_id=run_id)
    return RequestAnswer(act="launch", because=f"{request.requester} asks for it")
