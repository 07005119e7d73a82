"""Rules between the fields of a policy, asked of a document that may still have other faults.

The schema checks one value at a time; these rules compare values. Each yields the place and
what to write instead. A value that is absent or of the wrong kind is left to the schema, so a
rule here speaks only when it can read everything it compares. Times the world keeps
(``zoneinfo``) are data, not a clock.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from policies.schema import UP_TO_ONE
from policies.vocabulary import FULL_WEIGHT_BP

Where = tuple[str | int, ...]
Found = Iterator[tuple[Where, str]]
COUNTED = ("error", "slow", "latency")  # metrics whose windows count answers, for min_rows
_STAGES = ("staging", "shadow", "canary", "full", "soak")
_MISMATCHED = (
    ("paired_mean", "error"),
    ("paired_mean", "slow"),
    ("randomised_mean", "error"),
    ("randomised_mean", "slow"),
    ("randomised_mean", "business"),
    ("proportion", "log_loss"),
    ("proportion", "brier"),
    ("mean", "log_loss"),
    ("mean", "brier"),
    ("mean", "error"),
    ("mean", "slow"),
    *(("ratio", metric) for metric in ("log_loss", "brier", "error", "slow", "latency")),
    *(
        (kind, "missing")
        for kind in ("paired_mean", "randomised_mean", "mean", "ratio", "quantile")
    ),
    ("randomised_mean", "latency"),
    ("paired_mean", "business"),
    ("proportion", "business"),
    *(("quantile", metric) for metric in ("log_loss", "brier", "error", "slow", "business")),
    *((kind, "latency") for kind in ("paired_mean", "proportion", "mean")),
)
_QUANTILE = ("quantile", "before_days")
_BUSINESS = ("direction", "cap", "without_value")


def disagreements(document: Mapping[str, Any]) -> Found:
    """Every place where two fields contradict each other."""
    for rule in (
        _weights_grow,
        _audiences_are_somebody,
        _stages_leave_time,
        _stages_leave_days,
        _last_proof_is_full,
        _soak_sees_labels,
        _rows_are_counted,
        _guardrails_agree,
        _harm_budget_is_spent,
        _one_rule_a_gate,
        _gates_stand_before_users,
        _goal_is_a_guardrail,
        _drift_can_be_judged,
        _severities_are_ordered,
        _fallback_ends,
        _labels_can_be_judged,
    ):
        yield from rule(document)


def _weights_grow(document: Mapping[str, Any]) -> Found:
    """Among steps of the same audience; an audience may be answered by the candidate whole."""
    grown: dict[str, float] = {}
    steps: list[tuple[Where, Any]] = [(("canary",), _at(document, "canary"))]
    steps += [(("ramp", index), step) for index, step in enumerate(_items(document, "ramp"))]
    for place, step in steps:
        weight, audience = _number(step, "weight_bp"), _at(step, "audience")
        if weight is None:
            continue
        whose = str(audience or "")
        before = grown.get(whose)
        if place == ("canary",) and weight >= FULL_WEIGHT_BP and not audience:
            yield (*place, "weight_bp"), "is all traffic. Write less than 10000: full comes later."
        elif before is not None and not before < weight:
            yield (*place, "weight_bp"), _must_grow(weight, before)
        elif place != ("canary",) and weight >= FULL_WEIGHT_BP and not audience:
            yield (*place, "weight_bp"), _must_grow(weight, before or 0)
        grown[whose] = weight


def _must_grow(weight: float, before: float) -> str:
    return (
        f"is {weight:g} after {before:g}. Canary and ramp weights must grow and stay below 10000."
    )


def _audiences_are_somebody(document: Mapping[str, Any]) -> Found:
    steps: list[tuple[Where, Any]] = [(("canary",), _at(document, "canary"))]
    steps += [(("ramp", index), step) for index, step in enumerate(_items(document, "ramp"))]
    for place, step in steps:
        audience = _at(step, "audience")
        if not isinstance(audience, Mapping):
            continue
        where = (*place, "audience")
        if not any(audience.get(name) for name in ("segments", "regions", "hours")):
            yield where, "names nobody. Write segments, regions or hours, or leave it out."
        hours = audience.get("hours")
        if isinstance(hours, list | tuple) and len(hours) == 2 and hours[0] == hours[1]:
            yield (*where, "hours"), "begin and end at the same hour. Write two that differ."
        zone = audience.get("time_zone", "UTC")
        if isinstance(zone, str) and not _is_zone(zone):
            yield (*where, "time_zone"), _no_zone(zone)


def _stages_leave_time(document: Mapping[str, Any]) -> Found:
    places: list[Where] = [(stage,) for stage in _STAGES]
    places += [("ramp", index) for index in range(len(_items(document, "ramp")))]
    for place in places:
        least = _number(document, *place, "min_days")
        deadline = _number(document, *place, "deadline_days")
        if least is not None and deadline is not None and deadline <= least:
            yield (
                (*place, "deadline_days"),
                f"is {deadline:g}, and min_days is {least:g}. Write more days than min_days, "
                "else the stage can never pass.",
            )


def _stages_leave_days(document: Mapping[str, Any]) -> Found:
    """Nothing is concluded before the budget's days: of both models, then of live answers."""
    clusters = _number(document, "budget", "min_clusters")
    horizon = _number(document, "labels", "horizon_hours")
    if clusters is None or horizon is None:
        return
    kinds = {_at(rail, "kind") for rail in _items(document, "guardrails")}
    waits = (
        ("shadow", {"paired_mean"}, horizon / 24),
        ("canary", {"proportion", "quantile"}, 0.0),
    )
    for stage, those, more in waits:
        deadline, least = _number(document, stage, "deadline_days"), clusters - 1 + more
        if those & kinds and deadline is not None and deadline < least:
            yield (
                (stage, "deadline_days"),
                f"is {deadline:g}, and budget.min_clusters asks for {clusters:g} days before "
                f"anything is proven. Write at least {least:g}, else the stage can never pass.",
            )


