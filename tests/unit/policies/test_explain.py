"""Every rule of a policy can be read out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies import loader
from policies.explain import explain, sections
from policies.schema import (
    Drift,
    FrozenInputs,
    Gap,
    Goal,
    InputDrift,
    PredictionDrift,
    ReleasePolicy,
    Segments,
)
from policies.vocabulary import Audience

# One other value for each field that is not a number, so that a change can be seen.
OTHER: dict[str, Any] = {
    "independent_of_answer": False,
    "extends": "low",
    "tier": "low",
    "prediction": "score",
    "cluster": "week",
    "applies_to": ["*"],
    "slices": ["carrier"],
    "kwargs": {"max_value": 9},
    "fallback": ["error"],
    "required_documents": [],
    "roles": {"owner": 2},
    "gate": "soak",
    "assurance": "named",
    "at_deadline": "withdraw",
    "kind": "proportion",
    "metric": "brier",
    "then": "roll_back",
    "required": True,
    "distance": "psi",
    "reference": "recent",
}

Where = tuple[str | int, ...]


def leaves(value: Any, where: Where = ()) -> Iterator[Where]:
    """Every field of a document that holds no further fields."""
    name = next((part for part in reversed(where) if isinstance(part, str)), "")
    if isinstance(value, dict) and name not in ("kwargs", "roles"):
        for key, inner in value.items():
            yield from leaves(inner, (*where, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*where, index))
    else:
        yield where


SEGMENTS = Segments(column="region", values=("EU",), margin=0.2, rollback_at=0.1, share=0.5)
GAP = Gap(
    column="sex", values=("f", "m"), reported=("m",), min_rows=90, margin=0.2, rollback_at=0.1,
    share=0.3, information=500,
)  # fmt: skip
FROZEN = FrozenInputs(columns=("temp",), by="station", days=2, then="hold")
MOVED: dict[str, Any] = {
    "distance": "wasserstein", "warn_at": 0.2, "act_at": 0.4, "window_days": 2,
    "reference_days": 28, "min_rows": 100,
}  # fmt: skip
DRIFT = Drift(inputs=InputDrift(columns=("temp",), **MOVED), predictions=PredictionDrift(**MOVED))


GOAL = Goal(guardrail="quality", required=False, why="It pays for the change.")


AUDIENCE = Audience(segments=("staff",), regions=("NO",), hours=(1, 5), time_zone="Europe/Oslo")


def filled(policy: ReleasePolicy) -> ReleasePolicy:
    """With everything that a policy may leave out, so that every field is there to be changed."""
    groups = {"segments": SEGMENTS, "gap": GAP}
    rails = tuple(rail.model_copy(update=groups) for rail in policy.guardrails)
    more = {"guardrails": rails, "frozen_inputs": FROZEN, "drift": DRIFT, "goal": GOAL}
    whose = {"audience": AUDIENCE}
    ramp = tuple(step.model_copy(update=whose) for step in policy.ramp)
    more |= {"canary": policy.canary.model_copy(update=whose), "ramp": ramp}
    return policy.model_copy(update=more)


REGULATED = filled(loader.find("regulated").policy)
DOCUMENT = REGULATED.model_dump(mode="json")


def changed(where: Where) -> ReleasePolicy:
    """The policy with one field changed, without asking whether the change is allowed."""

    def rebuilt(model: Any, rest: Where) -> Any:
        part, *deeper = rest
        if isinstance(part, int):
            return tuple(
                rebuilt(item, tuple(deeper)) if index == part else item
                for index, item in enumerate(model)
            )
        old = getattr(model, part)
        new = rebuilt(old, tuple(deeper)) if deeper else other(part, old)
        return model.model_copy(update={part: new})

    return rebuilt(REGULATED, where)  # type: ignore[no-any-return]


def other(name: str, old: Any) -> Any:
    if name in OTHER:
        return OTHER[name] if OTHER[name] != old else "paired_mean"
    if old is None:
        return 333
    return old + 3 if isinstance(old, int | float) else f"{old} changed"


def test_every_field_is_explained() -> None:
    """Whatever changes in a policy changes what is told about it."""
    told = explain(REGULATED)
    untold = [where for where in leaves(DOCUMENT) if explain(changed(where)) == told]
    assert untold == []


def test_the_sentences_are_short_and_end() -> None:
    """They are read aloud in meetings."""
    for title, lines in sections(loader.find("high").policy):
        assert title and not title.endswith(".")
        for line in lines:
            assert line.endswith("."), line
            assert all(len(sentence.split()) <= 40 for sentence in line.split(". ")), line


def test_a_policy_without_signatures_says_so() -> None:
    """An absent rule is told too, not passed over."""
    policy = loader.find("low").policy.model_copy(update={"approvals": ()})
    assert "Nobody has to sign." in explain(policy)


def test_what_is_not_enforced_is_not_told_as_a_rule() -> None:
    """Documents hold nothing back."""
    told = explain(REGULATED)
    assert "does not hold it back yet" in told
    assert "may close" not in told
