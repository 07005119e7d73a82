"""``seatrial judge``: a recorded verdict recomputed from its file, without any server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.cli.output import AsJson, say, show, table
from policies.errors import EvidenceError

if TYPE_CHECKING:
    from policies.standing import Standing
    from tasks.evidence.evidence_file import EvidenceFile
    from tasks.evidence.recompute import Recomputed

NOT_RECOMPUTED = 3  # incomplete: other statistics judged it
DIFFERS = 4


def register(app: typer.Typer) -> None:
    app.command()(judge)


def judge(
    file: Annotated[
        Path, typer.Argument(help="An evidence file, from `seatrial why RELEASE --evidence FILE`.")
    ],
    as_json: AsJson = False,
) -> None:
    """Recompute a recorded verdict from its evidence file, offline, and compare.

    Needs no home, no server and no network. Exit 0: the same verdict, reasons and counts, and
    e-values within 1e-9. 1: no evidence file, or one that cannot be judged. 3: judged by other
    statistics than this code has, so not recomputed. 4: something differs; each is named.
    """
    from policies.standing import standings
    from tasks.evidence.evidence_file import read_evidence
    from tasks.evidence.recompute import recompute

    read = read_evidence(_bytes(file))
    found = recompute(read)
    items = standings(found.policy, found.evidence, found.verdict)
    if as_json:
        show(_data(read.file, found, items), "", True)
    else:
        _tell(read.file, found, items)
    if code := {"differs": DIFFERS, "not recomputed": NOT_RECOMPUTED}.get(found.answer.value):
        say(_advice(found))
        raise typer.Exit(code)


def _bytes(file: Path) -> bytes:
    """No more than a little beyond what such a file may have: a device has no end."""
    from tasks.evidence.evidence_file import LARGEST_BYTES

    try:
        if not file.is_file():
            what = "is a folder" if file.is_dir() else "is not there" if not file.exists() else (
                "is no file"
            )  # fmt: skip
            raise EvidenceError(
                f"{file} {what}.",
                advice="Write one from the ledger: seatrial why RELEASE --evidence FILE",
            )
        with file.open("rb") as opened:
            return opened.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise EvidenceError(
            f"{file} cannot be read: {error.strerror or error}.",
            advice="Check the path and its rights.",
        ) from error


def _data(file: EvidenceFile, found: Recomputed, items: tuple[Standing, ...]) -> dict[str, Any]:
    opened, looked = file.opened, file.looked
    return {
        "answer": found.answer.value,
        "differences": [vars(each) for each in found.differences],
        "release_id": looked.release_id,
        "model": looked.model,
        "version": opened.payload.version,
        "step": found.step.plain(),
        "look": looked.payload.look,
        "at": looked.at.isoformat(),
        "statistics": found.statistics,
        "entry": {"seq": looked.seq, "hash": looked.hash},
        "policy_digest": opened.payload.policy_digest,
        "evidence_digest": looked.payload.evidence_digest,
        "recorded": looked.payload.verdict.plain(),
        "recomputed": found.verdict.plain() if found.answer.value != "not recomputed" else None,
        "items": [item.plain() for item in items],
    }


def _tell(file: EvidenceFile, found: Recomputed, items: tuple[Standing, ...]) -> None:
    from policies.verdict import power

    opened, looked, verdict = file.opened.payload, file.looked, found.verdict

    anew = "Recomputed: " if found.answer.value == "differs" else ""
    head = (
        f"{anew}{verdict.decision.value} at {found.step.name}, look {looked.payload.look}: "
        f"{looked.model} v{opened.version}, {looked.release_id}, {looked.at:%Y-%m-%d %H:%M} UTC\n"
        f"{verdict.reason}\n{_answer(file, found)}\n"
    )
    show({}, head, False)
    rails = [item for item in items if item.kind == "sequential"]
    checks = [item for item in items if item.kind == "check"]
    if rails:
        columns = ("guardrail", "finding", "effect (interval)", "margin", "safe e-value",
                   "harm e-value", "rows", "in")  # fmt: skip
        show({}, table("Guardrails", columns, [_rail(item) for item in rails]), False)
    if checks:
        asked = ("check", "finding", "measured", "at most", "rows")
        show({}, table("Checks, as recorded", asked, [_check(item) for item in checks]), False)
    show({}, "\nWhat would change a finding", False)
    for item in items:
        show({}, f"  {item.name} [{item.code}]: {item.would_change}", False)
    if verdict.log_e_harm_total is not None:
        needed = 1.0 / found.policy.budget.rollback_alpha
        has = power(verdict.log_e_harm_total)
        told = f"  all together: A rollback needs harm e-value {needed:.4g}, has {has}."
        show({}, told, False)


def _rail(item: Standing) -> tuple[object, ...]:
    effect = "–" if item.effect is None else f"{item.effect:+.4f}"
    if item.lower is not None and item.upper is not None:
        effect += f" ({item.lower:+.4f} to {item.upper:+.4f})"
    margin = "–" if item.margin is None else f"{item.margin:.4g}"
    values = (each.text if each else "–" for each in (item.safe, item.harm))
    return (
        item.name,
        item.finding.value,
        effect,
        margin,
        *values,
        item.n,
        f"{item.clusters} {item.unit}",
    )


def _check(item: Standing) -> tuple[object, ...]:
    effect = "–" if item.effect is None else f"{item.effect:.4g} {item.unit}".strip()
    limit = "–" if item.limit is None else f"{item.limit:.4g}"
    return (item.name, item.finding.value, effect, limit, item.n)


def _answer(file: EvidenceFile, found: Recomputed) -> str:
    looked = file.looked
    windows = sum(len(item.windows) for item in found.evidence)
    if found.answer.value == "same":
        return (
            f"Same verdict: recomputed from {windows} windows with statistics "
            f"{found.statistics}, it is what entry {looked.seq} records ({looked.hash})."
        )
    if found.answer.value == "differs":
        lines = "\n".join(f"  {each.sentence()}" for each in found.differences)
        return f"NOT the recorded verdict, or not its record. What differs:\n{lines}"
    return (
        f"Not recomputed: statistics {found.statistics} judged it, this code has "
        f"{_own_statistics()}. Digests hold, and the recorded e-values give the recorded verdict."
    )


def _own_statistics() -> str:
    from tasks.evidence.sequential import STATISTICS_VERSION

    return STATISTICS_VERSION


def _advice(found: Recomputed) -> str:
    if found.answer.value == "differs":
        return (
            "What to do: write the file again from the ledger (seatrial why RELEASE --evidence "
            "FILE) and judge that; if it differs too, run `seatrial doctor` and stop releasing."
        )
    return (
        f"What to do: judge it with the Seatrial that has statistics {found.statistics}; "
        "docs/reference/evidence-format.md tells which."
    )
