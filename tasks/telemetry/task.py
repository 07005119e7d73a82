"""The telemetry's nodes on the release graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from policies.coherence import COUNTED
from policies.drift import Period
from policies.errors import EvidenceError
from policies.schema import Guardrail, ReleasePolicy, StageRules
from policies.vocabulary import Counts, Evidence, Frozen, Histogram, Step, Value, WindowPair
from tasks.connections import current
from tasks.evidence import sample_ratio
from tasks.evidence.gap import against_others
from tasks.node import node
from tasks.telemetry.days import Each
from tasks.telemetry.history import adjusted, frozen_of, unit_metric
from tasks.telemetry.inputs import frozen_check
from tasks.telemetry.log_buckets import slow_beyond
from tasks.telemetry.ports import (
    Coverage,
    Exposure,
    Logged,
    SampleRow,
    Telemetry,
    UnitMetric,
    UnitRatio,
    Variety,
)

A_DAY = timedelta(days=1)
REQUESTS = "requests"  # answered ones, as what a metric may be divided by


class Observation(Value):
    """What one look saw: windows by guardrail, and how complete the paired evidence is."""

    windows: Mapping[str, tuple[WindowPair, ...]]  # of a segment: under "guardrail · column value"
    coverage: Coverage
    logged: tuple[Logged, ...] = ()
    varied: tuple[Variety, ...] = ()
    unreadable: Mapping[str, str] = {}  # by guardrail: why its values cannot be summed


@node("observe", "observe {step.name}")
def observe(
    release_id: str,
    model: str,
    policy: ReleasePolicy,
    step: Step,
    now: datetime,
    frozen: Frozen,
) -> Observation:
    """Read every guardrail's windows since the release began; live ones only with live traffic."""
    with current().telemetry.looking(model) as source:
        return _observed(source, release_id, model, policy, step, now, frozen)


def _observed(
    source: Telemetry,
    release_id: str,
    model: str,
    policy: ReleasePolicy,
    step: Step,
    now: datetime,
    frozen: Frozen,
) -> Observation:
    labels = policy.labels
    windows: dict[str, tuple[WindowPair, ...]] = {}
    unreadable: dict[str, str] = {}
    coverage = Coverage(served=0, both=0, mature=0, labelled=0)
    for guardrail in policy.guardrails:
        if guardrail.kind == "paired_mean":
            seen, coverage = source.paired_windows(
                release_id,
                guardrail.metric,
                now=now,
                horizon_hours=labels.horizon_hours,
                time_zone=labels.time_zone,
            )
            windows[guardrail.name] = tuple(seen)
            windows |= _segments(source, release_id, policy, guardrail, now)
            windows |= _gaps(source, release_id, policy, guardrail, now, seen)
        elif guardrail.kind == "randomised_mean":
            seen, coverage = source.served_losses(
                release_id,
                guardrail.metric,
                now=now,
                horizon_hours=labels.horizon_hours,
                time_zone=labels.time_zone,
            )
            windows |= {guardrail.name: tuple(seen)} if guardrail.is_due_at(step) else {}
        elif step.weight_bp > 0 and guardrail.metric in ("business", "missing"):
            try:
                windows[guardrail.name] = _posted(
                    source, release_id, policy, guardrail, now, frozen
                )
            except EvidenceError as error:
                unreadable[guardrail.name] = str(error)
        elif step.weight_bp > 0 and guardrail.kind == "quantile":
            slow = slow_beyond(guardrail, frozen.thresholds)
            windows[guardrail.name] = _faults(source, release_id, policy, slow, step, now)
        elif step.weight_bp > 0 or guardrail.is_seen_when_mirrored:
            windows[guardrail.name] = _faults(source, release_id, policy, guardrail, step, now)
    if sample_ratio.is_split(step):
        split = source.assigned_windows(release_id, now=now, time_zone=labels.time_zone)
        windows[sample_ratio.NAME] = tuple(split)
    return Observation(
        windows=windows,
        coverage=coverage,
        logged=tuple(source.logged(release_id, now=now)),
        varied=_varied(source, model, policy, now),
        unreadable=unreadable,
    )


