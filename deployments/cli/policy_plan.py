"""``seatrial policy plan``: what a policy would do with your traffic, before a release begins."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.cli import output
from deployments.cli.policy import Catalog, load_named
from policies.errors import PolicyError
from policies.loader import LoadedPolicy

if TYPE_CHECKING:
    from tasks.planning.fates import Tick
    from tasks.planning.mending import Change
    from tasks.planning.plan import PolicyPlan, Share

PER_HOUR = {"s": 3600.0, "min": 60.0, "h": 1.0, "d": 1 / 24}
TRAFFIC = re.compile(r"(\d[\d_,]*(?:\.\d+)?)(k|M)?/(s|min|h|d)")
FURTHEST = 20.0  # margins
MOST_PROCESSES = 4  # each takes some 150 MB
WORTH_PROCESSES = 40  # releases a question; below it their start takes longer
TIMES = {"k": 1e3, "M": 1e6, None: 1.0}


def register(app: typer.Typer) -> None:
    app.command()(plan)


def plan(
    policy: Annotated[str, typer.Argument(help="A file, a policy's name, or a model's.")],
    traffic: Annotated[str, typer.Option(help="Requests the model answers: 1000/h, 20/s, 24k/d.")],
    base_rate: Annotated[
        list[str] | None,
        typer.Option(
            "--base-rate",
            help="The champion's share of faults: 0.01, or NAME=0.01 for one "
            "guardrail; may be repeated. Of users without a value: NAME=0.3, else such a "
            "guardrail is taken to be safe.",
        ),
    ] = None,
    day_spread: Annotated[
        list[str] | None,
        typer.Option(
            help="How much a day's mean difference spreads; else from information: "
            "0.02, or NAME=0.02; may be repeated."
        ),
    ] = None,
    user_spread: Annotated[
        list[str] | None,
        typer.Option(
            help="How much users' values spread, for means and ratios by user: NAME=12; else "
            "such a guardrail is taken to be safe."
        ),
    ] = None,
    users: Annotated[
        str | None,
        typer.Option(help="Users who are new to a step: 5k/d; else each request is another's."),
    ] = None,
    gain: Annotated[
        float,
        typer.Option(help="How much better the wanted candidate is in the goal; else as good."),
    ] = 0.0,
    harm: Annotated[
        list[float] | None,
        typer.Option(help="A harm to try, in margins; may be repeated. Else .5, 1, 1.5, 2, 3."),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(help="Draw what becomes of worse candidates into this file.")
    ] = None,
    runs: Annotated[
        int | None, typer.Option(min=5, max=5000, help="Simulated releases a question.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another draw of the days.")] = None,
    catalog: Catalog = None,
    as_json: output.AsJson = False,
) -> None:
    """Simulate releases under a policy: how long they take, what they miss, whom they expose.

    Exit 1 when the policy cannot work with this traffic, with the smallest change that would help.
    """
    asked = _Asked(
        _traffic(traffic),
        _rates(base_rate or []),
        _spreads("--day-spread", day_spread or []),
        _spreads("--user-spread", user_spread or []),
        None if users is None else _traffic(users, "--users"),
        gain,
        _harms(harm or []),
        runs,
        seed,
    )
    _refuse_nowhere(svg)
    try:
        loaded = load_named(policy, catalog)
        made, found = _made(loaded, asked)
        if svg is not None:
            _draw(svg, loaded, made)
    except PolicyError as error:
        raise typer.Exit(output.fail(error)) from error
    from deployments.cli.policy_plan_text import refusal, tell

    if as_json:
        output.show(_data(loaded, made, found), "", True)
    else:
        tell(loaded, made)
    if svg is not None:
        output.say(f"Drawn: {svg}")
    if not made.works:
        raise typer.Exit(output.fail(refusal(loaded.policy, made, found)))


@dataclass(frozen=True)
class _Asked:
    per_hour: float
    rates: dict[str, float]
    day_spreads: dict[str, float]
    user_spreads: dict[str, float]
    users_per_hour: float | None
    gain: float
    harms: tuple[float, ...]
    runs: int | None
    seed: int | None


def _made(loaded: LoadedPolicy, asked: _Asked) -> tuple[PolicyPlan, tuple[Change, ...]]:
    from tasks.planning.assumed import Given, assume, simulated
    from tasks.planning.mending import changes
    from tasks.planning.plan import RUNS, SEED, harms_of, make_plan, work_ahead

    given = Given(
        asked.per_hour, asked.rates, asked.day_spreads, asked.user_spreads,
        asked.users_per_hour, asked.gain,
    )  # fmt: skip
    assumed, harms = assume(loaded.policy, given), harms_of(asked.harms)
    rules = simulated(loaded.policy, assumed)
    runs, seed = asked.runs or RUNS, SEED if asked.seed is None else asked.seed
    ahead = work_ahead(rules, assumed, runs, harms)
    with _progress("Simulating releases", ahead) as tick, _shared(runs) as share:
        made = make_plan(rules, assumed, runs, seed, tick, harms, share)
    if made.works:
        return made, ()
    with _progress("Looking for the smallest change", None) as tick:
        return made, changes(rules, assumed, made, seed, tick)


@contextmanager
def _shared(runs: int) -> Iterator[Share]:
    """By as many processes as there are cores, where there is enough work to start them for."""
    cores = min(os.cpu_count() or 1, MOST_PROCESSES)
    if runs < WORTH_PROCESSES or cores < 2:
        yield map
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(cores, get_context("spawn"), _hear_no_interrupt) as pool:
        try:
            yield pool.map
        except BaseException:  # Ctrl-C above all: what has not begun shall not begin
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _hear_no_interrupt() -> None:
    """Ctrl-C reaches every process of a terminal; the first one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Tick]:
    """A bar on the terminal's error output; elsewhere nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def _traffic(text: str, option: str = "--traffic") -> float:
    found = TRAFFIC.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(
            f"{text!r} is no traffic. Say how many requests in which time: 1000/h, 20/s, 24k/d.",
            param_hint=option,
        )
    count = float(re.sub("[_,]", "", found[1])) * TIMES[found[2]]
    if not count:
        raise typer.BadParameter(
            "without traffic there is nothing to plan with. Say how many requests the model "
            "answers today: 1000/h.",
            param_hint=option,
        )
    return count * PER_HOUR[found[3]]


def _rates(given: list[str]) -> dict[str, float]:
    """By guardrail; under "" the one for all others."""
    rates: dict[str, float] = {}
    for text in given:
        name, _, value = text.rpartition("=")
        try:
            rate = float(value)
        except ValueError as error:
            raise _bad_rate(text) from error
        if not 0.0 < rate < 1.0:
            raise _bad_rate(text)
        rates[name.strip()] = rate
    return rates


def _spreads(option: str, given: list[str]) -> dict[str, float]:
    """As ``_rates``; whether the number can be is asked where the guardrail is known."""
    spreads: dict[str, float] = {}
    for text in given:
        name, _, value = text.rpartition("=")
        try:
            spreads[name.strip()] = float(value)
        except ValueError as error:
            raise typer.BadParameter(
                f"{text!r} is no spread. Give a number, for all guardrails (0.02) or for one "
                '("quality=0.02").',
                param_hint=option,
            ) from error
    return spreads


def _harms(given: list[float]) -> tuple[float, ...]:
    for harm in given:
        if not 0.0 < harm <= FURTHEST:
            raise typer.BadParameter(
                f"{harm:g} margins cannot be tried. Give a number above 0, to {FURTHEST:g}.",
                param_hint="--harm",
            )
    return tuple(given)


def _refuse_nowhere(svg: Path | None) -> None:
    """Before a minute is spent on a drawing that has no place."""
    if svg is not None and not svg.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {svg.parent}.", param_hint="--svg")


def _bad_rate(text: str) -> typer.BadParameter:
    return typer.BadParameter(
        f"{text!r} is no base rate. Give a share above 0 and below 1, for all guardrails (0.01) "
        'or for one ("slow answers=0.02").',
        param_hint="--base-rate",
    )


def _draw(file: Path, loaded: LoadedPolicy, made: PolicyPlan) -> None:
    from tasks.planning.assumed import simulated
    from tasks.planning.picture import picture

    drawn = simulated(loaded.policy, made.assumed)
    file.write_text(picture(drawn, made), encoding="utf-8")


def _data(loaded: LoadedPolicy, made: PolicyPlan, found: tuple[Change, ...]) -> dict[str, Any]:
    from tasks.planning.fates import slack

    told = asdict(made)
    for given in ("rates_given", "spreads_given"):
        told["assumed"][given] = sorted(told["assumed"][given])
    return {
        "digest": loaded.digest,
        **told,
        "works": made.works,
        "false_rollback": {"share": made.border.rolled_back,
                           "slack": slack(made.border.rolled_back, made.border.runs)},
        "false_promotion": {"share": made.wrongly_promoted.promoted,
                            "guardrail": made.wrongly_promoted.guardrail,
                            "slack": slack(made.wrongly_promoted.promoted,
                                           made.wrongly_promoted.runs)},
        "changes": [asdict(each) for each in found],
    }  # fmt: skip
