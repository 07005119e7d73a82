"""A team's first policy for a model: a tier, and what only the team can know, with reasons.

Text out of answers, ready to be read by ``policies.loader``; nothing here opens a file.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator

from pydantic import Field

from policies.errors import PolicyError
from policies.schema import ReleasePolicy, Text
from policies.vocabulary import Value

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
COMMENT_AT = 36  # the column where comments begin, as in the shipped catalogue


class Answers(Value):
    """What a person was asked. ``models``: names or patterns of registered models."""

    name: str
    tier: str
    models: tuple[Text, ...] = Field(min_length=1)
    owner: Text
    why: Text
    time_zone: Text
    horizon_hours: float = Field(gt=0)
    slices: tuple[Text, ...] = ()
    wait_ms: float | None = Field(default=None, gt=0)  # below it no caller minds; None: the tier's
    on_call: Text
    runbook: Text


def check_name(name: str, taken: Iterable[str]) -> None:
    """``PolicyError`` for a name that cannot be a file's, or that another policy has."""
    if not NAME.fullmatch(name):
        raise PolicyError(
            f"{name!r} cannot name a policy.",
            advice="Write small letters, digits, dots and dashes, such as churn or churn-eu.",
        )
    if name in taken:
        raise PolicyError(
            f"{name} is a policy that comes with Seatrial.", advice="Choose a name of your own."
        )


def first_policy(answers: Answers, tier: ReleasePolicy) -> str:
    """The YAML text. ``tier``: the policy it extends, whose numbers are kept where they fit."""
    return "\n".join([*_head(answers), *_labels(answers), *_staging(answers, tier),
                      *_waits(answers, tier), *_incident(answers)]) + "\n"  # fmt: skip


def _head(answers: Answers) -> Iterator[str]:
    yield f"# Releases of {', '.join(map(_text, answers.models))}."
    yield f"# What is not said here is said by the tier: seatrial policy explain {answers.name}"
    yield _line("policy", answers.name, "the name of this file")
    yield _line("extends", answers.tier, "blocks merge field by field, lists are replaced whole")
    yield f"tier: {answers.tier}"
    yield f"why: {_text(answers.why)}"
    yield f"owner: {_text(answers.owner)}"
    yield _line("applies_to", _texts(answers.models), "one model, one policy: these are its own")


def _labels(answers: Answers) -> Iterator[str]:
    yield "\nlabels:"
    yield _line(
        "  independent_of_answer",
        "true",
        "what happens does not depend on the answer, so both models are judged on every request",
    )
    yield _line("  time_zone", _text(answers.time_zone), "days begin and end here")
    yield _line("  horizon_hours", f"{answers.horizon_hours:g}", "by then an outcome is known")


def _staging(answers: Answers, tier: ReleasePolicy) -> Iterator[str]:
    yield "\nstaging:"
    yield "  contract:"
    for expectation in tier.staging.contract:
        yield f"    - type: {expectation.type}"
        kwargs = ", ".join(f"{k}: {json.dumps(v)}" for k, v in expectation.kwargs.items())
        yield _line("      kwargs", f"{{{kwargs}}}", f"as in {answers.tier}")
    yield "    # One line a column that requests must carry, for instance:"
    yield "    # - type: expect_column_values_to_not_be_null"
    yield "    #   kwargs: {column: NAME}"
    if answers.wait_ms is not None and answers.wait_ms != tier.staging.serving.latency_floor_ms:
        yield "  serving:"
        yield _line("    latency_floor_ms", f"{answers.wait_ms:g}", "below it no caller minds")
    if answers.slices:
        yield "  scores:"
        yield _line(
            "    slices", _texts(answers.slices), "input columns; no value of them may lose"
        )


def _waits(answers: Answers, tier: ReleasePolicy) -> Iterator[str]:
    """Where labels are later than the tier's times allow, those times are longer here."""
    horizon_days = answers.horizon_hours / 24
    needed = math.ceil(tier.budget.min_clusters + horizon_days)
    if tier.shadow.deadline_days < needed * 1.5:
        yield "\nshadow:"
        yield _line("  min_days", f"{needed}", f"{tier.budget.min_clusters} days and their labels")
        yield _line("  deadline_days", f"{needed * 3}", "three times that")
    if tier.soak.min_days < horizon_days:
        least = math.ceil(horizon_days) + 1
        yield "\nsoak:"
        yield _line("  min_days", f"{least}", "a day of answers, and until their labels are known")
        yield _line("  deadline_days", f"{max(least * 3, tier.soak.deadline_days):g}",
                    "time for late labels")  # fmt: skip


def _incident(answers: Answers) -> Iterator[str]:
    yield "\nincident:"
    yield _line("  on_call", _text(answers.on_call), "who is paged")
    yield _line("  runbook", _text(answers.runbook), "what they open first")


def _line(field: str, value: str, comment: str) -> str:
    return f"{field}: {value}".ljust(COMMENT_AT - 1) + f" # {comment}"


def _text(value: str) -> str:
    """Quoted where YAML could take it for something else; JSON's quotes are YAML's."""
    plain = re.fullmatch(r"[A-Za-z][\w ./-]*[\w.]", value) and value.lower() not in (
        "true", "false", "null",
    )  # fmt: skip
    return value if plain else _quoted(value)


def _quoted(value: str) -> str:
    """What YAML would not take as it is goes in as its number."""
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in quoted)


def _texts(values: Iterable[str]) -> str:
    return "[" + ", ".join(map(_quoted, values)) + "]"
