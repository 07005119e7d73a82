"""What a release would do, who would sign it, and what is missing: looked up, nothing begun.

Every question is asked by itself, so one that cannot be answered hides none of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TypeVar

from flows.trial import WORTH_OF_TRAFFIC
from policies.approvals import unfillable
from policies.errors import PolicyError, SeatrialError
from policies.loader import LoadedPolicy
from policies.schedule import Planned, schedule
from policies.schema import ApprovalRule, ReleasePolicy
from policies.vocabulary import Artefact, Frozen, ModelRef, TrafficPlan, TrafficVariant, Value
from tasks.approval.involved import refuse_unknown_people
from tasks.approval.ports import Person
from tasks.connections import World
from tasks.gate.choosing import policy_of
from tasks.ledger.record import live_releases, refuse_quarantined
from tasks.registry.reference import reference_rows
from tasks.telemetry.history import frozen_of, untold
from tasks.telemetry.ports import SampleRow
from tasks.telemetry.sampling import sample_evidence

RELEASE_DEPLOYMENT = "release/release"
DAY_SECONDS = 86_400.0
Found = TypeVar("Found")


class Lack(Value):
    """Something missing. ``stops``: a release begun now would be refused, or hold, for it."""

    what: str
    advice: str
    stops: bool = True


class Gate(Value):
    """Who opens one gate."""

    gate: str
    roles: dict[str, int]
    expires_hours: float
    can: dict[str, tuple[str, ...]]  # role -> names
    cannot: dict[str, str]  # name -> why


@dataclass
class Plan:
    model: str
    version: str
    requester: str
    now: datetime
    ruling: LoadedPolicy | None = None
    why_policy: str = ""
    artefact: Artefact | None = None
    serving: TrafficPlan | None = None
    steps: tuple[Planned, ...] = ()
    gates: list[Gate] = field(default_factory=list)
    lacks: list[Lack] = field(default_factory=list)

    @property
    def is_stopped(self) -> bool:
        return any(lack.stops for lack in self.lacks)

    def lacking(self, what: str, advice: str, *, stops: bool = True) -> None:
        self.lacks.append(Lack(what=what, advice=advice, stops=stops))

    def ask(self, question: Callable[[], Found]) -> Found | None:
        """The answer; or what kept it from us, as something missing."""
        try:
            return question()
        except SeatrialError as error:
            faults = error.faults if isinstance(error, PolicyError) else ()
            what = "\n".join([error.message, *faults])
            if what not in [lack.what for lack in self.lacks]:
                self.lacking(what, error.advice)
            return None


def plan_release(
    world: World, model: str, version: str, policy: str | None, requester: str
) -> Plan:
    """Reads the world, and changes nothing but the store's copy of the version's files."""
    plan = Plan(model, version, requester, world.clock.now(model))
    plan.ruling = plan.ask(lambda: policy_of(model, policy, world.settings.catalog))
    plan.ask(lambda: _one_at_a_time(plan, world))
    ref = ModelRef(model=model, version=version)
    plan.artefact = plan.ask(lambda: world.registry.fetch(ref))
    if plan.artefact is not None:
        _look_at_files(plan, world, plan.artefact)
    _look_at_serving(plan, world)
    plan.ask(lambda: world.orchestrator.runs(RELEASE_DEPLOYMENT))
    if plan.ruling is not None:
        rules = plan.ruling.policy
        plan.why_policy = _why(plan.ruling, model)
        rows = plan.ask(lambda: _sample(plan, world, rules))
        plan.steps = schedule(rules, plan.now, _per_day(rows or ()))
        _look_at_traffic(plan, rules, rows)
        _look_at_days_before(plan, world, rules)
        _look_at_people(plan, world, rules)
        _look_at_policy(plan, rules)
    return plan


def _look_at_days_before(plan: Plan, world: World, rules: ReleasePolicy) -> None:
    """What would be settled when the release opens."""

    def settle() -> Frozen:
        with world.telemetry.looking(plan.model) as source:
            return frozen_of(source, plan.model, rules, plan.now)

    frozen = plan.ask(settle)
    for name, told in frozen.adjustments.items() if frozen else ():
        if told.theta == 0.0:
            plan.lacking(
                f"{name} will not be adjusted (CUPED): {untold(told)}.",
                "The release runs without; it takes more users to show the same. "
                "Serve the champion for longer, or ask for fewer cuped_days.",
                stops=False,
            )


def _why(ruling: LoadedPolicy, model: str) -> str:
    named = [p for p in ruling.policy.applies_to if fnmatchcase(model, p)]
    if named:
        return f"its applies_to names {named[0]}"
    return "it was asked for, and no policy names the model"


def _one_at_a_time(plan: Plan, world: World) -> None:
    for live in live_releases(world.ledger, plan.model):
        plan.lacking(
            f"Release {live.release_id} of {plan.model} v{live.version} is live: one at a time.",
            f"See `seatrial why {live.release_id}`, or roll it back.",
        )


# ── The version's files ─────────────────────────────────────────────────────────────────────


def _look_at_files(plan: Plan, world: World, artefact: Artefact) -> None:
    variant = TrafficVariant(ref=artefact.ref, digest=artefact.digest)
    plan.ask(lambda: refuse_quarantined(world.ledger, variant))
    rows = plan.ask(lambda: reference_rows(world.registry.path_of(artefact.digest)))
    if rows is not None and not rows:
        plan.lacking(
            f"{artefact.ref} carries no reference rows, so nobody can show that it answers as in "
            "training: staging would hold.",
            "Put reference/rows.jsonl into the model folder and register it again: see "
            "docs/tutorial.md.",
        )


# ── What serves ─────────────────────────────────────────────────────────────────────────────


def _look_at_serving(plan: Plan, world: World) -> None:
    plan.serving = plan.ask(lambda: world.router.current(plan.model))
    if plan.serving is None:
        plan.lacking(
            f"Nothing serves {plan.model} yet, so there is nothing to compare with.",
            f"Run `seatrial adopt {plan.model} VERSION` (or --rule) first.",
        )
        return
    killed = plan.ask(lambda: world.router.killed_to(plan.model))
    if killed is not None:
        plan.lacking(
            f"{plan.model} is out of service, killed to {killed}.",
            f"Once it may serve again: seatrial restore {plan.model} --reason WHY",
        )
    plan.ask(lambda: world.serving.observe(plan.model))
    champion, artefact = plan.serving.champion, plan.artefact
    if champion is not None and artefact is not None and champion.digest == artefact.digest:
        plan.lacking(
            f"{artefact.ref} has the same files as the champion ({champion.ref}).",
            "Register the version you mean to release.",
        )


# ── Traffic ─────────────────────────────────────────────────────────────────────────────────


def _sample(plan: Plan, world: World, rules: ReleasePolicy) -> Sequence[SampleRow]:
    return world.telemetry.sample(
        plan.model,
        now=plan.now,
        rows=rules.staging.sample_rows,
        since=plan.now - WORTH_OF_TRAFFIC,
        horizon_hours=rules.labels.horizon_hours,
    )


def _per_day(rows: Sequence[SampleRow]) -> float | None:
    """The pace of the sample; less than a day of it tells none."""
    times = [row.at for row in rows]
    days = (max(times) - min(times)).total_seconds() / DAY_SECONDS if times else 0.0
    return len(rows) / days if days >= 1.0 else None


def _look_at_traffic(plan: Plan, rules: ReleasePolicy, rows: Sequence[SampleRow] | None) -> None:
    if rows is None:
        return
    enough = sample_evidence(rules, rows)
    if enough.status != "ok":
        plan.lacking(
            f"There is not enough labelled traffic: {enough.detail} Staging would hold.",
            f"Send requests to /models/{plan.model}/predict of the gateway and what became of "
            f"them to /outcomes. A row counts {rules.labels.horizon_hours:g} hours later.",
        )


# ── People ──────────────────────────────────────────────────────────────────────────────────


def _look_at_people(plan: Plan, world: World, rules: ReleasePolicy) -> None:
    if not rules.approvals:
        return
    trainer = plan.artefact.trainer if plan.artefact else None
    if plan.artefact is not None:
        plan.ask(lambda: refuse_unknown_people(world.directory, plan.requester, trainer))
    people = plan.ask(world.directory.everybody)
    if people is None:
        return
    barred = _barred(world, plan.requester, trainer)
    for rule in rules.approvals:
        gate = _gate(rule, people, barred)
        plan.gates.append(gate)
        if missing := unfillable(rule.roles, _offers(gate)):
            plan.lacking(
                f"Nobody can sign for {', '.join(missing)} before {rule.gate.value}.",
                f"Add somebody with that role and a key to {world.home.path / 'people.json'}; "
                "who asks for the release or trained the model does not count.",
            )


def _barred(world: World, requester: str, trainer: str | None) -> dict[str, str]:
    """Person -> why they may not sign."""
    barred: dict[str, str] = {}
    for name, deed in ((trainer, "trained the model"), (requester, "asks for the release")):
        person = world.directory.person(name) if name else None
        if person is not None:
            said = barred.get(person.name)
            barred[person.name] = f"{said} and {deed}" if said else deed
    return barred


def _gate(rule: ApprovalRule, people: Sequence[Person], barred: dict[str, str]) -> Gate:
    can: dict[str, tuple[str, ...]] = {}
    cannot: dict[str, str] = {}
    for role in rule.roles:
        holders = [person for person in people if role in person.roles]
        can[role] = tuple(p.name for p in holders if p.name not in barred and p.public_keys)
        cannot |= {p.name: "has no key" for p in holders if not p.public_keys}
    return Gate(
        gate=rule.gate.value,
        roles=dict(rule.roles),
        expires_hours=rule.expires_hours,
        can=can,
        cannot=cannot | barred,
    )


def _offers(gate: Gate) -> dict[str, list[str]]:
    offers: dict[str, list[str]] = {}
    for role, names in gate.can.items():
        for name in names:
            offers.setdefault(name, []).append(role)
    return offers


# ── The policy itself ───────────────────────────────────────────────────────────────────────


def _look_at_policy(plan: Plan, rules: ReleasePolicy) -> None:
    for step in plan.steps:
        if not step.can_pass:
            plan.lacking(
                f"{step.step.name} cannot pass before its deadline: {step.because} take until "
                f"{step.passes:%Y-%m-%d}, and it ends on {step.deadline:%Y-%m-%d}.",
                f"Give it more days in the policy {rules.policy}, or send more traffic.",
            )
    if not any("column" in line.kwargs for line in rules.staging.contract):
        plan.lacking(
            f"The data contract of {rules.policy} names no column.",
            "Say what requests must carry under staging.contract.",
            stops=False,
        )
