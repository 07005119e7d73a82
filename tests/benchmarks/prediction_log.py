"""What a kill leaves of the log of predictions: ``python -m tests.benchmarks.prediction_log``.

A gateway process is ended with ``kill -9`` under load, while another one of the same home goes
on. Every answer that clients had is looked for with the reader that releases use. Printed for
each round: the rate reached, the answers that are not in the log, how much of it that is at this
rate, and how long before the kill the oldest of them was given. Asked for: at most 50 ms, nothing
torn, nothing twice.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from policies.vocabulary import TrafficPlan
from tests.faults.stack_gateway import MODEL, make_model, version
from tests.faults.stack_log import doubles, kill_under_load, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rotate-seconds", type=float, default=60.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        digest = make_model(home / "store", 0.1, sensitive=False)
        cases = {
            "a model": TrafficPlan(model=MODEL, champion=version(1, digest)),
            "a rule": TrafficPlan(model=MODEL, champion=None, baseline=0.5),
        }
        for case, plan in cases.items():
            print(f"{case} answers, {given.clients} connections, one row a request")
            for number in range(given.rounds):
                name = f"{case[2]}{number}"
                killed = kill_under_load(
                    home,
                    plan,
                    name,
                    seconds=given.seconds,
                    clients=given.clients,
                    rotate_seconds=given.rotate_seconds,
                )
                found = rows(home)
                ids = {row["id"] for row in found if row["served"]}
                lost, torn = killed.lost_ms(ids), sum(row["id"] is None for row in found)
                beside = len(killed.beside.keys() - ids)
                print(
                    f"  {killed.rate:5.0f} requests/s: lost {len(lost):3d} of "
                    f"{len(killed.answered):5d} answers, {len(lost) / killed.rate * 1000:4.1f} ms "
                    f"of log, the oldest {max(lost, default=0.0):5.1f} ms before the kill "
                    f"(nobody was answered for {killed.gap_ms():4.1f} ms); torn {torn}, twice "
                    f"{len(doubles(found))}; the other process lost {beside} of "
                    f"{len(killed.beside)}"
                )


if __name__ == "__main__":
    main()
