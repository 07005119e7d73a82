"""Asks a model in a process that has nothing of this repository, as a team's server would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SERVE = """
import json, sys
import mlflow.pyfunc, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
rows = [json.loads(line) for line in open(sys.argv[1] + "/reference/rows.jsonl")]
inputs = pd.DataFrame([row["inputs"] for row in rows])
features = model.predict(inputs, params={"features": True})
few = [inputs[at : at + 5] for at in range(0, len(inputs), 5)]  # one is slow with many at a time
scores = [float(score) for part in few for score in model.predict(part)]
told = {"scores": scores, "features": features.to_dict("records")}
assert not [name for name in sys.modules if name.startswith(("deployments", "tasks", "policies"))]
json.dump(told, open(sys.argv[2], "w"))
"""


def told_elsewhere(folder: Path, scratch: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The folder's reference rows, and the scores and features that it answers for them."""
    out = scratch / "out.json"
    command = [sys.executable, "-P", "-c", SERVE, str(folder), str(out)]
    subprocess.run(command, check=True, cwd=scratch, timeout=120)
    lines = (folder / "reference" / "rows.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], json.loads(out.read_text())
