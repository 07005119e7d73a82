"""The pure tests stay pure: run alone, they load no engine, no registry and no heavy statistics."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HEAVY = ("prefect", "mlflow", "scipy.stats", "great_expectations", "evidently", "ibis")

gc.freeze()  # what was imported stays: nothing is won by looking through it again and again
gc.set_threshold(100_000, 50, 50)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Ask once, after the last test; a mixed run has other reasons to have loaded them."""
    if not all(item.path.is_relative_to(HERE) for item in session.items):
        return
    loaded = [name for name in HEAVY if name in sys.modules]
    if loaded:
        print(f"\nThe pure tests loaded {', '.join(loaded)}: import it later, or in an adapter.")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