def _last_proof_is_full(document: Mapping[str, Any]) -> Found:
    factor = _number(document, "soak", "margin_factor")
    if factor is not None and factor > 1:
        yield (
            ("soak", "margin_factor"),
            f"is {factor:g}. Write 1: the last proof is given at the margin itself.",
        )


def _soak_sees_labels(document: Mapping[str, Any]) -> Found:
    days = _number(document, "soak", "min_days")
    horizon = _number(document, "labels", "horizon_hours")
    if days is not None and horizon is not None and days * 24 < horizon:
        yield (
            ("soak", "min_days"),
            f"is {days:g}, shorter than the label horizon of {horizon:g} hours. Write at least "
            f"{horizon / 24:g}, else no answer of the soak is ever checked.",
        )


def _rows_are_counted(document: Mapping[str, Any]) -> Found:
    """With live traffic the answers of the candidate count, and not every guardrail counts them."""
    metrics = [_at(rail, "metric") for rail in _items(document, "guardrails")]
    if not (metrics and all(map(_is_text, metrics))) or set(metrics) & set(COUNTED):
        return
    ramp = [(f"ramp[{index}]", step) for index, step in enumerate(_items(document, "ramp"))]
    canary, *last = ((stage, _at(document, stage)) for stage in ("canary", "full", "soak"))
    if waiting := [place for place, step in (canary, *ramp, *last) if _number(step, "min_rows")]:
        yield (
            ("guardrails",),
            f"count no answers, and min_rows waits for some in {', '.join(waiting)}: these could "
            "never pass. Add a guardrail on error, slow or latency, or write min_rows: 0 there.",
        )


