"""Writing a first policy into a catalogue: never over a file, and never one with a fault."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import ValidationError

from deployments.cli.asking import Asker
from policies import loader
from policies.errors import PolicyError
from policies.loader import LoadedPolicy
from policies.starting import Answers, check_name, first_policy

TIERS = ("low", "medium", "high", "regulated")
INDEPENDENT = (
    "Does what really happens stay the same whatever the model answers "
    "(a flight is late whatever was predicted; a blocked payment is not)?"
)
DEPENDENT = (
    "A model whose answer changes what happens cannot be judged yet: it needs a randomised "
    "comparison, which is not built."
)


@dataclass(frozen=True)
class Given:
    """What was said by options; ``None`` and empty lists are asked for."""

    name: str
    tier: str | None = None
    models: list[str] | None = None
    owner: str | None = None
    why: str | None = None
    independent: bool | None = None
    horizon_hours: float | None = None
    time_zone: str | None = None
    slices: list[str] | None = None
    wait_ms: float | None = None
    on_call: str | None = None
    runbook: str | None = None


def new_policy(given: Given, folder: Path, ask: Asker) -> LoadedPolicy:
    """Ask what is missing, write ``folder/NAME.yaml``, and read it as a release would."""
    check_name(given.name, (path.stem for path in loader.files()))
    path = folder / f"{given.name}.yaml"
    if path.exists():
        raise _exists(path)
    tier = _tier(ask.text(given.tier, f"Tier ({', '.join(TIERS)})", "medium"))
    if not ask.yes(given.independent, INDEPENDENT, "--independent or --dependent"):
        raise PolicyError(DEPENDENT, advice="Releases of such models are not supported: see "
                          "docs/coverage.md.")  # fmt: skip
    answers = _answers(given, tier, ask)
    return _write(path, first_policy(answers, tier.policy))


def _tier(name: str) -> LoadedPolicy:
    if name in TIERS:
        return loader.find(name)
    close = get_close_matches(name, TIERS, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"The tiers are {', '.join(TIERS)}."
    raise PolicyError(f"There is no tier {name!r}.", advice=hint)


def _answers(given: Given, tier: LoadedPolicy, ask: Asker) -> Answers:
    low = tier.policy
    told = {
        "name": given.name,
        "tier": low.policy,
        "models": ask.texts(given.models, "Registered models it rules (patterns)", given.name),
        "owner": ask.text(given.owner, "Owner", getpass.getuser()),
        "why": ask.text(given.why, "Why this tier, in one sentence", low.why),
        "horizon_hours": ask.number(
            given.horizon_hours, "Hours until an outcome is known", low.labels.horizon_hours
        ),
        "time_zone": ask.text(given.time_zone, "Time zone of the days", low.labels.time_zone),
        "slices": ask.texts(given.slices, "Input columns whose groups must not lose (commas)"),
        "wait_ms": ask.number(
            given.wait_ms,
            "Milliseconds that no caller minds waiting",
            low.staging.serving.latency_floor_ms,
        ),
        "on_call": ask.text(given.on_call, "Who is paged", low.incident.on_call),
        "runbook": ask.text(given.runbook, "Their runbook", low.incident.runbook),
    }
    try:
        return Answers.model_validate(told)
    except ValidationError as error:
        faults = tuple(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise PolicyError(
            "These answers make no policy.", faults=faults, advice="Correct them."
        ) from error


def _write(path: Path, text: str) -> LoadedPolicy:
    """What does not read back, or rules another policy's models, does not stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise _exists(path) from error
    return _kept_if(path, lambda: _alone(loader.load(path), path.parent))


def _kept_if(path: Path, read: Callable[[], LoadedPolicy]) -> LoadedPolicy:
    try:
        return read()
    except PolicyError as error:
        path.unlink()
        raise PolicyError(
            f"Nothing was written: {error.message}", faults=error.faults, advice=error.advice
        ) from error


def _alone(made: LoadedPolicy, folder: Path) -> LoadedPolicy:
    others = loader.load_all(path for path in loader.files(folder) if path != made.source)
    for other in others:
        for mine in made.policy.applies_to:
            for theirs in other.policy.applies_to:
                if fnmatchcase(mine, theirs) or fnmatchcase(theirs, mine):
                    raise PolicyError(
                        f"{other.policy.policy} already rules {theirs}, and {mine} is among them.",
                        advice="Name other models with --model: one model, one policy.",
                    )
    return made


def _exists(path: Path) -> PolicyError:
    return PolicyError(
        f"{path} exists already, and is not written over.",
        advice="Edit it, or choose another name.",
    )
