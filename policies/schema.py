"""What a release policy may say. Strict and frozen: an unknown field is a fault.

Durations carry their unit; weights are basis points of all traffic; margins are in the
metric's own unit with "greater is worse".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from policies.vocabulary import FULL_WEIGHT_BP, Audience, Breaker, Fallback, Stage, Step

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Text = Annotated[str, Field(min_length=1)]


class Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Expectation(Rule):
    """One line of the data contract, in the words of Great Expectations."""

    type: Text
    kwargs: dict[str, Any] = {}


class Scores(Rule):
    """Proper scores of the candidate against the champion on labelled sample rows.

    Each is a greatest allowed worsening (candidate minus champion).
    """

    log_loss_margin: Positive
    brier_margin: Positive
    calibration_margin: Positive
    slice_log_loss_margin: Positive
    slices: tuple[Text, ...] = ()
    min_rows_per_slice: int = Field(default=200, ge=1)


class Parity(Rule):
    """Offline and online must agree on the reference rows."""

    feature_share_moved: Share  # greatest share of feature values that may differ
    score_tolerance: Positive  # two scores this close are the same
    score_share_moved: Share  # greatest share of scores that may differ


class ServingCheck(Rule):
    """The candidate on the real serving path, before it sees users."""

    latency_ratio: Positive  # greatest median latency, candidate over champion
    latency_floor_ms: Positive  # below this median no ratio is judged
    memory_mb: Positive


class StagingRules(Rule):
    min_days: float = Field(ge=0)
    look_every_hours: Positive
    deadline_days: Positive
    sample_rows: int = Field(ge=1, le=200_000)  # all of them are read and scored at once
    min_labelled_rows: int = Field(ge=1)
    contract: tuple[Expectation, ...] = Field(min_length=1)
    scores: Scores
    parity: Parity
    serving: ServingCheck


class StageRules(Rule):
    """How long a stage lasts and how far from proof it may still pass."""

    min_days: float = Field(ge=0)
    look_every_hours: Positive
    deadline_days: Positive
    margin_factor: float = Field(default=1.0, ge=1.0)  # stage margin = margin x this
    min_rows: int = Field(default=0, ge=0)


class TrafficStep(StageRules):
    """``weight_bp`` of the ``audience`` meets the candidate; without one, of everybody."""

    weight_bp: int = Field(gt=0, le=FULL_WEIGHT_BP)
    audience: Audience | None = None


class Segments(Rule):
    """Groups that must each be shown safe, from the shadow on; a group not seen is not safe.

    ``margin`` and ``rollback_at`` are those of each group, at every step: a group has few rows,
    so its margin is wider than the whole's, and no stage widens it further.
    """

    column: Text  # of the requests' inputs
    values: tuple[Text, ...] = Field(min_length=1)
    margin: Positive
    rollback_at: float = Field(ge=0.0)
    share: Annotated[float, Field(gt=0.0, lt=1.0)]  # of the guardrail's weight, split evenly


class Gap(Rule):
    """How far a group may move away from everybody else, judged from the shadow on.

    A candidate may serve all better and one group worse. ``margin`` and ``rollback_at`` bound
    (candidate - champion) in the group minus (candidate - champion) in all the others, at every
    step: no stage widens them.
    """

    column: Text  # of the requests' inputs
    values: tuple[Text, ...] = Field(min_length=1)  # each against all other rows
    reported: tuple[Text, ...] = ()  # those of the values that PASS does not wait for
    min_rows: int = Field(ge=1)  # of a group, before its gap may be called safe
    margin: Positive
    rollback_at: float = Field(ge=0.0)
    share: Annotated[float, Field(gt=0.0, lt=1.0)]  # of the guardrail's weight, split evenly
    information: Positive  # as a guardrail's: expected 1/variance of a group's final gap

    @model_validator(mode="after")
    def _coherent(self) -> Gap:
        if self.rollback_at >= self.margin:
            raise ValueError("gap.rollback_at must be smaller than gap.margin")
        if not set(self.reported) <= set(self.values):
            raise ValueError("gap.reported names a group that is not among the values")
        if len(set(self.values)) < len(self.values):
            raise ValueError("gap.values name a group twice")
        return self


class FrozenInputs(Rule):
    """Inputs that change all day: one value for whole days means that their feed has stopped."""

    columns: tuple[Text, ...] = Field(min_length=1)
    by: Text | None = None  # an input that names the station: each has a reading of its own
    days: int = Field(ge=1, le=14)  # whole days in a row
    then: Literal["roll_back", "hold"]  # roll_back only where the champion does not read them


Distance = Literal["psi", "jensen_shannon", "kolmogorov_smirnov", "wasserstein", "cramers_v"]
UP_TO_ONE = ("jensen_shannon", "kolmogorov_smirnov", "cramers_v")


class DriftLimits(Rule):
    """How far a distribution may move from its reference. Sizes of an effect, never p-values."""

    distance: Distance
    warn_at: Positive  # from here on people are told
    act_at: Positive | None = None  # from here on more than that; None: people are only told
    window_days: int = Field(ge=1, le=31)  # the days that are looked at
    reference_days: int = Field(ge=1, le=366)  # the days that they are compared with
    min_rows: int = Field(ge=20)  # in either; fewer are not observed

    @model_validator(mode="after")
    def _coherent(self) -> DriftLimits:
        if self.act_at is not None and self.warn_at > self.act_at:
            raise ValueError("warn_at must not be above act_at")
        if self.distance in UP_TO_ONE and max(self.warn_at, self.act_at or 0.0) > 1.0:
            raise ValueError(f"{self.distance} never exceeds 1")
        return self


class InputDrift(DriftLimits):
    """What requests carry. ``act_at``: a comparison on such inputs is invalid, so it holds."""

    columns: tuple[Text, ...] = Field(min_length=1)
    reference: Literal["before_release", "recent"] = "before_release"


class PredictionDrift(DriftLimits):
    """The champion's own scores, against those of the days before. ``act_at``: an incident is
    suspected, and people are told: nothing is moved by it."""


class Drift(Rule):
    """What shows without labels that the world, or the model, is no longer what it was."""

    inputs: InputDrift | None = None
    predictions: PredictionDrift | None = None

    @model_validator(mode="after")
    def _watches_something(self) -> Drift:
        if self.inputs is None and self.predictions is None:
            raise ValueError("drift watches inputs, predictions or both")
        return self


class Goal(Rule):
    """The guardrail that the candidate should improve, and not only keep."""

    guardrail: Text
    required: bool  # the soak passes only when the improvement is proven; else it is told
    why: Text


class Guardrail(Rule):
    """A metric that must not worsen beyond its margin."""

    name: Text
    kind: Literal["paired_mean", "randomised_mean", "proportion", "mean", "quantile", "ratio"]
    metric: Literal["log_loss", "brier", "error", "slow", "missing", "latency", "business"]
    margin: Positive  # non-inferiority margin: proof of "not worse than this" passes
    rollback_at: float = Field(ge=0.0)  # proof of "worse than this" rolls back
    weight: Positive  # share of the harm budget
    slow_ms: Positive | None = None  # metric 'slow': an answer later than this counts
    unit: Literal["day", "request", "user"] = "day"  # what is independent of its neighbours
    relative: bool = False  # not by the day: bounds are shares of the champion's rate or mean
    at_most: Share | None = None  # between releases: greatest share of a day's answers
    information: Positive  # sqrt(information) x effect ~ z: expected 1/variance of the final
    # effect estimate; the tuning scales of the e-process are fixed from it beforehand
    segments: Segments | None = None
    gap: Gap | None = None
    # metric 'business': what is posted under this name, one value a randomised unit;
    # metric 'missing': the units for which nothing was posted under it in time
    name_of_metric: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")] | None = None
    direction: Literal["up", "down"] | None = None  # which way is better
    cap: Positive | None = None  # no unit counts for more, up or down; fixed beforehand
    without_value: Literal["zero", "left_out"] | None = None  # a unit nothing was posted of
    # kind 'mean': values are adjusted by what their unit brought on as many days before (CUPED)
    cuped_days: Annotated[int, Field(ge=1, le=90)] | None = None
    # kind 'ratio': the sum of name_of_metric over that of another one, or over "requests"
    per: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")] | None = None
    # kind 'quantile': answers above the champion's quantile of the days before the release
    quantile: Annotated[float, Field(ge=0.5, lt=1.0)] | None = None
    before_days: Annotated[int, Field(ge=1, le=90)] | None = None
    why: Text

    @model_validator(mode="after")
    def _coherent(self) -> Guardrail:
        if self.segments is not None and self.kind != "paired_mean":
            raise ValueError("segments belong to a paired_mean guardrail")
        if self.segments is not None and self.segments.rollback_at >= self.segments.margin:
            raise ValueError("segments.rollback_at must be smaller than segments.margin")
        if self.gap is not None and self.kind != "paired_mean":
            raise ValueError("gap belongs to a paired_mean guardrail")
        if self.share_of_groups >= 1.0:
            raise ValueError("segments and gap must leave some weight to the whole")
        if self.rollback_at >= self.margin:
            raise ValueError("rollback_at must be smaller than margin")
        if (self.metric == "slow") != (self.slow_ms is not None):
            raise ValueError("slow_ms belongs to the metric 'slow' and only there")
        if self.at_most is not None and self.metric not in ("error", "slow"):
            raise ValueError("at_most belongs to errors and slow answers")
        is_loss = self.kind in ("paired_mean", "randomised_mean")
        if is_loss != (self.metric in ("log_loss", "brier")):
            raise ValueError(
                "log_loss and brier are paired_mean or randomised_mean; error and slow are "
                "proportion"
            )
        if self.unit == "request" and self.kind not in ("proportion", "quantile"):
            raise ValueError("unit 'request' belongs to errors, slow answers and latency")
        if (self.kind == "quantile") != (self.metric == "latency"):
            raise ValueError("latency is quantile, and nothing else is")
        if {self.quantile is None, self.before_days is None} != {self.kind != "quantile"}:
            raise ValueError("quantile and before_days belong to the kind 'quantile', both")
        if self.metric == "missing" and self.unit != "day":
            raise ValueError("missing values are counted by day: unit must be 'day'")
        if self.unit == "user" and self.kind not in ("mean", "randomised_mean", "ratio"):
            raise ValueError("unit 'user' belongs to business metrics and randomised_mean")
        if self.relative and self.unit == "day":
            raise ValueError("relative belongs to the units 'request' and 'user'")
        if (self.kind in ("mean", "ratio")) != (self.metric == "business"):
            raise ValueError("business is mean or ratio, and nothing else is")
        if (self.kind == "ratio") != (self.per is not None):
            raise ValueError("per belongs to the kind 'ratio', and only there")
        if self.kind == "ratio" and self.unit != "user":
            raise ValueError("a ratio is summed by user: unit must be 'user'")
        if self.cuped_days is not None and (self.kind != "mean" or self.relative):
            raise ValueError("cuped_days belongs to the kind 'mean' with bounds in its own unit")
        if (self.name_of_metric is not None) != (self.metric in ("business", "missing")):
            raise ValueError("name_of_metric belongs to 'business' and 'missing', and only there")
        own = (self.direction, self.cap, self.without_value)
        if {field is not None for field in own} != {self.metric == "business"}:
            raise ValueError(
                "direction, cap and without_value belong to the metric 'business', all three, and "
                "only there"
            )
        return self

    def is_due_at(self, step: Step) -> bool:
        """Whether a look at this step asks about it: users show the most, the mirror some."""
        if step.stage is Stage.STAGING:
            return False
        return step.weight_bp > 0 or self.kind == "paired_mean" or self.is_seen_when_mirrored

    @property
    def is_seen_when_mirrored(self) -> bool:
        """Whether answers that no user waits for tell of it, as failures do and lateness not."""
        return self.metric == "error"

    @property
    def share_of_groups(self) -> float:
        """Of the weight: what the segments and the gap watch with."""
        blocks = (self.segments, self.gap)
        return sum(block.share for block in blocks if block is not None)

    def whole(self) -> Guardrail:
        """What is left of the weight for all rows together when groups have their share."""
        if self.segments is None and self.gap is None:
            return self
        weight = self.weight * (1.0 - self.share_of_groups)
        return self.model_copy(update={"weight": weight, "gap": None})

    def by_segment(self) -> dict[str, Guardrail]:
        """For each declared group, a guardrail of its own; its rows carry less information."""
        if self.segments is None:
            return {}
        count = len(self.segments.values)
        part = self._part(self.segments, self.information / count)
        return {
            value: part.model_copy(
                update={"name": f"{self.name} · {self.segments.column} {value}", "gap": None}
            )
            for value in self.segments.values
        }

    def by_gap(self) -> dict[str, Guardrail]:
        """For each group whose gap is declared, a guardrail of its own that knows it by ``gap``."""
        if self.gap is None:
            return {}
        part = self._part(self.gap, self.gap.information)
        return {
            value: part.model_copy(
                update={
                    "name": f"{self.name} · gap of {self.gap.column} {value}",
                    "gap": self.gap.model_copy(update={"values": (value,)}),
                }
            )
            for value in self.gap.values
        }

    def _part(self, groups: Segments | Gap, information: float) -> Guardrail:
        return self.model_copy(
            update={
                "margin": groups.margin,
                "rollback_at": groups.rollback_at,
                "weight": self.weight * groups.share / len(groups.values),
                "information": information,
                "segments": None,
            }
        )


class Budget(Rule):
    """Error rates of the whole release."""

    rollback_alpha: Annotated[float, Field(gt=0.0, lt=0.5)]  # false rollback
    promote_beta: Annotated[float, Field(gt=0.0, lt=0.5)]  # false promotion
    min_clusters: int = Field(ge=2)  # independent units before normal theory is trusted


class Labels(Rule):
    """How quality is observed."""

    independent_of_answer: bool  # true: both models score every request (paired evidence)
    cluster: Literal["day"]
    time_zone: Text
    horizon_hours: Positive  # a unit counts when this has passed, in both arms
    min_maturity: Share  # least share of labelled rows in a window; below it: invalid
    min_mirror_coverage: Share  # least share of requests scored by both; below it: invalid


class ApprovalRule(Rule):
    gate: Stage  # the stage that opens when granted
    roles: dict[Text, Annotated[int, Field(ge=1)]] = Field(min_length=1)
    expires_hours: Positive
    assurance: Literal["signature"] = "signature"


class IncidentRules(Rule):
    """Severity by share of traffic the candidate had when it was stopped, worst first."""

    sev1_from_bp: int = Field(ge=0, le=FULL_WEIGHT_BP)
    sev2_from_bp: int = Field(ge=0, le=FULL_WEIGHT_BP)
    on_call: Text
    runbook: Text


class ReleasePolicy(Rule):
    """One policy document. A release is ruled to its end by the digest it opened with."""

    policy: Text  # its name, the file's stem
    extends: Text | None = None
    tier: Literal["low", "medium", "high", "regulated"]
    why: Text
    owner: Text
    applies_to: tuple[Text, ...] = ()  # model name patterns; empty: any model that asks for it
    prediction: Literal["probability"] = "probability"
    labels: Labels
    budget: Budget
    staging: StagingRules
    shadow: StageRules
    canary: TrafficStep
    ramp: tuple[TrafficStep, ...] = ()
    full: StageRules
    soak: StageRules
    guardrails: tuple[Guardrail, ...] = Field(min_length=1)
    goal: Goal | None = None
    frozen_inputs: FrozenInputs | None = None
    drift: Drift | None = None
    approvals: tuple[ApprovalRule, ...] = ()
    at_deadline: Literal["withdraw", "hold"] = "hold"
    fallback: tuple[Fallback, ...] = Field(min_length=1)
    breaker: Breaker | None = None  # None: only the looks take a candidate out
    pause_alert_minutes: int = Field(default=15, ge=1)
    rerisk_months: int | None = Field(default=None, ge=6, le=12)  # None: no review is asked for
    incident: IncidentRules
    required_documents: tuple[Literal["model_card", "deployment_record"], ...] = ()

    @model_validator(mode="after")
    def _coherent(self) -> ReleasePolicy:
        names = [step.name for step in self.steps()]
        if len(names) != len(set(names)):
            raise ValueError("canary and ramp steps must differ")
        if abs(sum(g.weight for g in self.guardrails) - 1.0) > 1e-9:
            raise ValueError("guardrail weights must sum to 1")
        names = [g.name for g in self.guardrails]
        if len(names) != len(set(names)):
            raise ValueError("guardrail names must differ")
        if self.goal is not None and self.goal.guardrail not in names:
            raise ValueError("goal.guardrail must name a guardrail")
        paired = [g.name for g in self.guardrails if g.kind == "paired_mean"]
        if paired and not self.labels.independent_of_answer:
            raise ValueError(
                "labels that depend on the answer served cannot be judged in pairs: "
                "write randomised_mean"
            )
        return self

    def steps(self) -> tuple[Step, ...]:
        """The plan of the release, in order."""
        return (
            Step(name="staging", stage=Stage.STAGING),
            Step(name="shadow", stage=Stage.SHADOW, mirror=True),
            _traffic("canary", Stage.CANARY, self.canary),
            *(_traffic("ramp", Stage.RAMP, step) for step in self.ramp),
            Step(name="full", stage=Stage.FULL, weight_bp=FULL_WEIGHT_BP, mirror=True),
            Step(name="soak", stage=Stage.SOAK, weight_bp=FULL_WEIGHT_BP, mirror=True),
        )

    @property
    def steps_after_shadow(self) -> int:
        return len(self.steps()) - 2

    def rules_for(self, step: Step) -> StageRules | StagingRules:
        """The rules of one step of ``steps()``."""
        if step.stage is Stage.RAMP:
            wanted = (step.weight_bp, step.audience)
            return next(rule for rule in self.ramp if (rule.weight_bp, rule.audience) == wanted)
        rules: dict[Stage, StageRules | StagingRules] = {
            Stage.STAGING: self.staging,
            Stage.SHADOW: self.shadow,
            Stage.CANARY: self.canary,
            Stage.FULL: self.full,
            Stage.SOAK: self.soak,
        }
        return rules[step.stage]

    def approval_for(self, stage: Stage) -> ApprovalRule | None:
        return next((rule for rule in self.approvals if rule.gate is stage), None)


def _traffic(word: str, stage: Stage, rules: TrafficStep) -> Step:
    whose = f" {rules.audience.words}" if rules.audience else ""
    return Step(
        name=f"{word} {rules.weight_bp / 100:g} %{whose}",
        stage=stage,
        weight_bp=rules.weight_bp,
        mirror=True,
        audience=rules.audience,
    )
