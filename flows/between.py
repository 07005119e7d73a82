"""The questions of the daily look, each answered or told as not observed; and their news."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from policies.between import (
    CONTRACT,
    LABELS,
    POLICY,
    SERVES,
    TRAFFIC,
    Looked,
    found,
    judge_labels,
    judge_level,
    unseen,
    well,
)
from policies.drift import (
    INPUTS,
    PREDICTIONS,
    before,
    is_old_enough,
    judge_inputs,
    judge_predictions,
    recent,
    window_of,
)
from policies.errors import PolicyError, SeatrialError, UnavailableError
from policies.schema import Guardrail, InputDrift, PredictionDrift, ReleasePolicy
from tasks.evaluation.task import check_day, measure_drift
from tasks.gate.task import watching_policy
from tasks.incidents.task import open_suspected
from tasks.ledger.record import Expected
from tasks.ledger.task import news_of, record_looks
from tasks.notify import alarm
from tasks.notify.task import send
from tasks.orchestrator.task import world_time
from tasks.telemetry.task import count_faults, rows_of_day, shapes
from tasks.traffic.task import deviation, stray_traffic


def serves_as_released(expected: Expected) -> Looked:
    """A model whose replicas do not answer deviates too."""
    try:
        why = deviation(expected.model, expected.digest)
    except UnavailableError as error:
        why = str(error)
    return found(SERVES, why) if why else well(SERVES)


def ruled(expected: Expected) -> tuple[ReleasePolicy | None, Looked]:
    """Without a policy nobody says what is well: that is told, with the fault of the catalogue."""
    try:
        return watching_policy(expected.model, expected.policy), well(POLICY)
    except PolicyError as error:
        return None, unseen(POLICY, str(error))


def at_rest(expected: Expected, policy: ReleasePolicy, now: datetime) -> list[Looked]:
    """Everything else that is asked of a model that nobody is releasing."""
    model, drift = expected.model, policy.drift
    watched = [rail for rail in policy.guardrails if rail.at_most is not None]
    answers = [
        asked(TRAFFIC, partial(traffic, model)),
        *(asked(rail.name, partial(level, model, rail, now)) for rail in watched),
        asked(LABELS, partial(labels, model, policy, now)),
        asked(CONTRACT, partial(contract, model, policy, now)),
    ]
    if drift is not None and drift.inputs is not None:
        answers.append(asked(INPUTS, partial(input_drift, expected, drift.inputs, now)))
    if drift is not None and drift.predictions is not None:
        answers.append(
            asked(PREDICTIONS, partial(prediction_drift, expected, drift.predictions, now))
        )
    return [answer for answer in answers if answer is not None]


def asked(about: str, question: Callable[[], Looked | None]) -> Looked | None:
    """A source that does not answer is not observed, and hides no other answer."""
    try:
        return question()
    except SeatrialError as error:
        return unseen(about, error.message)


def traffic(model: str) -> Looked:
    stray = stray_traffic(model)
    return found(TRAFFIC, stray) if stray else well(TRAFFIC)


def level(model: str, rail: Guardrail, now: datetime) -> Looked | None:
    return judge_level(rail, count_faults(model, rail, now))


def labels(model: str, policy: ReleasePolicy, now: datetime) -> Looked:
    rows = rows_of_day(model, policy, now, policy.labels.horizon_hours)
    return judge_labels(policy.labels, len(rows), sum(row.label is not None for row in rows))


def contract(model: str, policy: ReleasePolicy, now: datetime) -> Looked:
    rows = rows_of_day(model, policy, now, 0.0)
    if not rows:
        return unseen(CONTRACT, "No request of the last day is on record with its inputs.")
    evidence = check_day(policy, [row.inputs for row in rows])
    if evidence is None:
        return unseen(CONTRACT, "The policy's contract asks nothing of a column.")
    return found(CONTRACT, evidence.detail) if evidence.effect else well(CONTRACT)


def input_drift(expected: Expected, rules: InputDrift, now: datetime) -> Looked:
    if rules.reference == "recent":
        reference = recent(rules, now)
    elif expected.opened_at is not None:
        reference = before(rules, expected.opened_at)
    else:
        return unseen(INPUTS, "The record does not say when the model's release opened.")
    seen = shapes(expected.model, rules.columns, reference, window_of(rules, now))
    return judge_inputs(rules, measure_drift(rules.distance, seen))


def prediction_drift(expected: Expected, rules: PredictionDrift, now: datetime) -> Looked | None:
    """``None`` while the reference would still hold scores of another version."""
    if expected.since is None:
        return unseen(PREDICTIONS, "The record does not say since when this version serves.")
    if not is_old_enough(rules, expected.since, now):
        return None
    seen = shapes(expected.model, [None], recent(rules, now), window_of(rules, now))
    return judge_predictions(rules, measure_drift(rules.distance, seen))


def tell_news(expected: Expected, policy: ReleasePolicy | None, looks: Sequence[Looked]) -> None:
    """What differs from the record: a page for what serves, a message of its own for what may be
    an incident, one message for everything else."""
    news = news_of(expected, looks)
    grave = [look for look in news if look.about == SERVES and look.status != "well"]
    silent = [look for look in news if look.status == "suspected"]
    found = [look for look in news if look not in grave and look not in silent]
    for look in grave:
        to = (policy.incident.on_call,) if policy else ()
        links = (("Runbook", policy.incident.runbook),) if policy else ()
        page = alarm.deviation(expected.model, look.why, to, links)
        record_looks(expected, [look], page, send(page, page.title))
    for look in silent:
        if policy is not None:
            opened = open_suspected(expected.model, look, policy)
            told = alarm.suspected(opened, (policy.owner,))
            record_looks(expected, [look], told, send(told, told.title))
    if found:
        to = (policy.owner,) if policy else ()
        told = alarm.between_releases(expected.model, found, to, world_time(expected.model))
        record_looks(expected, found, told, send(told, told.title))
