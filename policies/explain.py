"""A policy told in plain sentences, for people who will not read the YAML.

Every field is mentioned: a rule that nobody can read out is a rule that nobody agreed to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from policies.drift import DISTANCES
from policies.schema import (
    ApprovalRule,
    Drift,
    DriftLimits,
    FrozenInputs,
    Gap,
    Guardrail,
    ReleasePolicy,
    Segments,
    StageRules,
    StagingRules,
    TrafficStep,
)

_METRICS = {
    "log_loss": "log-loss",
    "brier": "Brier score",
    "error": "share of failed answers",
    "slow": "share of slow answers",
    "missing": "share of units without a value",
    "latency": "share of answers later than a quantile",
    "business": "business metric",
}
_KINDS = {
    "paired_mean": "Both models score the same requests and their differences are judged",
    "proportion": "The rates of the two models on the same days are compared",
    "randomised_mean": "The losses of the units that the two models answered on the same days are "
    "compared",
    "quantile": "The shares of late answers of the two models on the same days are compared",
    "ratio": "Two sums of each user are compared as one ratio, between the models on the same days",
    "mean": "The means of the units that the two models answered on the same days are compared",
}
_FALLBACK = {
    "previous": "the previous version",
    "baseline": "the baseline rule",
    "degraded": "nobody, and the caller is told to go on without an answer",
    "error": "an error to the caller",
}


def explain(policy: ReleasePolicy) -> str:
    """The whole policy as grouped sentences, ready to print."""
    return "\n\n".join(
        "\n".join([title, *(f"  {line}" for line in lines)]) for title, lines in sections(policy)
    )


def sections(policy: ReleasePolicy) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The same as titles with their sentences."""
    return (
        (f"The policy {policy.policy}", _who(policy)),
        ("How quality is seen", _labels(policy)),
        ("How often it may be wrong", _budget(policy)),
        ("Staging", _staging(policy.staging)),
        *((title, _stage(rules)) for title, rules in _stages(policy)),
        *((f"Guardrail: {rail.name}", _guardrail(rail)) for rail in policy.guardrails),
        ("Goal", _goal(policy)),
        ("Inputs", _frozen(policy.frozen_inputs)),
        ("Drift", _drift(policy.drift)),
        ("Who signs", _approvals(policy.approvals)),
        ("When something goes wrong", _trouble(policy)),
        ("Documents", _documents(policy)),
    )


def _who(policy: ReleasePolicy) -> tuple[str, ...]:
    models = _listed(policy.applies_to) if policy.applies_to else "models that ask for it by name"
    base = f" It builds on {policy.extends}." if policy.extends else ""
    return (
        f"This is a {policy.tier} policy, owned by {policy.owner}.{base}",
        f"Why this tier: {policy.why}",
        f"It rules {models}.",
        f"The models answer with a {policy.prediction}.",
    )


def _labels(policy: ReleasePolicy) -> tuple[str, ...]:
    labels = policy.labels
    independent = (
        "What really happened does not depend on the answer served, so both models score "
        "every request."
        if labels.independent_of_answer
        else "What really happened depends on the answer served, so each model is judged by the "
        "users it answered; before the first of them, quality is seen in staging alone."
    )
    return (
        independent,
        f"Rows are grouped by {labels.cluster} ({labels.time_zone}): one {labels.cluster} counts "
        "as one observation.",
        f"A row counts once {_hours(labels.horizon_hours)} have passed.",
        f"At least {_percent(labels.min_maturity)} of the rows then need a label, and at least "
        f"{_percent(labels.min_mirror_coverage)} a score of both models; otherwise the "
        "comparison is invalid.",
    )


def _budget(policy: ReleasePolicy) -> tuple[str, ...]:
    budget = policy.budget
    return (
        f"A harmless candidate is rolled back with a chance of at most "
        f"{_percent(budget.rollback_alpha)} over the whole release.",
        f"A harmful candidate is promoted with a chance of at most "
        f"{_percent(budget.promote_beta)}.",
        f"Nothing is concluded about quality before {budget.min_clusters} groups are complete.",
    )