def _faults(
    source: Telemetry,
    release_id: str,
    policy: ReleasePolicy,
    guardrail: Guardrail,
    step: Step,
    now: datetime,
) -> tuple[WindowPair, ...]:
    """Those that users met, after those that only the mirror showed."""
    zone = policy.labels.time_zone
    each: Each = "hour" if guardrail.unit == "request" else "day"
    found: tuple[WindowPair, ...] = ()
    if guardrail.is_seen_when_mirrored:
        found += tuple(
            source.mirrored_windows(
                release_id, now=now, time_zone=zone, each=each, alone=not guardrail.relative
            )
        )
    if step.weight_bp > 0:
        found += tuple(
            source.live_windows(
                release_id,
                guardrail.metric,
                now=now,
                time_zone=zone,
                slow_ms=guardrail.slow_ms,
                each=each,
            )
        )
    return found


def _posted(
    source: Telemetry,
    release_id: str,
    policy: ReleasePolicy,
    guardrail: Guardrail,
    now: datetime,
    frozen: Frozen,
) -> tuple[WindowPair, ...]:
    """What nobody has posted has no windows, and is not shown safe."""
    if guardrail.metric == "missing":
        return _missing(source, release_id, policy, guardrail, now)
    if guardrail.kind == "ratio":
        return _ratio(source, release_id, policy, guardrail, now)
    metric = unit_metric(guardrail, policy, adjusted(guardrail, frozen))
    zone = policy.labels.time_zone
    return tuple(source.unit_windows(release_id, metric, now=now, time_zone=zone))


def _missing(
    source: Telemetry, release_id: str, policy: ReleasePolicy, guardrail: Guardrail, now: datetime
) -> tuple[WindowPair, ...]:
    """Whose values did not come; where nobody's did there are no windows, and nothing is shown."""
    metric = UnitMetric(
        name=guardrail.name_of_metric or "",
        horizon_hours=policy.labels.horizon_hours,
        cap=1.0,
        without_value="zero",
    )
    zone = policy.labels.time_zone
    return tuple(source.missing_windows(release_id, metric, now=now, time_zone=zone))


def _ratio(
    source: Telemetry, release_id: str, policy: ReleasePolicy, guardrail: Guardrail, now: datetime
) -> tuple[WindowPair, ...]:
    metric = UnitRatio.model_validate(
        {
            "name": guardrail.name_of_metric,
            "per": None if guardrail.per == REQUESTS else guardrail.per,
            "horizon_hours": policy.labels.horizon_hours,
            "cap": guardrail.cap,
            "without_value": guardrail.without_value,
        }
    )
    zone = policy.labels.time_zone
    return tuple(source.ratio_windows(release_id, metric, now=now, time_zone=zone))


def _segments(
    source: Telemetry, release_id: str, policy: ReleasePolicy, guardrail: Guardrail, now: datetime
) -> dict[str, tuple[WindowPair, ...]]:
    """Every declared group; one that was not seen has no windows, and is not shown safe."""
    if guardrail.segments is None:
        return {}
    column = guardrail.segments.column
    found = _by_group(source, release_id, policy, guardrail, column, now)
    return {
        part.name: tuple(found.get(value, ())) for value, part in guardrail.by_segment().items()
    }


def _gaps(
    source: Telemetry,
    release_id: str,
    policy: ReleasePolicy,
    guardrail: Guardrail,
    now: datetime,
    whole: Sequence[WindowPair],
) -> dict[str, tuple[WindowPair, ...]]:
    """Each group against the rest of the same windows; one not seen has none, and is not safe."""
    if guardrail.gap is None:
        return {}
    found = _by_group(source, release_id, policy, guardrail, guardrail.gap.column, now)
    return {
        part.name: against_others(whole, found.get(value, ()))
        for value, part in guardrail.by_gap().items()
    }


