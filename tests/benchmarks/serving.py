"""What serving through the gateway costs: ``python -m tests.benchmarks.serving``.

One model behind several servers: the gateway asking it directly and through MLflow, a bare ASGI
app that asks it the same way (``tests/benchmarks/bare.py``) and ``mlflow models serve``. They take
turns, some seconds each, round after round, so that a busy machine slows all of them; a ratio is
the median of the rounds' ratios. CPU is that of the server's process and of its children, but not
of the process in which a shadow computes. Nothing here is asserted: a time is a fact about a
machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pandas as pd
import psutil

from policies.vocabulary import ModelRef, TrafficPlan, TrafficVariant
from tasks.registry.digest import hex_of, tree_digest
from tasks.registry.reference import write_reference
from tests.benchmarks.clients import Load, Target, send
from tests.faults.stack_gateway import free_port, gateway

CLIENTS = (1, 16)
GATEWAY, PLAIN, MIRRORED = "gateway, direct", "gateway, pyfunc", "gateway, direct, mirrored"
BARE, BARE_BATCHED = "bare app, direct", "bare app, direct, batched"
BARE_PLAIN, MLFLOW = "bare app, pyfunc, batched", "mlflow models serve"
NUMBERS = [f"x{n}" for n in range(10)]
TEXTS = ["carrier", "origin"]
Rounds = Mapping[tuple[str, int], Sequence[Load]]


def table(rows: int, texts: Sequence[str]) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    made = pd.DataFrame({name: rng.normal(size=rows) for name in NUMBERS})
    for name in texts:
        made[name] = rng.choice(["AA", "BB", "CC", "DD"], size=rows)
    return made


def save(store: Path, texts: Sequence[str], *, with_samples: bool) -> str:
    """A logistic regression on scaled numbers, beside one-hot texts where there are any."""
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    data = table(2000, texts)
    label = (data["x0"] + np.random.default_rng(8).normal(size=2000) > 0).astype(int)
    first: Any = StandardScaler()
    if texts:
        first = make_column_transformer(
            (OneHotEncoder(sparse_output=False), list(texts)), (StandardScaler(), NUMBERS)
        )
    model = make_pipeline(first, LogisticRegression()).fit(data, label)
    folder = store / "making"
    mlflow.sklearn.save_model(
        model,
        str(folder),
        signature=infer_signature(data, model.predict_proba(data)),
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[],
        serialization_format="cloudpickle",
    )
    if with_samples:
        sample = data.head(50)
        scores = model.predict_proba(sample)[:, 1].tolist()
        write_reference(folder, sample.to_dict("records"), scores)
    digest = tree_digest(folder)
    shutil.move(folder, store / hex_of(digest))
    return digest


@contextmanager
def server(module: str, *words: str, port: int, path: str) -> Iterator[tuple[int, ...]]:
    """A process and its children, up when it answers; ended by their own ids."""
    # MLflow starts uvicorn by its name.
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, "-m", module, *words],
        env={**os.environ, "PATH": paths},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://127.0.0.1:{port}{path}")
        children = psutil.Process(process.pid).children(recursive=True)
        yield (process.pid, *(child.pid for child in children))
    finally:
        for each in [*psutil.Process(process.pid).children(recursive=True), process]:
            each.terminate()
        process.wait(20)


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            httpx.get(url, timeout=1.0)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{url} does not answer")


@contextmanager
def targets(home: Path, texts: Sequence[str]) -> Iterator[list[Target]]:
    store = home / "store"
    store.mkdir()
    fast = save(store, texts, with_samples=True)
    plain = save(store, texts, with_samples=False)
    ours, records = _bodies(table(500, texts))
    with ExitStack() as running:
        stack = running.enter_context(gateway(home))
        for model, digest, shadow in (
            ("direct", fast, None), ("pyfunc", plain, None), ("mirrored", fast, plain),
        ):  # fmt: skip
            stack.apply(_plan(model, digest, shadow))
        for model, arms in stack.http.get("/health").json()["called"].items():
            print(f"{model:10}", *(f"{arm}: {called}" for arm, called in arms.items()), sep="  ")
        pid = (stack.process.pid,)
        made = [
            Target(GATEWAY, stack.port, "/models/direct/predict", ours, pid),
            Target(MIRRORED, stack.port, "/models/mirrored/predict", ours, pid),
            Target(PLAIN, stack.port, "/models/pyfunc/predict", ours, pid),
        ]
        for name, digest, how in (
            (BARE, fast, "single"), (BARE_BATCHED, fast, "batched"), (BARE_PLAIN, plain, "batched"),
        ):  # fmt: skip
            port = free_port()
            words = (str(store), digest, str(port), how)
            pids = running.enter_context(
                server("tests.benchmarks.bare", *words, port=port, path="/")
            )
            made.append(Target(name, port, "/", ours, pids))
        port = free_port()
        words = ("models", "serve", "-m", str(store / hex_of(fast)), "-p", str(port))
        words = (*words, "--env-manager", "local")
        pids = running.enter_context(server("mlflow", *words, port=port, path="/ping"))
        yield [*made, Target(MLFLOW, port, "/invocations", records, pids)]


def _plan(model: str, champion: str, shadow: str | None) -> TrafficPlan:
    one = TrafficVariant(ref=ModelRef(model=model, version="1"), digest=champion)
    two = shadow and TrafficVariant(ref=ModelRef(model=model, version="2"), digest=shadow)
    return TrafficPlan(model=model, champion=one, candidate=two or None, mirror=bool(two))


def _bodies(data: pd.DataFrame) -> tuple[Callable[[int], bytes], Callable[[int], bytes]]:
    """One row a request, in the words of either server."""
    rows = [orjson.dumps(row).decode() for row in data.to_dict("records")]

    def ours(n: int) -> bytes:
        row = rows[n % len(rows)]
        return f'{{"rows": [{{"id": "r{n}", "unit": "u{n}", "inputs": {row}}}]}}'.encode()

    def records(n: int) -> bytes:
        return f'{{"dataframe_records": [{rows[n % len(rows)]}]}}'.encode()

    return ours, records


def measure(made: Sequence[Target], rounds: int, seconds: float) -> Rounds:
    found: dict[tuple[str, int], list[Load]] = {}
    numbers = [0]
    for target in made:
        send(target, 4, min(1.0, seconds), numbers)  # warm
    for turn in range(rounds):
        for clients in CLIENTS:
            for target in (*made[turn % len(made) :], *made[: turn % len(made)]):
                found.setdefault((target.name, clients), []).append(
                    send(target, clients, seconds, numbers)
                )
    return found


def loads(found: Rounds) -> Iterator[str]:
    yield f"{'server':28} clients  requests/s  p50 ms  p99 ms  CPU µs/request  failed"
    for (name, clients), rounds in found.items():
        times = sorted(each for load in rounds for each in load.times_ms)
        yield (
            f"{name:28} {clients:7d} {_median(x.per_second for x in rounds):11.0f}"
            f" {times[len(times) // 2]:7.2f} {times[len(times) * 99 // 100]:7.2f}"
            f" {_median(x.cpu_us for x in rounds):15.0f} {sum(x.failed for x in rounds):7d}"
        )


def ratios(found: Rounds) -> Iterator[str]:
    yield f"{'measure':56} clients  required  measured"
    for told, sign, bound, upper, lower, what in (
        ("CPU: gateway, direct / bare app that asks directly", "≤", 1.5, GATEWAY, BARE, "cpu_us"),
        ("CPU: gateway, direct / the same with micro-batches", "≤", 1.5, GATEWAY, BARE_BATCHED,
         "cpu_us"),
        ("CPU: gateway, pyfunc / bare app, pyfunc, micro-batches", "≤", 1.5, PLAIN, BARE_PLAIN,
         "cpu_us"),
        ("CPU: gateway, direct, every request mirrored / bare app", "", 0, MIRRORED, BARE,
         "cpu_us"),
        ("requests/s: gateway, direct / mlflow models serve", "≥", 5.0, GATEWAY, MLFLOW,
         "per_second"),
        ("requests/s: gateway, pyfunc / mlflow models serve", "≥", 1.0, PLAIN, MLFLOW,
         "per_second"),
    ):  # fmt: skip
        for clients in CLIENTS:
            pairs = zip(found[upper, clients], found[lower, clients], strict=True)
            measured = _median(getattr(a, what) / getattr(b, what) for a, b in pairs)
            required = f"{sign} {bound:g}" if sign else "told"
            yield f"{told:56} {clients:7d} {required:>9} {measured:9.2f}"


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", action="store_true", help="two columns of text besides")
    arguments = parser.parse_args()
    texts = TEXTS if arguments.texts else []
    with tempfile.TemporaryDirectory() as folder, targets(Path(folder), texts) as made:
        found = measure(made, arguments.rounds, arguments.seconds)
    for lines in (loads(found), ratios(found)):
        print("\n".join(["", *lines]))


if __name__ == "__main__":
    main()