def _guardrails_agree(document: Mapping[str, Any]) -> Found:
    guardrails = _items(document, "guardrails")
    names = Counter(_at(rail, "name") for rail in guardrails if _is_text(_at(rail, "name")))
    for index, rail in enumerate(guardrails):
        place: Where = ("guardrails", index)
        margin, rollback_at = _number(rail, "margin"), _number(rail, "rollback_at")
        kind, metric = _at(rail, "kind"), _at(rail, "metric")
        name = _at(rail, "name")
        if _is_text(name) and names[name] > 1:
            yield (*place, "name"), "is used twice. Write names that differ."
        if margin is not None and rollback_at is not None and rollback_at >= margin:
            yield (
                (*place, "rollback_at"),
                f"is {rollback_at:g}, not below the margin of {margin:g}. Write less than the "
                "margin, else one look could prove both harm and safety.",
            )
        if (metric == "slow") != (_at(rail, "slow_ms") is not None):
            yield (*place, "slow_ms"), "belongs to the metric slow, and only there."
        if _at(rail, "unit") == "request" and kind not in (None, "proportion", "quantile"):
            yield (
                (*place, "unit"),
                "request belongs to errors, slow answers and latency. Write day.",
            )
        if _at(rail, "unit") == "user" and kind not in (None, "mean", "randomised_mean", "ratio"):
            yield (
                (*place, "unit"),
                "user belongs to business metrics and randomised_mean. Write day or request.",
            )
        if kind == "ratio" and _at(rail, "unit") != "user":
            yield (*place, "unit"), "must be user: a ratio is summed by user. Write user."
        if kind is not None and (kind == "ratio") != (_at(rail, "per") is not None):
            yield (*place, "per"), "belongs to the kind ratio, and only there."
        if _at(rail, "relative") is True and _at(rail, "unit") in (None, "day"):
            yield (*place, "relative"), "belongs to the units request and user. Write false."
        for block in ("segments", "gap"):
            yield from _groups_agree(rail, block, place)
        yield from _groups_leave_weight(rail, place)
        if (kind, metric) in _MISMATCHED:
            yield (
                (*place, "kind"),
                "does not fit the metric. log_loss and brier are paired_mean or "
                "randomised_mean; error, slow and missing are proportion; latency is quantile; "
                "business is mean or ratio.",
            )
        for field in _QUANTILE:
            if kind is not None and (kind == "quantile") != (_at(rail, field) is not None):
                yield (*place, field), "belongs to the kind quantile, and only there."
        if _at(rail, "cuped_days") is not None:
            yield from _cuped_fits(rail, place)
        named = metric in ("business", "missing")
        if metric is not None and named != (_at(rail, "name_of_metric") is not None):
            yield (*place, "name_of_metric"), "belongs to the metrics business and missing alone."
        if metric == "missing" and _at(rail, "unit") not in (None, "day"):
            yield (*place, "unit"), "must be day: missing values are counted by day. Write day."
        for field in _BUSINESS:
            if metric is not None and (metric == "business") != (_at(rail, field) is not None):
                yield (*place, field), "belongs to the metric business, and only there."


def _cuped_fits(rail: Any, place: Where) -> Found:
    if _at(rail, "kind") not in (None, "mean"):
        yield (*place, "cuped_days"), "belongs to the kind mean, and only there."
    if _at(rail, "relative") is True:
        yield (
            (*place, "relative"),
            "does not go with cuped_days, which moves the mean that shares are taken of. Write "
            "false and the bounds in the metric's own unit.",
        )


def _groups_agree(rail: Any, block: str, place: Where) -> Found:
    groups = _at(rail, block)
    if groups is None:
        return
    margin, rollback_at = _number(groups, "margin"), _number(groups, "rollback_at")
    if margin is not None and rollback_at is not None and rollback_at >= margin:
        yield (
            (*place, block, "rollback_at"),
            f"is {rollback_at:g}, not below the margin of {margin:g}. Write less than the margin.",
        )
    if _at(rail, "kind") in ("proportion", "mean", "quantile", "ratio", "randomised_mean"):
        yield (
            (*place, block),
            "belong to a guardrail of paired differences: others are not taken by group yet.",
        )
    values, reported = _at(groups, "values"), _at(groups, "reported")
    if not isinstance(values, list):
        return
    if len({str(value) for value in values}) < len(values):
        yield (*place, block, "values"), "name a group twice. Write each once."
    if isinstance(reported, list) and (unknown := [v for v in reported if v not in values]):
        yield (*place, block, "reported"), f"names {unknown[0]}. Name it among the values too."


def _groups_leave_weight(rail: Any, place: Where) -> Found:
    segments, gap = _number(rail, "segments", "share"), _number(rail, "gap", "share")
    if segments is not None and gap is not None and segments + gap >= 1:
        yield (
            (*place, "gap", "share"),
            f"is {gap:g} beside the {segments:g} of the segments. Write shares below 1 together: "
            "the whole needs a part of the weight.",
        )


def _harm_budget_is_spent(document: Mapping[str, Any]) -> Found:
    weights = [_number(rail, "weight") for rail in _items(document, "guardrails")]
    known = [weight for weight in weights if weight is not None]
    if weights and len(known) == len(weights) and not math.isclose(sum(known), 1, abs_tol=1e-9):
        yield ("guardrails",), f"have weights that sum to {sum(known):g}. They must sum to 1."


