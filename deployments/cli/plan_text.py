"""A plan as people read it, and as programs do."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from deployments.cli.output import show, table
from deployments.cli.planning import Gate, Plan
from policies.vocabulary import FULL_WEIGHT_BP, Stage


def tell(plan: Plan, as_json: bool) -> None:
    if as_json:
        show(data(plan), "", True)
        return
    show(None, _head(plan), False)
    if plan.steps:
        show(None, _steps(plan), False)
        show(None, _checks(plan), False)
    if plan.ruling is not None:
        show(None, _signing(plan), False)
    show(None, _missing(plan) if plan.lacks else "\nNothing is missing.", False)
    show(None, _end(plan), False)


def _head(plan: Plan) -> str:
    lines = [f"{plan.model} v{plan.version}, asked for by {plan.requester}. Nothing is begun."]
    if plan.ruling is not None:
        policy = plan.ruling.policy
        lines.append(
            f"Ruled by {policy.policy} (tier {policy.tier}, {plan.ruling.digest[:19]}…): "
            f"{plan.why_policy}."
        )
    if plan.serving is not None:
        champion = plan.serving.champion
        against = champion.ref if champion else f"the rule {plan.serving.baseline:g}"
        lines.append(f"Compared with {against}.")
    return "\n".join(lines)


def _steps(plan: Plan) -> Table:
    rows = [
        (
            each.step.name,
            f"{each.step.weight_bp / FULL_WEIGHT_BP:.0%}"
            if each.step.weight_bp
            else "mirrored"
            if each.step.mirror
            else "none",
            f"{each.min_days:g} d",
            f"{each.look_every_hours:g} h",
            f"{each.opens:%Y-%m-%d %H:%M}",
            f"{each.passes:%Y-%m-%d %H:%M}",
            each.because,
            _gate_words(plan, each.step.stage),
        )
        for each in plan.steps
    ]
    columns = ("step", "users", "least", "look", "opens", "passes", "not before", "signed by")
    return table("Earliest dates, by the model's clock; people may take longer", columns, rows)


def _gate_words(plan: Plan, stage: Stage) -> str:
    rule = plan.ruling.policy.approval_for(stage) if plan.ruling else None
    return "" if rule is None else ", ".join(f"{n} × {role}" for role, n in rule.roles.items())


def _checks(plan: Plan) -> Table:
    rows: list[tuple[str, str]] = []
    for each in plan.steps:
        rows += [(each.step.name if at == 0 else "", check) for at, check in enumerate(each.checks)]
    return table("What each step must show", ("step", "check"), rows)


def _signing(plan: Plan) -> str:
    if plan.ruling is not None and not plan.ruling.policy.approvals:
        return "\nNobody has to sign."
    return "\n".join(["\nWho signs", *(line for gate in plan.gates for line in _gate_lines(gate))])


def _gate_lines(gate: Gate) -> list[str]:
    lines = [f"  Before {gate.gate}, within {gate.expires_hours:g} hours of being asked:"]
    for role, count in gate.roles.items():
        names = ", ".join(gate.can[role]) or "nobody"
        lines.append(f"    {count} × {role}: {names} can.")
    lines += [f"    {name} cannot: {why}." for name, why in gate.cannot.items()]
    return lines


def _missing(plan: Plan) -> Table:
    rows = [("stops it" if lack.stops else "advice", lack.what, lack.advice) for lack in plan.lacks]
    return table("Missing", ("", "what", "what to do"), rows)


def _end(plan: Plan) -> str:
    if plan.is_stopped:
        return "A release begun now would be refused or would hold. Nothing was begun."
    return f"Begin it: seatrial release {plan.model} {plan.version}"


def data(plan: Plan) -> dict[str, Any]:
    ruling = plan.ruling
    return {
        "model": plan.model,
        "version": plan.version,
        "requester": plan.requester,
        "now": plan.now.isoformat(),
        "policy": ruling.policy.policy if ruling else None,
        "policy_digest": ruling.digest if ruling else None,
        "why_policy": plan.why_policy,
        "artefact": plan.artefact.plain() if plan.artefact else None,
        "serving": plan.serving.plain() if plan.serving else None,
        "steps": [each.plain() | {"can_pass": each.can_pass} for each in plan.steps],
        "gates": [gate.plain() for gate in plan.gates],
        "missing": [lack.plain() for lack in plan.lacks],
        "stopped": plan.is_stopped,
    }
