"""The frozen values that every layer speaks. Nothing here computes.

Times are timezone-aware UTC ``datetime``; weights are basis points (``weight_bp``, 10 000 is
all traffic); durations carry their unit in the name; digests are ``sha256:<64 hex>``.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
WeightBp = Annotated[int, Field(ge=0, le=10_000)]
FULL_WEIGHT_BP = 10_000
Hour = Annotated[int, Field(ge=0, le=23)]


class Value(BaseModel):
    """A frozen value: unknown fields, NaN and infinities are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def plain(self) -> dict[str, Any]:
        """As JSON types: what a ledger entry carries."""
        return self.model_dump(mode="json")


class Stage(StrEnum):
    STAGING = "staging"
    SHADOW = "shadow"
    CANARY = "canary"
    RAMP = "ramp"
    FULL = "full"
    SOAK = "soak"


class Finding(StrEnum):
    """What the evidence says. Five, never merged."""

    HARMFUL = "harmful"
    SAFE = "safe"
    NOT_ENOUGH_EVIDENCE = "not enough evidence"
    SOURCE_DOWN = "metric source down"
    INVALID = "comparison invalid"


class Decision(StrEnum):
    """What follows from the findings under the policy."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    HOLD = "HOLD"
    ROLL_BACK = "ROLL BACK"


class Outcome(StrEnum):
    """How a release ended. ``held``: withdrawn without proof of harm, and without promotion."""

    RELEASED = "released"
    ROLLED_BACK = "rolled_back"
    REFUSED = "refused"
    HELD = "held"
    ABORTED = "aborted"


class Arm(StrEnum):
    CHAMPION = "champion"
    CANDIDATE = "candidate"


class ModelRef(Value):
    """One registered version of one model, or a declared baseline rule (``version='rule'``)."""

    model: str = Field(min_length=1)
    version: str = Field(min_length=1)

    def __str__(self) -> str:
        return f"{self.model} v{self.version}"


class Artefact(Value):
    """A version as it was when the release opened: the digest is over its whole file tree."""

    ref: ModelRef
    digest: Digest
    inputs: dict[str, str]  # column -> type, from the model signature
    optional: tuple[str, ...] = ()  # columns that a request may leave out
    tags: dict[str, str] = {}
    run_id: str | None = None
    trainer: str | None = None  # who trained it: may not approve
    dataset_digests: tuple[str, ...] = ()
    size_bytes: int = 0
    registered_at: datetime | None = None
    description: str = ""


class Evidence(Value):
    """What was measured for one guardrail or one staging check, ready to be judged.

    ``status``: ``ok`` measured; ``scarce`` too little to say; ``down`` the source did not
    answer; ``invalid`` the comparison itself is broken. For ``kind='sequential'`` the two
    log e-values carry the evidence (``log_e_harm`` for "worse than rollback_at",
    ``log_e_safe`` for "not worse than margin"); for ``kind='check'`` ``effect`` is compared
    with ``limit`` (at most). Effects are oriented: greater is worse.
    """

    name: str
    kind: Literal["sequential", "check"]
    status: Literal["ok", "scarce", "down", "invalid"] = "ok"
    effect: float | None = None
    lower: float | None = None
    upper: float | None = None
    limit: float | None = None  # check: greatest effect that passes
    margin: float | None = None  # sequential: non-inferiority margin
    rollback_at: float | None = None
    weight: float = 0.0  # share of the harm budget
    log_e_harm: float | None = None
    log_e_safe: float | None = None
    log_e_better: float | None = None  # for "better than the champion, however little"
    n: int = 0  # rows
    clusters: int = 0  # independent units (for instance days)
    unit: str = ""
    method: str = ""
    detail: str = ""
    onset: str = ""  # where harm shows from a later step on rather than over all days
    required: bool = True  # False: told, and PASS does not wait for it; harm counts all the same
    windows: tuple[WindowPair, ...] = ()  # what the numbers were computed from


class Moments(Value):
    """Additive summary of one window: count, mean and sum of squared deviations."""

    n: int = Field(ge=0)
    mean: float = 0.0
    m2: float = Field(default=0.0, ge=0.0)


class Counts(Value):
    """Additive summary of yes/no outcomes: ``events`` of ``n`` trials."""

    n: int = Field(ge=0)
    events: int = Field(ge=0)


class PairMoments(Value):
    """Additive summary of two numbers a unit: means, squared deviations and their product's."""

    n: int = Field(ge=0)
    mean_x: float = 0.0  # what is divided by
    mean_y: float = 0.0
    m2_x: float = Field(default=0.0, ge=0.0)
    m2_y: float = Field(default=0.0, ge=0.0)
    c_xy: float = 0.0


