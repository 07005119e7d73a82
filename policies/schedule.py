"""When a release could stand where, at the earliest, and what each stage asks of it.

A plan, not a promise: looks may hold it longer, and signatures take the time people take.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from policies.schema import Guardrail, ReleasePolicy, StageRules, StagingRules
from policies.vocabulary import FULL_WEIGHT_BP, Stage, Step, Value


class Planned(Value):
    """One step of the plan. ``passes``: not before this moment, ``because`` of that."""

    step: Step
    opens: datetime
    passes: datetime
    deadline: datetime
    because: str
    min_days: float
    look_every_hours: float
    checks: tuple[str, ...]

    @property
    def can_pass(self) -> bool:
        """Whether there is a look between the earliest proof and the deadline."""
        return self.passes <= self.deadline


def schedule(
    policy: ReleasePolicy, start: datetime, requests_per_day: float | None = None
) -> tuple[Planned, ...]:
    """Every step in order. ``requests_per_day``: of the champion, where it is known."""
    planned: list[Planned] = []
    opens = start
    for step in policy.steps():
        rules = policy.rules_for(step)
        days, because = max(_waits(policy, step, requests_per_day))
        passes = opens + timedelta(days=days)
        planned.append(
            Planned(
                step=step,
                opens=opens,
                passes=passes,
                deadline=opens + timedelta(days=rules.deadline_days),
                because=because,
                min_days=rules.min_days,
                look_every_hours=rules.look_every_hours,
                checks=tuple(_checks(policy, step)),
            )
        )
        opens = passes
    return tuple(planned)


def _waits(
    policy: ReleasePolicy, step: Step, requests_per_day: float | None
) -> Iterator[tuple[float, str]]:
    """Days that must pass, with the reason; the longest counts.

    Whole days are evidence only together: the first and the last need not be full, and a day's
    quality counts when the label horizon has passed after it.
    """
    rules = policy.rules_for(step)
    yield rules.min_days, "bake time" if rules.min_days else "at its first look"
    between, horizon = policy.budget.min_clusters - 1, policy.labels.horizon_hours / 24
    kinds = {rail.kind for rail in policy.guardrails}
    if step.stage is Stage.SHADOW and "paired_mean" in kinds:
        yield between + horizon, f"{policy.budget.min_clusters} days with labels"
    if step.stage is Stage.CANARY and kinds & {"proportion", "quantile"}:
        yield float(between), f"{policy.budget.min_clusters} days of live answers"
    if isinstance(rules, StageRules) and rules.min_rows and requests_per_day:
        live = step.weight_bp > 0 and "proportion" in kinds
        share = step.weight_bp / FULL_WEIGHT_BP if live else 1.0
        days = rules.min_rows / (requests_per_day * share)
        yield (
            days + (0.0 if live else horizon),
            f"{rules.min_rows:,} rows at {requests_per_day:,.0f} requests a day",
        )


def _checks(policy: ReleasePolicy, step: Step) -> Iterator[str]:
    rules = policy.rules_for(step)
    if isinstance(rules, StagingRules):
        yield from _staging_checks(rules)
        return
    for rail in policy.guardrails:
        if rail.is_due_at(step):
            worse = f"not worse by {rail.margin * rules.margin_factor:g} or more"
            yield f"{rail.name}: {rail.metric.replace('_', ' ')} {worse}"
            yield from _group_checks(rail)
    if rules.min_rows:
        who = "answered by the candidate" if step.weight_bp else "scored by both models"
        yield f"{rules.min_rows:,} rows or more {who}"
    labels = policy.labels
    both, known = labels.min_mirror_coverage, labels.min_maturity
    yield f"{both:.0%} of requests scored by both, {known:.0%} labelled"
    if 0 < step.weight_bp < FULL_WEIGHT_BP:
        yield f"{step.weight_bp / 100:g} % of the units are sent to the candidate"
    yield "every replica serves the plan"


def _group_checks(rail: Guardrail) -> Iterator[str]:
    """Of groups that a PASS waits for; no stage widens their margins."""
    if (each := rail.segments) is not None:
        names = ", ".join(each.values)
        yield f"{rail.name}: each {each.column} ({names}) not worse by {each.margin:g} or more"
    if (gap := rail.gap) is not None:
        for value in gap.values:
            if value not in gap.reported:
                group = f"{gap.column} {value}"
                yield f"{rail.name}: {group} not left behind all others by {gap.margin:g} or more"


def _staging_checks(rules: StagingRules) -> Iterator[str]:
    scores, serving = rules.scores, rules.serving
    yield "the candidate loads, and its files are those that were registered"
    yield f"{rules.min_labelled_rows:,} labelled rows of recent traffic"
    yield f"{len(rules.contract)} expectations of the data contract"
    yield "requests carry every input it needs"
    yield "every sample row answered, with probabilities"
    yield f"at most {serving.latency_ratio:g} times as slow, in {serving.memory_mb:g} MB"
    yield "features and scores as in training, on its reference rows"
    yield (
        f"log loss worse by at most {scores.log_loss_margin:g}, Brier score "
        f"{scores.brier_margin:g}, calibration {scores.calibration_margin:g}"
    )
    for column in scores.slices:
        yield f"log loss by {column} worse by at most {scores.slice_log_loss_margin:g}"
    yield "the champion answers, in case of a way back"