def _one_rule_a_gate(document: Mapping[str, Any]) -> Found:
    seen: set[object] = set()
    for index, rule in enumerate(_items(document, "approvals")):
        gate = _at(rule, "gate")
        if isinstance(gate, str) and gate in seen:
            yield ("approvals", index, "gate"), f"asks for {gate} again. Write one rule a gate."
        seen.add(gate if isinstance(gate, str) else None)


def _gates_stand_before_users(document: Mapping[str, Any]) -> Found:
    for index, rule in enumerate(_items(document, "approvals")):
        if _at(rule, "gate") == "staging":
            yield (
                ("approvals", index, "gate"),
                "is staging, where the evidence is made and nobody is affected. Write shadow to "
                "have people sign before requests are mirrored, or canary before users are served.",
            )


def _goal_is_a_guardrail(document: Mapping[str, Any]) -> Found:
    named = _at(document, "goal", "guardrail")
    names = [name for rail in _items(document, "guardrails") if (name := _at(rail, "name"))]
    if isinstance(named, str) and names and named not in names:
        known = ", ".join(map(str, names))
        yield ("goal", "guardrail"), f"names no guardrail. Write one of: {known}."


def _drift_can_be_judged(document: Mapping[str, Any]) -> Found:
    if isinstance(_at(document, "drift"), Mapping) and not any(
        _at(document, "drift", part) is not None for part in ("inputs", "predictions")
    ):
        yield ("drift",), "watches nothing. Write inputs, predictions or both, or leave it out."
    for part in ("inputs", "predictions"):
        place: Where = ("drift", part)
        warn, act = _number(document, *place, "warn_at"), _number(document, *place, "act_at")
        if warn is not None and act is not None and warn > act:
            yield (
                (*place, "warn_at"),
                f"is {warn:g}, above act_at ({act:g}). Write less: people are told first.",
            )
        distance = _at(document, *place, "distance")
        for field, value in (("warn_at", warn), ("act_at", act)):
            if value is not None and value > 1 and distance in UP_TO_ONE:
                yield (*place, field), f"is {value:g}, and {distance} never exceeds 1."
        columns = _at(document, *place, "columns")
        if isinstance(columns, list) and len({str(name) for name in columns}) < len(columns):
            yield (*place, "columns"), "name a column twice. Write each once."


def _severities_are_ordered(document: Mapping[str, Any]) -> Found:
    sev1 = _number(document, "incident", "sev1_from_bp")
    sev2 = _number(document, "incident", "sev2_from_bp")
    if sev1 is not None and sev2 is not None and sev2 > sev1:
        yield (
            ("incident", "sev2_from_bp"),
            f"is {sev2:g}, above sev1_from_bp ({sev1:g}). Write less: SEV-1 is the worst.",
        )


def _fallback_ends(document: Mapping[str, Any]) -> Found:
    chain = _items(document, "fallback")
    for index, link in enumerate(chain):
        if link in chain[:index]:
            yield ("fallback", index), f"names {link} again. Write each once."
        if link in ("degraded", "error") and index != len(chain) - 1:
            yield (
                ("fallback", index),
                f"is {link} before the end. Nothing can follow: it is always there.",
            )


def _labels_can_be_judged(document: Mapping[str, Any]) -> Found:
    if _at(document, "labels", "independent_of_answer") is False:
        for index, rail in enumerate(_items(document, "guardrails")):
            if _at(rail, "kind") == "paired_mean":
                yield (
                    ("guardrails", index, "kind"),
                    "is paired_mean, and labels.independent_of_answer is false: what would have "
                    "happened after the other answer is not known. Write randomised_mean.",
                )
    zone = _at(document, "labels", "time_zone")
    if isinstance(zone, str) and zone and not _is_zone(zone):
        yield (
            ("labels", "time_zone"),
            _no_zone(zone),
        )


def _no_zone(zone: str) -> str:
    return f"is {zone!r}, which is no time zone. Write an IANA name such as Europe/Paris or UTC."


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name is a directory
        return False
    return True


def _at(document: object, *where: str | int) -> Any:
    for part in where:
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list) and isinstance(part, int):
            document = document[part]
        else:
            return None
    return document


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _number(document: object, *where: str | int) -> float | None:
    value = _at(document, *where)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _items(document: Mapping[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    return value if isinstance(value, list) else []