def _by_group(
    source: Telemetry,
    release_id: str,
    policy: ReleasePolicy,
    guardrail: Guardrail,
    column: str,
    now: datetime,
) -> Mapping[str, Sequence[WindowPair]]:
    return source.segment_windows(
        release_id,
        guardrail.metric,
        column,
        now=now,
        horizon_hours=policy.labels.horizon_hours,
        time_zone=policy.labels.time_zone,
    )


def _varied(
    source: Telemetry, model: str, policy: ReleasePolicy, now: datetime
) -> tuple[Variety, ...]:
    rule, zone = policy.frozen_inputs, policy.labels.time_zone
    if rule is None:
        return ()
    return tuple(
        source.varied(model, rule.columns, by=rule.by, now=now, time_zone=zone, days=rule.days)
    )


def inputs_evidence(policy: ReleasePolicy, observation: Observation) -> list[Evidence]:
    """Whether the inputs still change, where the policy watches it."""
    if policy.frozen_inputs is None:
        return []
    return [frozen_check(policy.frozen_inputs, observation.varied)]


def coverage_evidence(
    policy: ReleasePolicy, step: Step, observation: Observation, now: datetime
) -> Evidence:
    """Paired evidence with too many rows missing, or none of late, is no comparison.

    Lines that the log is known to have lost are rows that nobody compared: also a live step
    of which too many are missing shows nothing, however well the rest looks.
    """
    coverage = observation.coverage
    kept, lost = _kept(observation.logged, step)
    stopped = _labels_stopped(policy, observation, now)
    mirrored = coverage.both / coverage.served if coverage.served else None
    labelled = coverage.labelled / coverage.mature if coverage.mature else None
    detail = (
        f"{coverage.both} of {coverage.served} requests were scored by both models, "
        f"{coverage.labelled} of {coverage.mature} mature ones have a label.{lost}"
    )
    status = "ok"
    if kept < policy.labels.min_mirror_coverage:
        status = "invalid"
    elif mirrored is None or labelled is None:
        status = "scarce"
    elif stopped is not None:
        status, detail = "invalid", f"{stopped} {detail}"
    elif mirrored < policy.labels.min_mirror_coverage or labelled < policy.labels.min_maturity:
        status = "invalid"
    worst = None if labelled is None or mirrored is None else 1.0 - min(mirrored, labelled, kept)
    return Evidence.model_validate(
        {
            "name": "coverage",
            "kind": "check",
            "status": status,
            "effect": worst,
            "limit": 1.0,
            "n": coverage.served,
            "unit": "share missing",
            "detail": detail,
        }
    )


def _kept(logged: Sequence[Logged], step: Step) -> tuple[float, str]:
    """The share of the log's lines that are there, of the release or of this step: the less."""
    parts = [part for part in (logged, [x for x in logged if x.step == step.name]) if part]
    sums = [(sum(x.lines for x in part), sum(x.lost for x in part)) for part in parts]
    share, lines, lost = min(
        ((there / (there + lost), there, lost) for there, lost in sums if there + lost),
        default=(1.0, 0, 0),
    )
    if not lost:
        return 1.0, ""
    since = min(x.since for x in logged if x.since is not None)
    until = max(x.until for x in logged if x.until is not None)
    return share, (
        f" Of {lines + lost} lines of the log {lost} were lost, "
        f"from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC."
    )


def _labels_stopped(policy: ReleasePolicy, observation: Observation, now: datetime) -> str | None:
    """Why the newest day of paired evidence is too old; ``None`` while labels keep coming.

    A day closes when the horizon of its last row has passed, so the newest closed day began at
    most two days and the horizon ago; a third day is allowed for a feed that comes daily.
    """
    kinds = ("paired_mean", "randomised_mean")
    names = [rail.name for rail in policy.guardrails if rail.kind in kinds]
    labelled = [window for name in names for window in observation.windows.get(name, ())]
    newest = max((window.start for window in labelled), default=None)
    allowed = timedelta(days=3, hours=policy.labels.horizon_hours)
    if newest is None or now - newest <= allowed:
        return None
    return f"No day since {newest:%Y-%m-%d} has labels of both models."


