"""The command line: ``seatrial``. Exit 0 done, 1 refused or unhealthy, 2 usage, 3 incomplete.

``seatrial judge`` has one more: 4, what it recomputed is not what was recorded.
"""

from __future__ import annotations

import os
import signal
import sys

QUIET = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "ERROR",
}
INTERRUPTED = 130  # what Typer makes of Ctrl-C


def run() -> None:
    """Entry point. Every error says what went wrong and what to do next."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        signal.signal(signal.SIGTERM, _interrupted)
        sys.exit(_command())
    except KeyboardInterrupt:
        print("\nInterrupted. What this command had started has been stopped.", file=sys.stderr)
        sys.exit(3)


def _command() -> int:
    """The exit code. Commands are imported here so that Ctrl-C is met from the first moment."""
    from deployments.cli.app import app
    from deployments.cli.output import fail
    from policies.errors import RefusedError, SeatrialError

    try:
        app()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            raise KeyboardInterrupt from ended
        raise
    except SeatrialError as error:
        return fail(error)
    except OSError as error:
        advice = "Check that the folder exists, may be written to, and that the disk has room."
        return fail(RefusedError(f"{error}.", advice=advice))
    return 0


def _interrupted(*_: object) -> None:
    """A polite request to end is treated like Ctrl-C."""
    raise KeyboardInterrupt