class WindowPair(Value):
    """One time window at one ramp step.

    Paired quality: ``paired`` holds the per-row differences candidate minus champion (greater
    is worse); for the gap of a group, ``others`` those of all rows outside of it. Live counts:
    ``champion`` and ``candidate``. A business metric: one value a randomised unit, in the
    metric's own direction, in ``champion_units`` and ``candidate_units``. A ratio: two sums a
    unit, in ``champion_pairs`` and ``candidate_pairs``.
    """

    start: datetime
    step: str
    paired: Moments | None = None
    champion: Counts | None = None
    candidate: Counts | None = None
    champion_units: Moments | None = None
    candidate_units: Moments | None = None
    champion_pairs: PairMoments | None = None
    candidate_pairs: PairMoments | None = None
    others: Moments | None = None


ReasonCode = Literal[
    "",  # recorded before there were codes
    "harm_proven", "within_margin", "not_yet_within_margin",  # a guardrail's e-values
    "not_yet_better",  # the goal, where the policy asks for it
    "check_failed", "check_holds",  # a check's value against its limit
    "reported_only",  # not shown to be safe, and the policy does not wait for it
    "too_little_data", "source_down", "comparison_broken",  # nothing was judged: its status
    "nothing_to_judge",  # the numbers themselves are missing
]  # fmt: skip


class Threshold(Value):
    """The champion's quantile before a release, frozen when it opens: what is above it counts."""

    above: float  # milliseconds
    quantile: float
    n: int  # answers that it was taken of
    since: datetime
    until: datetime


class Adjustment(Value):
    """How far a unit's value is told apart from what it brought before a release, frozen.

    A value becomes value - theta x (what a day of its unit brought from ``since`` to ``until`` -
    ``mean``); one of a unit that was not served then stays as it is. Theta 0: what units brought
    does not tell what they will bring, or too few of them showed it.
    """

    model: str
    theta: float
    correlation: float  # of days before with a first day afterwards
    n: int  # units that both were estimated of
    known: int  # units served from ``since`` to ``until``
    mean: float  # what a day of those brought, averaged over them
    since: datetime
    until: datetime


class Frozen(Value):
    """What is settled when a release opens, before its first answer; by guardrail."""

    thresholds: dict[str, Threshold] = {}
    adjustments: dict[str, Adjustment] = {}


class Bins(Value):
    """How the values of one column are counted, frozen from a reference: else nothing compares.

    Numbers: a bin ends at each edge, the edge with it, and the last bin has everything above.
    Texts: a bin for each category, and the last one for all others. Neither: the reference
    carried nothing. ``column`` is ``None`` for the champion's scores.
    """

    column: str | None = None
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()


class Histogram(Value):
    """Additive summary of one column: how many values each bin holds, and what they add up to."""

    bins: Bins
    counts: tuple[int, ...]  # one more than there are edges, or categories
    sums: tuple[float, ...] = ()  # of numbers alone
    missing: int = 0  # requests that carried nothing there, or no number among numbers


class Judged(Value):
    """One guardrail's evidence with its finding and the sentence that explains it.

    ``code``: the rule that was met, for programs; `docs/reference/evidence-format.md` lists them.
    """

    name: str
    finding: Finding
    reason: str
    code: ReasonCode = ""


class Verdict(Value):
    decision: Decision
    finding: Finding
    reason: str  # one sentence a person reads first
    judged: tuple[Judged, ...] = ()
    log_e_harm_total: float | None = None


class Audience(Value):
    """Who may meet the candidate: all that is declared must hold of a request.

    ``hours``: local, from the first to before the second, over midnight where the second is less.
    """

    segments: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    hours: tuple[Hour, Hour] | None = None
    time_zone: str = "UTC"  # of the hours

    @property
    def words(self) -> str:
        """``of employees, in NO, from 1 to 5 h (Europe/Oslo)``."""
        of = [f"of {' or '.join(self.segments)}"] if self.segments else []
        where = [f"in {' or '.join(self.regions)}"] if self.regions else []
        when = [f"from {self.hours[0]} to {self.hours[1]} h"] if self.hours else []
        zone = f" ({self.time_zone})" if self.hours else ""
        return ", ".join([*of, *where, *when]) + zone


class Step(Value):
    """One place in the plan of a release: the stage and the candidate's share there.

    ``audience``: the share is of these alone, and nobody else meets the candidate.
    """

    name: str  # "staging", "shadow", "canary 5 %", "ramp 25 %", "full", "soak"
    stage: Stage
    weight_bp: WeightBp = 0
    mirror: bool = False
    audience: Audience | None = None


