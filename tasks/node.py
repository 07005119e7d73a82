"""What every node on the release graph has in common.

No result is ever cached or persisted: a look with the same arguments at a changed world must
see the changed world, and the ledger is the only memory. Only an unavailable source is tried
again; a refusal never is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from policies.errors import UnavailableError

P = ParamSpec("P")
R = TypeVar("R")


def _may_help(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    outcome = state.result(raise_on_failure=False)
    return isinstance(outcome, UnavailableError)


def node(name: str, run_name: str | None = None) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A task with a name people read, e.g. ``node("fetch", "fetch {model} v{version}")``."""
    return task(
        name=name,
        task_run_name=run_name or name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=2,
        retry_delay_seconds=1,
        retry_condition_fn=_may_help,
    )
