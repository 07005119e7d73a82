"""A policy's plan as people read it: what is assumed, then days, then sight, then what becomes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from deployments.cli.output import show, table
from policies.errors import PolicyError
from policies.loader import LoadedPolicy
from policies.schema import Gap, Guardrail, ReleasePolicy
from tasks.planning.assumed import GAP, Assumed, wanted_of
from tasks.planning.fates import Fate, slack
from tasks.planning.mending import Change
from tasks.planning.plan import OFTEN_ENOUGH, PolicyPlan
from tasks.planning.sight import Sight
from tasks.planning.weighing import GAPS, GROUP, ROWS, guardrail_of

DASH = "–"
SIGHT = """What a step can see, with the luck of one release in five
  asked: the margin of this step
  could show: the margin that a sound candidate is within at the deadline
  finds: the harm that is rolled back by the usual end
"""


def tell(loaded: LoadedPolicy, plan: PolicyPlan) -> None:
    policy = loaded.policy
    show(None, _head(loaded, plan), False)
    _apart(_steps(plan))
    show(None, _time(plan), False)
    _apart(SIGHT)
    for rail in policy.guardrails:
        if rail.name in plan.assumed.left_out:
            continue
        _apart(_bounds(rail))
        show(None, _sight(plan, rail), False)
        if rail.gap is not None:
            _apart(_gap_bounds(rail.name, rail.gap))
            show(None, _gap_sight(plan, rail), False)
    _apart(_fates(policy, plan))
    _apart(_rates(policy, plan))


def _apart(what: str | Table) -> None:
    """After an empty line, as paragraphs stand."""
    show(None, "", False)
    show(None, what, False)


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
    lines += _wanted(policy, plan)
    for rail in policy.guardrails:
        lines += _of_rail(rail, assumed)
    return lines


def _wanted(policy: ReleasePolicy, plan: PolicyPlan) -> list[str]:
    lines = []
    for name, harm in plan.assumed.sound.items():
        rail = next(each for each in policy.guardrails if each.name == name)
        lines.append(f"The wanted candidate is better by {-harm * rail.margin:.2g} in {name}.")
    if policy.goal is not None and not plan.assumed.sound:
        lines.append(f"The candidate is no better, so no goal is asked: --gain, in "
                     f"{policy.goal.guardrail}, says it is.")  # fmt: skip
    if plan.assumed.left_out:
        lines.append(f"NOT simulated, taken to be safe: {', '.join(plan.assumed.left_out)}.")
        lines += [f"  To simulate it, {wanted_of(rail)}." for rail in policy.guardrails
                  if rail.name in plan.assumed.left_out]  # fmt: skip
    return lines


def _of_rail(rail: Guardrail, assumed: Assumed) -> list[str]:
    name = rail.name
    if name in assumed.left_out:
        return []
    users = f"  {assumed.users_per_hour:,.0f} of them an hour, each by itself, none twice."
    if name in assumed.user_spreads:
        of = "ratio" if rail.kind == "ratio" else "mean"
        unit = f" of the champion's {of}" if rail.relative else ""
        lines = [f"{name}: users differ by {assumed.user_spreads[name]:.3g}{unit} (as given),",
                 users]  # fmt: skip
        if rail.kind == "ratio":
            over = rail.name_of_metric if rail.relative else rail.per
            lines.append(f"  That is {rail.name_of_metric} - ratio x {rail.per} of a user, over "
                         f"the mean of {over}.")  # fmt: skip
        return [*lines, "  less what they brought before (CUPED)."] if rail.cuped_days else lines
    if name in assumed.spreads:
        return _of_days(rail, assumed)
    if rail.metric == "missing":
        share = f"{assumed.base_rates[name]:.3g} of the champion's users"
        return [f"{name}: {share} post no {rail.name_of_metric} (as given),", users]
    how = "as given" if name in assumed.rates_given else "half of at_most"
    how = "its quantile" if rail.kind == "quantile" else how
    lines = [f"{name}: {assumed.base_rates[name]:.3g} of the champion's answers ({how}),",
             "  each request by itself."]  # fmt: skip
    if rail.unit == "request":
        lines.append("  Weighed by the day here, and by the hour in a release.")
    return lines


def _of_days(rail: Guardrail, assumed: Assumed) -> list[str]:
    name, days = rail.name, assumed.planned_days
    if rail.kind != "paired_mean":
        days = assumed.compared_days
    how = f"from information: {days:g} days, {rail.information:g}"
    how = "as given" if name in assumed.spreads_given else how
    lines = [f"{name}: days differ by {assumed.spreads[name]:.3g} ({how}),",
             "  independently of each other and of the traffic."]  # fmt: skip
    if rail.segments is not None:
        count = len(rail.segments.values)
        lines.append(f"  Its {count} groups are of one size and share half of what a day brings.")
    if rail.gap is not None:
        count, between = len(rail.gap.values), assumed.spreads[name + GAP]
        how = "as given" if name + GAP in assumed.spreads_given else "from its information"
        gaps = f"Its {count} gaps differ" if count > 1 else "Its gap differs"
        lines += [
            f"  {gaps} by {between:.3g} from day to day ({how});",
            f"  each group has one request in {count + 1}, and no harm opens a gap.",
        ]
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
    return table(f"Days at each step, for a candidate {_good(plan)}", columns, rows)


def _good(plan: PolicyPlan) -> str:
    better = [name for name, harm in plan.assumed.sound.items() if harm < 0]
    return f"better in {better[0]}" if better else "as good as the champion"


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


def _gap_bounds(name: str, gap: Gap) -> str:
    line = (
        f"{name}, gap of each group: margin {gap.margin:g}, rolls back beyond {gap.rollback_at:g}"
    )
    return f"{line}\n  told and not asked: {', '.join(gap.reported)}" if gap.reported else line


def _gap_sight(plan: PolicyPlan, rail: Guardrail) -> Table:
    found = {each.step: each for each in plan.sights if each.guardrail == rail.name + GAPS}
    rows = [(step.step, *_cells(found.get(step.step))) for step in plan.steps]
    return table("", ["step", "asked", "could show", "finds"], rows)


def _cells(sight: Sight | None) -> tuple[str, ...]:
    if sight is None:
        return (DASH,) * 3
    asked = DASH if sight.asks is None else _size(sight.asks)
    return asked, _size(sight.shows), _size(sight.finds)


def _size(value: float | None) -> str:
    return "none" if value is None else f"{value:.2g}"


def _fates(policy: ReleasePolicy, plan: PolicyPlan) -> Table:
    rows = [_fate("better" if plan.assumed.sound else "as good", "", plan.sound)]
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
            f"  rolled back, {_good(plan)}: {_share(plan.sound.rolled_back, plan.sound)}",
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
        f"{plan.policy} cannot work with this traffic: of candidates {_good(plan)} "
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
    if any(each.kind == "gain" for each in found):
        lines[-1] += "; plan them with --gain"
    advice = "\n  or ".join(["one of these is enough:", *lines]).replace("\n  or ", "\n  ", 1)
    if not found:
        advice = (
            "no single change of traffic, deadlines or margins that was tried is enough: widen "
            "the margin and give more days together, or choose another tier."
        )
    waits = {guardrail_of(what) + (GAP if what.endswith(GAPS) else "")
             for _, what, _ in plan.held_at}  # fmt: skip
    if guessed := sorted(waits & (set(plan.assumed.spreads) - plan.assumed.spreads_given)):
        say = " ".join(f'--day-spread "{name}=…"' for name in guessed)
        advice += (
            f"\n  If days differ less than was assumed, say by how much: {say}. "
            "An earlier release's looks show it."
        )
    return advice