class TrafficVariant(Value):
    """A servable thing behind one name of the switch."""

    ref: ModelRef
    digest: Digest


# Who answers in place of a model that cannot or must not. ``degraded``: nobody does, and the caller
# is told to go on without; ``error``: the request fails.
Fallback = Literal["previous", "baseline", "degraded", "error"]
USUAL_FALLBACK: tuple[Fallback, ...] = ("previous", "baseline", "error")


class Breaker(Value):
    """When a serving process takes a candidate out of traffic by itself, between two looks."""

    answer_within_ms: float = Field(gt=0, le=60_000)  # later than this nobody waits for it
    rows: int = Field(ge=1)  # the latest that were meant for the candidate: fewer open nothing
    bad_share: float = Field(gt=0, le=1)  # of them without a good answer in time
    window_seconds: float = Field(gt=0, le=3600)  # rows of longer ago do not count


class TrafficPlan(Value):
    """Who serves whom, for one model: what the switch is asked to hold.

    ``revision`` is given by the switch when it publishes (0 until then). ``fallback``: in this
    order, of what is there.
    """

    model: str
    champion: TrafficVariant | None  # None: the baseline rule serves
    candidate: TrafficVariant | None = None
    previous: TrafficVariant | None = None
    weight_bp: WeightBp = 0
    audience: Audience | None = None  # the weight is of these alone; None: of everybody
    mirror: bool = False
    baseline: float | None = None  # constant answer of the declared baseline rule
    fallback: tuple[Fallback, ...] = USUAL_FALLBACK
    breaker: Breaker | None = None  # of the candidate
    release_id: str | None = None
    step: str = ""
    revision: int = 0


class Trial(Value):
    """From when to when a release stood at one step, and which versions were its arms."""

    release_id: str
    model: str
    champion: str | None  # version; None: a baseline rule
    candidate: str
    step: str
    weight_bp: WeightBp
    start: datetime
    end: datetime | None = None  # None: it still stands there


class Serving(Value):
    """What one serving process says it does: never what it was told."""

    replica: str
    model: str
    revision: int
    serving: dict[str, str]  # variant name -> digest it has loaded and verified
    weight_bp: WeightBp
    mirror: bool
    killed_to: str | None = None
    opened: str | None = None  # why the circuit breaker has taken the candidate out
    refused: dict[str, str] = {}  # digest it could not verify or load -> why
    error: str | None = None


class SignOff(Value):
    """One person's decision on one request, with the signature that proves it."""

    request_id: str
    person: str
    role: str
    decision: Literal["approve", "refuse"]
    comment: str = ""
    key_id: str = ""
    signed_text: str  # the exact RFC 8785 text that was signed
    signature: str  # armoured SSH signature


class ApprovalRequest(Value):
    """What people are asked to sign: every digest that the decision stands on."""

    request_id: str
    nonce: str
    release_id: str
    gate: str  # name of the step that opens when granted
    model: str
    version: str
    artefact_digest: Digest
    evidence_digest: Digest
    policy_digest: Digest
    requester: str
    trainer: str | None = None
    roles: dict[str, int]  # role -> how many people
    asked_at: datetime
    expires_at: datetime


class Entry(Value):
    """One ledger record. ``seq`` and ``prev`` are given inside the write lock.

    ``at`` is the world's time (what policies reckon in), ``recorded_at`` the wall clock.
    ``move`` entries need the lease and the last move read; facts append freely.
    """

    seq: int = 0
    kind: str  # see policies.lifecycle for the list
    move: bool = False
    release_id: str | None = None
    model: str | None = None
    actor: str
    at: datetime
    recorded_at: datetime | None = None
    payload: dict[str, Any] = {}
    prev: str = ""  # hash of the entry before
    hash: str = ""  # hash of this entry


class Lease(Value):
    """The right to move a release: a higher epoch fences every lower one."""

    release_id: str
    epoch: int
    holder: str
    expires_at: datetime


class Message(Value):
    """One thing to tell people. ``thread`` groups the messages of one release.

    A command may say what it is for: ``seatrial why rel-1  # what happened``.
    """

    kind: Literal[
        "stage", "approval", "hold", "pause", "page", "rollback", "complete", "incident",
        "between", "review", "test",
    ]  # fmt: skip
    title: str
    body: str
    to: tuple[str, ...] = ()  # whom it is for, in the policy's words: an on-call, owner or role
    facts: tuple[tuple[str, str], ...] = ()
    commands: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    thread: str = ""
    severity: str | None = None


Evidence.model_rebuild()
