"""A policy's plan as people read it: what is assumed, then days, then sight, then what becomes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from deployments.cli.output import show, table
from policies.errors import PolicyError
from policies.loader import LoadedPolicy
from policies.schema import Guardrail, ReleasePolicy
from tasks.planning.fates import Fate, slack
from tasks.planning.mending import Change
from tasks.planning.plan import OFTEN_ENOUGH, PolicyPlan
from tasks.planning.sight import Sight
from tasks.planning.weighing import GROUP, ROWS

DASH = "–"
SIGHT = """What a step can see, with the luck of one release in five
  asked: the margin of this step
  could show: the margin that a sound candidate is within at the deadline
  finds: the harm that is rolled back by the usual end
"""


def tell(loaded: LoadedPolicy, plan: PolicyPlan) -> None:
    policy = loaded.policy
    show(None, _head(loaded, plan), False)
    show(None, _steps(plan), False)
    show(None, _time(plan), False)
    show(None, SIGHT, False)
    for rail in policy.guardrails:
        show(None, _bounds(rail), False)
        show(None, _sight(plan, rail), False)
    show(None, _fates(policy, plan), False)
    show(None, _rates(policy, plan), False)


def _head(loaded: LoadedPolicy, plan: PolicyPlan) -> str:
    assumed = plan.assumed
    lines = [
        f"{plan.policy} ({loaded.digest[:19]}…) with {assumed.per_hour:,.0f} requests an hour.",
        f"Simulated: {plan.runs} releases a question, seed {plan.seed}; nothing is begun.",
        "",
        "Assumed",
    ]
    lines += [f"  {line}" for line in assumptions(loaded.policy, plan)]
    return "\n".join([*lines, ""])


def assumptions(policy: ReleasePolicy, plan: PolicyPlan) -> list[str]:
    """Everything that the figures rest on, a line each, none longer than a narrow terminal."""
    assumed = plan.assumed
    lines = [
        "Requests come evenly around the clock; the champion scores them all.",
        "Staging passes, sign-offs come at once, no label or mirrored row is lost.",
        "Users are split as the policy asks.",
        "A harm is there from the first request on, in one guardrail at a time.",
        "A release still held at a step's deadline ends there, as held.",
    ]
    if policy.goal is not None:
        lines.append(f"The goal ({policy.goal.guardrail}) is left out: only guardrails are asked.")
    for rail in policy.guardrails:
        if rail.kind == "paired_mean":
            how = (
                "as given"
                if assumed.spread_given
                else f"from information: {assumed.planned_days:g} days, {rail.information:g}"
            )
            lines.append(f"{rail.name}: days differ by {assumed.spreads[rail.name]:.3g} ({how}),")
            lines.append("  independently of each other and of the traffic.")
            if rail.segments is not None:
                lines.append(
                    f"  Its {len(rail.segments.values)} groups are of one size and differ "
                    "independently."
                )
            continue
        how = "as given" if rail.name in assumed.rates_given else "half of at_most"
        how = "its quantile" if rail.kind == "quantile" else how
        lines.append(
            f"{rail.name}: {assumed.base_rates[rail.name]:.3g} of the champion's answers ({how}),"
        )
        lines.append("  each request by itself.")
    return lines


def _steps(plan: PolicyPlan) -> Table:
    rows = [
        (
            each.step,
            f"{each.users:.0%}" if each.users else "mirror",
            _days(each.least_days),
            _days(each.usual_days),
            _days(each.most_days),
            _days(each.deadline_days),
            f"{each.requests:,}",
        )
        for each in plan.steps
    ]
    columns = ("step", "users", "least", "usual", "19 in 20", "deadline", "exposed")
    return table("Days at each step, for a candidate as good as the champion", columns, rows)


def _days(value: float | None) -> str:
    return DASH if value is None else f"{value:.3g}"


def _time(plan: PolicyPlan) -> str:
    if plan.usual_days is None:
        return f"No such candidate was promoted. At the deadlines: {plan.worst_days:.4g} days.\n"
    return (
        f"Promoted after {plan.usual_days:.3g} days (median), {plan.most_days:.3g} in 19 of 20; "
        f"at worst {plan.worst_days:.4g}.\n"
    )


def _sight(plan: PolicyPlan, rail: Guardrail) -> Table:
    found = {(each.step, each.guardrail): each for each in plan.sights}
    columns, rows = ["step", "asked", "could show", "finds"], []
    if rail.segments is not None:
        columns += ["of a group", "could show", "finds"]
    for step in plan.steps:
        whole, part = (found.get((step.step, name)) for name in (rail.name, rail.name + GROUP))
        rows.append((step.step, *_cells(whole), *(_cells(part) if rail.segments else ())))
    return table("", columns, rows)


def _bounds(rail: Guardrail) -> str:
    unit = ", as shares of the champion's" if rail.relative else ""
    return f"{rail.name}: margin {rail.margin:g}, rolls back beyond {rail.rollback_at:g}{unit}"


def _cells(sight: Sight | None) -> tuple[str, ...]:
    if sight is None:
        return (DASH,) * 3
    return tuple(_size(value) for value in (sight.asks, sight.shows, sight.finds))


def _size(value: float | None) -> str:
    return "none" if value is None else f"{value:.2g}"


def _fates(policy: ReleasePolicy, plan: PolicyPlan) -> Table:
    rows = [_fate("as good", "", plan.sound)]
    for each in plan.fates:
        rows.append(_fate(each.guardrail, f"{each.harm:g}", each))
    columns = ("worse in", "margins", "rolled back", "promoted", "held", "exposed", "19 in 20")
    return table("What becomes of a candidate, and requests it answers (mean)", columns, rows)


def _fate(name: str, harm: str, fate: Fate) -> tuple[str, ...]:
    return (
        name, harm, f"{fate.rolled_back:.0%}", f"{fate.promoted:.0%}", f"{fate.held:.0%}",
        f"{fate.exposed_mean:,}", f"{fate.exposed_most:,}",
    )  # fmt: skip


def _rates(policy: ReleasePolicy, plan: PolicyPlan) -> str:
    budget, border, wrong = policy.budget, plan.border, plan.wrongly_promoted
    return "\n".join(
        [
            "Wrong decisions",
            f"  rolled back, as good as the champion: {_share(plan.sound.rolled_back, plan.sound)}",
            f"  rolled back, at rollback_at everywhere: {_share(border.rolled_back, border)}; "
            f"allowed {budget.rollback_alpha:g}",
            f"  promoted, {wrong.guardrail} at its margin: {_share(wrong.promoted, wrong)}; "
            f"allowed {budget.promote_beta:g}",
            "",
            _end(plan),
        ]
    )


def _share(share: float, fate: Fate) -> str:
    return f"{share:.3f} ± {slack(share, fate.runs):.3f}"


def _end(plan: PolicyPlan) -> str:
    if not plan.works:
        return "This plan does not work."
    return (
        f"This plan works: {plan.sound.promoted:.0%} of sound candidates are promoted "
        f"(at least {OFTEN_ENOUGH:.0%} asked)."
    )


def refusal(policy: ReleasePolicy, plan: PolicyPlan, found: Sequence[Change]) -> PolicyError:
    """What keeps it from working, and the least that would help."""
    faults = [
        f"{share:.0%} held at {step}: {_waited(policy, plan, step, what)}"
        for step, what, share in plan.held_at[:4]
    ]
    if plan.sound.rolled_back:
        faults.append(f"{plan.sound.rolled_back:.0%} rolled back")
    message = (
        f"{plan.policy} cannot work with this traffic: of candidates as good as the champion "
        f"{plan.sound.promoted:.0%} are promoted, {OFTEN_ENOUGH:.0%} is the least."
    )
    return PolicyError(message, faults=tuple(faults), advice=_advice(plan, found))


def _waited(policy: ReleasePolicy, plan: PolicyPlan, step: str, what: str) -> str:
    if what == ROWS:
        rules = next(policy.rules_for(each) for each in policy.steps() if each.name == step)
        return f"fewer than {getattr(rules, 'min_rows', 0):,} rows by its deadline"
    seen = next((s for s in plan.sights if (s.step, s.guardrail) == (step, what)), None)
    if seen is None or seen.asks is None:
        return f"{what} is not shown in time"
    could = "nothing" if seen.shows is None else f"{seen.shows:.2g}"
    return f"{what} asks {seen.asks:.2g}, and four in five could show {could} by its deadline"


def _advice(plan: PolicyPlan, found: Sequence[Change]) -> str:
    lines = [f"{each.told} ({each.promoted:.0%} promoted)" for each in found]
    advice = "\n  or ".join(["one of these is enough:", *lines]).replace("\n  or ", "\n  ", 1)
    if not found:
        advice = (
            "no single change of traffic, deadlines or margins that was tried is enough: widen "
            "the margin and give more days together, or choose another tier."
        )
    waits = {what.removesuffix(GROUP) for _, what, _ in plan.held_at}
    if waits & set(plan.assumed.spreads) and not plan.assumed.spread_given:
        advice += (
            "\n  If days differ less than was assumed, say by how much: --day-spread. "
            "An earlier release's looks show it."
        )
    return advice
