"""Requests and rows a second of one gateway process: ``python -m tests.benchmarks.gateway_load``.

Two pipelines of scikit-learn (logistic regression and gradient boosting on thirteen columns),
candidate at 25 % and mirrored, as in a release. Prints one line a case; orders of magnitude on
a busy machine, so run it several times before believing a difference.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from policies.vocabulary import ModelRef, TrafficPlan, TrafficVariant
from tasks.registry.digest import hex_of, tree_digest
from tests.faults.stack_gateway import Stack, gateway

MODEL = "bench"
NUMBERS = ["distance", "temp", "dewp", "humid", "wind", "precip", "pressure", "visib"]
WHOLE = ["month", "dow", "hour"]
TEXTS = ["carrier", "origin"]


def frame(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    table = pd.DataFrame({name: rng.normal(size=rows) for name in NUMBERS})
    for name in WHOLE:
        table[name] = rng.integers(1, 12, size=rows)
    for name in TEXTS:
        table[name] = rng.choice(["AA", "BB", "CC", "DD"], size=rows)
    return table


def save(store: Path, estimator: Any) -> str:
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table = frame(2000)
    label = (table["temp"] + np.random.default_rng(8).normal(size=2000) > 0).astype(int)
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), TEXTS), (StandardScaler(), NUMBERS + WHOLE)
    )
    pipeline = make_pipeline(columns, estimator).fit(table, label)
    folder = store / "making"
    signature = infer_signature(table, pipeline.predict_proba(table))
    mlflow.sklearn.save_model(
        pipeline,
        str(folder),
        signature=signature,
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[],
        serialization_format="cloudpickle",
    )
    digest = tree_digest(folder)
    shutil.move(folder, store / hex_of(digest))
    return digest


def load(stack: Stack, rows: int, clients: int, seconds: float) -> str:
    table = frame(rows).to_dict("records")
    times: list[float] = []
    until = time.monotonic() + seconds

    def ask(name: int) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{stack.port}", timeout=30) as http:
            turn = 0
            while time.monotonic() < until:
                turn += 1
                asked = [
                    {"id": f"{name}-{turn}-{at}", "unit": f"{turn}-{at}", "inputs": row}
                    for at, row in enumerate(table)
                ]
                start = time.perf_counter()
                answer = http.post(f"/models/{MODEL}/predict", json={"rows": asked})
                times.append((time.perf_counter() - start) * 1000)
                answer.raise_for_status()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - start
    p50, p99 = statistics.median(times), sorted(times)[int(len(times) * 0.99)]
    return (
        f"{rows:4d} rows/request, {clients:2d} clients: {len(times) / took:7.0f} requests/s"
        f" {len(times) * rows / took:8.0f} rows/s   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms"
    )


def main() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "store").mkdir()
        digests = [
            save(home / "store", LogisticRegression(max_iter=1000)),
            save(home / "store", HistGradientBoostingClassifier(max_iter=100)),
        ]
        one, two = (
            TrafficVariant(ref=ModelRef(model=MODEL, version=str(n)), digest=digest)
            for n, digest in enumerate(digests, 1)
        )
        with gateway(home) as stack:
            for weight_bp, mirror in ((0, False), (0, True), (2500, True)):
                candidate = two if mirror else None
                stack.apply(
                    TrafficPlan(
                        model=MODEL,
                        champion=one,
                        candidate=candidate,
                        weight_bp=weight_bp,
                        mirror=mirror,
                    )
                )
                print(f"candidate {weight_bp / 100:g} %, mirror {mirror}")
                for rows, clients in ((1, 1), (1, 16), (50, 1), (50, 4)):
                    print("  " + load(stack, rows, clients, seconds))
                print("  ", stack.http.get("/health").json())


if __name__ == "__main__":
    main()