def _staging(rules: StagingRules) -> tuple[str, ...]:
    scores, parity, serving = rules.scores, rules.parity, rules.serving
    slices = f"by {_listed(scores.slices)}" if scores.slices else "none are named"
    return (
        "No user is served. The candidate is tried on recorded traffic.",
        _pace(rules.min_days, rules.look_every_hours, rules.deadline_days),
        f"The sample has {rules.sample_rows:,} rows, at least {rules.min_labelled_rows:,} of "
        "them with a label.",
        *(f"The data must meet: {_expectation(line.type, line.kwargs)}" for line in rules.contract),
        f"Against the champion it may lose at most {scores.log_loss_margin:g} log-loss, "
        f"{scores.brier_margin:g} Brier score and {scores.calibration_margin:g} calibration error.",
        f"In a slice it may lose at most {scores.slice_log_loss_margin:g} log-loss. Slices: "
        f"{slices}; judged from {scores.min_rows_per_slice:,} rows on.",
        f"On the reference rows at most {_percent(parity.feature_share_moved)} of the features "
        f"may differ between training and serving, and at most "
        f"{_percent(parity.score_share_moved)} of the scores by more than "
        f"{parity.score_tolerance:g}.",
        f"An answer may take {serving.latency_ratio:g} times as long as the champion's (judged "
        f"above {serving.latency_floor_ms:g} ms), in at most {serving.memory_mb:g} MB of memory.",
    )


def _stages(policy: ReleasePolicy) -> Iterable[tuple[str, StageRules]]:
    yield "Shadow: every request is mirrored, no user is served", policy.shadow
    yield f"Canary: {_weight(policy.canary)}", policy.canary
    for step in policy.ramp:
        yield f"Ramp: {_weight(step)}", step
    yield "Full: every user", policy.full
    yield "Soak: every user, watched until the labels are in", policy.soak


def _stage(rules: StageRules) -> tuple[str, ...]:
    margin = (
        "The margins themselves must be proven here."
        if rules.margin_factor == 1
        else f"It is enough to prove {rules.margin_factor:g} times the margins here."
    )
    return (
        _pace(rules.min_days, rules.look_every_hours, rules.deadline_days),
        margin,
        f"It passes with {rules.min_rows:,} rows or more.",
    )


def _guardrail(rail: Guardrail) -> tuple[str, ...]:
    slow = f" An answer is slow after {rail.slow_ms:g} ms." if rail.slow_ms is not None else ""
    return (
        f"{rail.why} Watched: the {_METRICS[rail.metric]}.{slow}",
        f"{_KINDS[rail.kind]}.",
        *_independent(rail),
        f"To pass it must be proven that it is not worse by {_bound(rail, rail.margin)} or more.",
        f"Proof that it is worse by more than {_bound(rail, rail.rollback_at)} rolls the release "
        "back.",
        f"It holds {_percent(rail.weight)} of the budget for false alarms, tuned for an "
        f"information of {rail.information:,.10g} at the end.",
        *_segments(rail.segments),
        *_gap(rail.gap),
        *_quantile(rail),
        *_business(rail),
        *_cuped(rail),
    )


def _independent(rail: Guardrail) -> tuple[str, ...]:
    if rail.unit == "day":
        return ()
    if rail.unit == "user":
        return ("Users are taken to be independent of each other, also those of one day.",)
    return ("Requests are taken to be independent of each other, and weighed hour by hour.",)


def _bound(rail: Guardrail, bound: float) -> str:
    of = {"proportion": "rate", "quantile": "rate", "ratio": "ratio"}.get(rail.kind, "mean")
    return f"{_percent(bound)} of the champion's {of}" if rail.relative else f"{bound:g}"


def _quantile(rail: Guardrail) -> tuple[str, ...]:
    if rail.quantile is None and rail.before_days is None:
        return ()
    share = "a quantile" if rail.quantile is None else f"the {_percent(rail.quantile)} quantile"
    days = "the days" if rail.before_days is None else f"the {_days(rail.before_days)}"
    return (
        f"An answer is late beyond {share} of the champion's answers in {days} before the release. "
        "The figure is recorded when the release opens and does not change.",
    )


