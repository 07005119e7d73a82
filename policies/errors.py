"""The whole hierarchy of errors, and the promise each one makes.

::

    SeatrialError            .advice: what a person should do next
    ├─ PolicyError           the document is wrong: every fault at once, with its place
    ├─ IllegalMoveError      the lifecycle forbids it; nothing has changed
    ├─ EvidenceError         observations malformed (merely scarce is a finding, not an error)
    ├─ ApprovalError         a sign-off is forged, stale or from the wrong person
    ├─ LedgerError           the record refused or could not be read
    │  ├─ StaleMoveError     another move came first, or the lease is gone: fold again
    │  └─ BrokenChainError   an entry was altered, removed or put out of order
    └─ AdapterError          the outside failed; the vendor's exception is the cause
       ├─ UnavailableError   a retry may help: the only one that tasks retry
       └─ RefusedError       a retry will not help

A bad candidate is a value (a finding); a broken instrument is an exception. Neither is
ever turned into the other.
"""

from __future__ import annotations


class SeatrialError(Exception):
    """Something a person has to know about. ``advice`` says what to do next."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class PolicyError(SeatrialError):
    """A policy document is wrong. ``faults`` lists every one as ``file:line: field: what``."""

    def __init__(self, message: str, *, faults: tuple[str, ...] = (), advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(filter(None, (self.message, *self.faults, self.advice)))


class IllegalMoveError(SeatrialError):
    """The lifecycle forbids this move at this stage. Nothing has changed."""


class EvidenceError(SeatrialError):
    """Observations are malformed: negative counts, more events than trials, not a number."""


class ApprovalError(SeatrialError):
    """A sign-off is forged, expired, for another request, or by somebody who may not sign."""


class LedgerError(SeatrialError):
    """The ledger refused an entry or could not be read."""


class StaleMoveError(LedgerError):
    """Another move came first, or the lease was taken over. Fold again and decide again."""


class BrokenChainError(LedgerError):
    """The chain does not verify: an entry was altered, removed or put out of order."""


class AdapterError(SeatrialError):
    """Something outside failed. The vendor's exception is ``__cause__``."""


class UnavailableError(AdapterError):
    """Not reachable just now. The only error that tasks retry."""


class RefusedError(AdapterError):
    """The outside said no. A retry will not help."""
