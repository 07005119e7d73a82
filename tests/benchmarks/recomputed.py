"""Every verdict of a home's ledger, recomputed from the evidence file of its look.

    python -m tests.benchmarks.recomputed HOME

Prints a line a release: looks that come out the same, that differ, and that other statistics
judged. Exit 1 when one differs, or when there was nothing to recompute.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from policies.lifecycle import fold
from policies.vocabulary import Entry
from tasks.connections import World
from tasks.evidence.evidence_file import evidence_of, read_evidence
from tasks.evidence.recompute import Answer, recompute


def answers(entries: list[Entry]) -> Iterator[Answer]:
    """Of one release, look by look, through the file as it would be sent to somebody."""
    for entry in entries:
        if entry.kind == "looked":
            yield recompute(read_evidence(evidence_of(entries, entry.seq).encode())).answer


def releases(home: Path) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in World(home).ledger.entries():
        if entry.release_id is not None:
            found.setdefault(entry.release_id, []).append(entry)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    home = parser.parse_args().home
    total: Counter[Answer] = Counter()
    begun = time.monotonic()
    for release_id, entries in releases(home).items():
        told = Counter(answers(entries))
        total += told
        state = fold(entries)
        ended = state.closing.outcome.value if state.closing else "open"
        counts = ", ".join(f"{count} {answer.value}" for answer, count in sorted(told.items()))
        print(f"{release_id}  {state.model:32} {ended:12} {counts or 'no look'}")
    seconds = time.monotonic() - begun
    print(f"{total.total()} verdicts in {seconds:.1f} s: " + (
        ", ".join(f"{count} {answer.value}" for answer, count in sorted(total.items())) or "none"
    ))  # fmt: skip
    return int(total[Answer.SAME] == 0 or total[Answer.DIFFERS] > 0)


if __name__ == "__main__":
    sys.exit(main())