def _business(rail: Guardrail) -> tuple[str, ...]:
    if rail.metric == "missing":
        return (f"A unit is missing when nothing of {rail.name_of_metric} was posted in time.",)
    own = (rail.name_of_metric, rail.direction, rail.cap, rail.without_value, rail.per)
    if own == (None,) * 5:
        return ()
    cap = "without a cap" if rail.cap is None else f"for at most {rail.cap:g}"
    per = "" if rail.per is None else f" per {rail.per}"
    missing = str(rail.without_value).replace("_", " ")
    return (
        f"The metric is {rail.name_of_metric}{per}, better when it goes {rail.direction}; a unit "
        f"counts once a step, {cap}, and as {missing} when nothing was posted of it.",
        "A step for which nobody has posted it is not enough evidence.",
    )


def _cuped(rail: Guardrail) -> tuple[str, ...]:
    if rail.cuped_days is None:
        return ()
    return (
        "What a unit brings is compared with what the same unit brought on the "
        f"{_days(rail.cuped_days)} before the release (CUPED). How much of that counts is "
        "estimated before the release opens, recorded, and never changed.",
    )


def _segments(segments: Segments | None) -> tuple[str, ...]:
    if segments is None:
        return ()
    return (
        f"Each {segments.column} by itself ({_listed(segments.values)}) must be proven not worse "
        f"by {segments.margin:g} or more at every step from the shadow on; proof of more than "
        f"{segments.rollback_at:g} rolls back. The groups share {_percent(segments.share)} of the "
        "guardrail's budget.",
    )


def _gap(gap: Gap | None) -> tuple[str, ...]:
    if gap is None:
        return ()
    waits = f" PASS does not wait for {_listed(gap.reported)}." if gap.reported else ""
    return (
        f"No group by {gap.column} ({_listed(gap.values)}) may move away from all other rows: the "
        "candidate's loss against the champion's, in the group, is compared with that in the rest.",
        f"It must be proven that the gap does not grow by {gap.margin:g} or more, with "
        f"{gap.min_rows:,} rows of the group, at every step from the shadow on.{waits}",
        f"Proof that it grows by more than {gap.rollback_at:g} rolls back. The gaps share "
        f"{_percent(gap.share)} of the guardrail's budget, tuned for an information of "
        f"{gap.information:,.10g} at the end.",
    )


def _frozen(rule: FrozenInputs | None) -> tuple[str, ...]:
    if rule is None:
        return ("Nobody watches whether inputs stop changing.",)
    then = "rolls the release back" if rule.then == "roll_back" else "holds the release"
    each = f" at each {rule.by}" if rule.by else ""
    return (
        f"{_listed(rule.columns)} change all day{each}: one value for {_days(rule.days)} {then}.",
    )


def _goal(policy: ReleasePolicy) -> tuple[str, ...]:
    goal = policy.goal
    if goal is None:
        return ("Nothing has to become better: the candidate must not be worse.",)
    then = "This is told, and decides nothing."
    if goal.required:
        then = "The soak does not pass without proof of it."
    return (
        f"{goal.guardrail} should become better than the champion's. {then}",
        f"Of candidates that are no better at most {_percent(policy.budget.promote_beta)} are "
        "shown to be.",
        f"Why: {goal.why}",
    )


def _drift(rules: Drift | None) -> tuple[str, ...]:
    if rules is None:
        return ("Nobody watches how inputs and predictions are distributed.",)
    told: tuple[str, ...] = ()
    if (inputs := rules.inputs) is not None:
        told += (
            f"The inputs {_listed(inputs.columns)} of {_days(inputs.window_days)} are compared "
            f"with {_REFERENCES[inputs.reference].format(_days(inputs.reference_days))}.",
            _limits(inputs, "a release holds: the comparison is invalid"),
        )
    if (scores := rules.predictions) is not None:
        told += (
            f"The champion's predictions of {_days(scores.window_days)} are compared with its own "
            f"of the {_days(scores.reference_days)} before, as soon as it has served that long.",
            _limits(scores, "an incident is suspected and nothing is moved"),
        )
    return told


_REFERENCES = {
    "before_release": "those of the {} before the model's release opened",
    "recent": "those of the {} before them",
}