def rows_evidence(policy: ReleasePolicy, step: Step, observation: Observation) -> Evidence:
    """The least number of rows this step must have seen before it may pass.

    With live traffic the rows the candidate answered count, before it the rows both scored.
    """
    rules = policy.rules_for(step)
    needed = rules.min_rows if isinstance(rules, StageRules) else 0
    counted = [
        sum(_rows(window) for window in observation.windows[rail.name] if window.step == step.name)
        for rail in policy.guardrails
        if rail.name in observation.windows and (step.weight_bp == 0 or rail.metric in COUNTED)
    ]
    n = min(counted, default=0 if step.weight_bp else observation.coverage.both)
    return Evidence(
        name="rows of this step",
        kind="check",
        status="ok" if n >= needed else "scarce",
        effect=0.0,
        limit=0.0,
        n=n,
        unit="rows short",
        detail=f"{n} rows, {needed} needed.",
    )


def _rows(window: WindowPair) -> int:
    if window.paired is not None:
        return window.paired.n
    return window.candidate.n if window.candidate is not None else 0


@node("settle", "what is settled by the days before {model} is released?")
def settle(model: str, policy: ReleasePolicy, now: datetime) -> Frozen:
    """When an answer is late, and how far units are adjusted by what they brought."""
    with current().telemetry.looking(model) as source:
        return frozen_of(source, model, policy, now)


@node("sample", "take a sample of recent traffic")
def sample(model: str, policy: ReleasePolicy, since: datetime, now: datetime) -> list[SampleRow]:
    return list(
        current().telemetry.sample(
            model,
            now=now,
            rows=policy.staging.sample_rows,
            since=since,
            horizon_hours=policy.labels.horizon_hours,
        )
    )


@node("count faults", "how many answers of {model} were {rail.name} in a day?")
def count_faults(model: str, rail: Guardrail, now: datetime) -> Counts:
    """Of everything served, whoever answered."""
    return current().telemetry.served_faults(
        model, rail.metric, since=now - A_DAY, now=now, slow_ms=rail.slow_ms
    )


@node("a day's rows", "take a day's requests of {model}")
def rows_of_day(
    model: str, policy: ReleasePolicy, now: datetime, horizon_hours: float
) -> list[SampleRow]:
    """The newest day of which every row is older than the horizon."""
    since = now - timedelta(hours=horizon_hours) - A_DAY
    rows = policy.staging.sample_rows
    return list(
        current().telemetry.sample(
            model, now=now, rows=rows, since=since, horizon_hours=horizon_hours
        )
    )


@node("shapes", "how are values of {model} distributed, before and now?")
def shapes(
    model: str, columns: Sequence[str | None], reference: Period, window: Period
) -> list[tuple[Histogram, Histogram]]:
    """Each column of both periods, by bins of the first. ``None``: the champion's scores."""
    with current().telemetry.looking(model) as source:
        return [_shape(source, model, column, reference, window) for column in columns]


def _shape(
    source: Telemetry, model: str, column: str | None, reference: Period, window: Period
) -> tuple[Histogram, Histogram]:
    bins = source.bins(model, column, since=reference.since, until=reference.until)
    before, now = (
        source.histogram(model, bins, since=period.since, until=period.until)
        for period in (reference, window)
    )
    return before, now


@node("count exposure", "how many requests did the candidate answer?")
def exposure(release_id: str, policy: ReleasePolicy) -> Exposure:
    slow_ms = min((g.slow_ms for g in policy.guardrails if g.slow_ms is not None), default=None)
    return current().telemetry.exposure(release_id, slow_ms)
