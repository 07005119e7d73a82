"""The operating characteristic as a drawing: what becomes of a candidate, by how bad it is.

One panel a guardrail, self-contained, and readable on light and on dark paper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from policies.schema import ReleasePolicy
from tasks.planning.fates import Fate, slack
from tasks.planning.plan import PolicyPlan

WIDTH, PANEL, LEFT, RIGHT, HEAD, FOOT = 720, 250, 56, 128, 84, 30
LINE = 17
TOP, BOTTOM = 34, 46  # of a panel
MANY_LETTERS = 60
LINES = (("rolled back", "back"), ("held", "held"), ("promoted", "pass"))
STYLE = """
svg{--ink:#1c2430;--soft:#5b6675;--grid:#dfe4ea;--paper:#fff;--back:#b3261e;--held:#8a6100;
--pass:#1d6f42;font:13px system-ui,sans-serif}
@media (prefers-color-scheme:dark){svg{--ink:#e8ecf1;--soft:#a5afbc;--grid:#39424e;--paper:#151a21;
--back:#ff8a80;--held:#f2c14e;--pass:#6fd39a}}
.paper{fill:var(--paper)}text{fill:var(--ink)}.soft{fill:var(--soft);font-size:12px}
.title{font-size:16px;font-weight:600}.name{font-weight:600}
.grid{stroke:var(--grid)}.edge{stroke:var(--soft);stroke-dasharray:4 3}
.line{fill:none;stroke-width:2.2}.room{opacity:.35;stroke-width:5}.room.held{stroke-dasharray:none}.dot{stroke-width:1.8}.end{text-anchor:end}.mid{text-anchor:middle}
.back{stroke:var(--back)}.held{stroke:var(--held);stroke-dasharray:7 3}.pass{stroke:var(--pass)}
.dot.back{fill:var(--back)}.dot.held{fill:var(--held);stroke-dasharray:none}.dot.pass{fill:var(--pass)}
text.back{fill:var(--back);stroke:none}text.held{fill:var(--held);stroke:none}
text.pass{fill:var(--pass);stroke:none}
"""


def picture(policy: ReleasePolicy, plan: PolicyPlan) -> str:
    """The whole drawing, as text of a file."""
    left_out = _left_out(plan)
    head = HEAD + len(left_out) * LINE
    height = head + PANEL * len(policy.guardrails) + FOOT
    name = escape(f"{policy.policy}: what becomes of a candidate that is worse")
    shapes = [
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="30">{name}</text>',
        _text(LEFT, 50, _assumed(plan), "soft"),
        _text(LEFT, 50 + LINE, _others(policy, plan), "soft"),
        *(_text(LEFT, 50 + 2 * LINE, told, "soft") for told in left_out),
    ]
    for place, rail in enumerate(policy.guardrails):
        points = [(plan.assumed.sound.get(rail.name, 0.0), plan.sound)]
        points += [(each.harm, each) for each in plan.fates if each.guardrail == rail.name]
        edge = rail.rollback_at / rail.margin
        unit = " of the champion's" if rail.relative else ""
        axis = f"worse by, in margins of {rail.margin:g}{unit}"
        shapes += _panel(head + place * PANEL, rail.name, axis, edge, points)
    foot = height - 14
    told = (
        f"{plan.runs} simulated releases a point, the same days for each, seed {plan.seed}; "
        "broad lines: three standard errors."
    )
    shapes.append(_text(LEFT, foot, told, "soft"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="t d">'
        f'<title id="t">{name}</title><desc id="d">{escape(_described(policy, plan))}</desc>'
        f"<style>{STYLE}</style>{''.join(shapes)}</svg>\n"
    )


def _assumed(plan: PolicyPlan) -> str:
    assumed = plan.assumed
    told = f"{assumed.per_hour:,.0f} requests an hour"
    if assumed.users_per_hour == assumed.per_hour:
        return told
    return f"{told}, {assumed.users_per_hour:,.0f} users an hour who are new to a step"


def _left_out(plan: PolicyPlan) -> list[str]:
    names = plan.assumed.left_out
    told = ", ".join(names)
    if len(told) > MANY_LETTERS:
        told = f"{len(names)} guardrails"
    return [f"Not simulated, taken to be safe: {told}."] if names else []


def _others(policy: ReleasePolicy, plan: PolicyPlan) -> str:
    for rail in policy.guardrails:
        if better := -plan.assumed.sound.get(rail.name, 0.0):
            return (
                f"One guardrail at a time; else better by {better * rail.margin:.2g} in "
                f"{rail.name}, and as good as the champion."
            )
    return "One guardrail at a time; the others are as good as the champion."


def _panel(
    top: float, name: str, axis: str, edge: float, points: Sequence[tuple[float, Fate]]
) -> list[str]:
    low, high = top + PANEL - BOTTOM, top + TOP
    right = WIDTH - RIGHT

    least, most = points[0][0], points[-1][0]  # margins

    def x(harm: float) -> float:
        return LEFT + (harm - least) / (most - least) * (right - LEFT)

    def y(share: float) -> float:
        return low - share * (low - high)

    shapes = [_text(LEFT, top + 14, name, "name")]
    for share in (0.0, 0.5, 1.0):
        shapes.append(f'<path class="grid" d="M{LEFT} {y(share):.1f}H{right}"/>')
        shapes.append(_text(LEFT - 8, y(share) + 4, f"{share:.0%}", "soft end"))
    for harm, told in ((edge, "rollback_at"), (1.0, "margin")):
        shapes.append(f'<path class="edge" d="M{x(harm):.1f} {high}V{low}"/>')
        shapes.append(_text(x(harm), high - 5, told, "soft mid"))
    shapes += [_text(x(n), low + 18, f"{n:g}", "soft mid") for n, _ in points]
    shapes.append(_text((LEFT + right) / 2, low + 36, axis, "soft mid"))
    ends = _apart([y(_share(points[-1][1], word)) for word, _ in LINES])
    for (word, style), end in zip(LINES, ends, strict=True):
        at = [(x(harm), y(_share(fate, word))) for harm, fate in points]
        path = " L".join(f"{a:.1f} {b:.1f}" for a, b in at)
        shapes += [_room(x(harm), y, _share(fate, word), fate.runs, style) for harm, fate in points]
        shapes.append(f'<path class="line {style}" d="M{path}"/>')
        shapes += [_dot(a, b, style) for a, b in at]
        shapes.append(_text(right + 10, end + 4, word, style))
    return shapes


def _room(x: float, y: Callable[[float], float], share: float, runs: int, style: str) -> str:
    """What the share could be as well, for all that so few releases tell."""
    more = slack(share, runs)
    high, low = y(min(share + more, 1.0)), y(max(share - more, 0.0))
    return f'<path class="room {style}" d="M{x:.1f} {high:.1f}V{low:.1f}"/>'


def _share(fate: Fate, word: str) -> float:
    return {"rolled back": fate.rolled_back, "held": fate.held, "promoted": fate.promoted}[word]


def _dot(x: float, y: float, style: str) -> str:
    """The shape tells the outcome, not its colour alone."""
    shape = {
        "back": "M-4 -4L4 4M-4 4L4 -4",
        "held": "M-3.5 -3.5H3.5V3.5H-3.5Z",
        "pass": "M0 -4A4 4 0 1 1 -.01 -4Z",
    }[style]
    return f'<path class="dot {style}" transform="translate({x:.1f} {y:.1f})" d="{shape}"/>'


def _apart(places: Sequence[float], least: float = 16.0) -> list[float]:
    """Words that would lie on each other, moved up in order."""
    order = sorted(range(len(places)), key=lambda n: -places[n])
    found, before = list(places), float("inf")
    for n in order:
        found[n] = min(places[n], before - least)
        before = found[n]
    return found


def _text(x: float, y: float, words: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}">{escape(words)}</text>'


def _described(policy: ReleasePolicy, plan: PolicyPlan) -> str:
    parts = [*_left_out(plan), f"As good as the champion: {_fate(plan.sound)}."]
    parts += [
        f"{each.guardrail} worse by {each.harm:g} margins: {_fate(each)}." for each in plan.fates
    ]
    return " ".join(parts)


def _fate(fate: Fate) -> str:
    return ", ".join(f"{word} {_share(fate, word):.0%}" for word, _ in LINES)