def _limits(limits: DriftLimits, then: str) -> str:
    act = "nothing more follows" if limits.act_at is None else f"from {limits.act_at:g} on {then}"
    return (
        f"{DISTANCES[limits.distance]}: from {limits.warn_at:g} on people are told; {act}. "
        f"Fewer than {limits.min_rows:,} rows are not observed."
    )


def _approvals(rules: Sequence[ApprovalRule]) -> tuple[str, ...]:
    if not rules:
        return ("Nobody has to sign.",)
    return tuple(
        f"Before {rule.gate}: {_listed([_people(*role) for role in rule.roles.items()])}, by "
        f"{rule.assurance}, within {_hours(rule.expires_hours)}."
        for rule in rules
    )


def _trouble(policy: ReleasePolicy) -> tuple[str, ...]:
    incident = policy.incident
    late = "withdrawn" if policy.at_deadline == "withdraw" else "held for a person to decide"
    return (
        f"A stage that is not proven by its deadline is {late}.",
        "After a kill, and where the champion cannot answer either, comes what is there of: "
        f"{', then '.join(_FALLBACK[x] for x in policy.fallback)}.",
        _breaker(policy),
        f"A pause longer than {policy.pause_alert_minutes} minutes alerts whoever can end it, and "
        f"{incident.on_call} when nobody acts for four times as long.",
        *_between(policy),
        f"Stopped with {_percent(incident.sev1_from_bp / 10_000)} of the users or more it is a "
        f"SEV-1, from {_percent(incident.sev2_from_bp / 10_000)} a SEV-2, below that a SEV-3.",
        f"The runbook is {incident.runbook}.",
    )


def _breaker(policy: ReleasePolicy) -> str:
    rules = policy.breaker
    if rules is None:
        return "No circuit breaker: between two looks nothing takes a candidate out by itself."
    return (
        f"A serving process takes the candidate out by itself when {_percent(rules.bad_share)} of "
        f"its last {rules.rows} rows, none older than {rules.window_seconds:g} s, had no good "
        f"answer within {rules.answer_within_ms:g} ms."
    )


def _between(policy: ReleasePolicy) -> tuple[str, ...]:
    levels = [f"{_percent(r.at_most)} of {r.name}" for r in policy.guardrails if r.at_most]
    days = f"Between releases a day with more than {' or '.join(levels)} is told."
    months = f"every {policy.rerisk_months} months, and after a SEV-1 or SEV-2"
    review = f"Its risk is reviewed {months}."
    return (
        days if levels else "No level of errors is watched between releases.",
        review if policy.rerisk_months else "No risk review is asked for.",
    )


def _documents(policy: ReleasePolicy) -> tuple[str, ...]:
    if not policy.required_documents:
        return ("No document is required.",)
    names = [document.replace("_", " ") for document in policy.required_documents]
    return (
        f"Asked for: {_listed(names)}.",
        "They are written when the release closes; a gap in them does not hold it back yet.",
    )


def _pace(min_days: float, look_every_hours: float, deadline_days: float) -> str:
    least = f"It lasts at least {_days(min_days)}" if min_days else "It may pass at once"
    return (
        f"{least}, is looked at every {_hours(look_every_hours)}, and must be proven within "
        f"{_days(deadline_days)}."
    )


def _expectation(kind: str, kwargs: dict[str, object]) -> str:
    details = ", ".join(f"{name} {value}" for name, value in sorted(kwargs.items()))
    return f"{kind.replace('_', ' ')}{f' ({details})' if details else ''}."


def _people(role: str, count: int) -> str:
    return f"{count} × {role.replace('_', ' ')}"


def _weight(step: TrafficStep) -> str:
    whose = f" {step.audience.words}" if step.audience else ""
    return f"{_percent(step.weight_bp / 10_000)} of the users{whose}"


def _percent(share: float) -> str:
    return f"{share * 100:.10g} %"


def _hours(hours: float) -> str:
    return "1 hour" if hours == 1 else f"{hours:g} hours"


def _days(days: float) -> str:
    if 0 < days < 1:
        return _hours(days * 24)
    return "1 day" if days == 1 else f"{days:g} days"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
