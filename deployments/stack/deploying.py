"""Register the deployments of ``prefect.yaml`` with the embedded Prefect server."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from deployments.stack.parts import POOL, ROOT, environment
from policies.errors import RefusedError, UnavailableError

PATIENCE_SECONDS = 180


def create_pool(port: int) -> None:
    """The worker writes the template of its jobs into the pool when it starts."""
    try:
        made = httpx.post(
            f"http://127.0.0.1:{port}/api/work_pools/",
            json={"name": POOL, "type": "process"},
            timeout=30.0,
        )
    except httpx.TransportError as error:
        raise UnavailableError(
            f"Prefect stopped answering: {error}", advice="Read logs/prefect.log in the home."
        ) from error
    if made.status_code not in (200, 201, 409):  # 409: it is there already
        raise RefusedError(
            f"Prefect did not create the work pool: {made.status_code} {made.text[:200]}",
            advice="Read logs/prefect.log in the home.",
        )


def is_current(home: Path, port: int) -> bool:
    """Whether this server already knows these deployments of this code."""
    try:
        digest, count = (home / "deployed").read_text().split()
        told = httpx.post(
            f"http://127.0.0.1:{port}/api/deployments/count", json={}, timeout=10.0
        ).text
    except (FileNotFoundError, ValueError, httpx.TransportError):
        return False
    return digest == _digest() and told == count


def deploy(home: Path, ports: Mapping[str, int]) -> None:
    """``prefect deploy --all``, as anybody would do it by hand."""
    command = [str(Path(sys.executable).parent / "prefect"), "--no-prompt", "deploy", "--all"]
    log = home / "logs" / "deploy.log"
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment(home, ports)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    log.write_text(done.stdout + done.stderr)
    if done.returncode != 0:
        raise RefusedError(
            f"`{' '.join(['prefect', *command[1:]])}` failed: "
            f"{_last_line(done.stdout + done.stderr)}",
            advice=f"Read {log}.",
        )
    api = f"http://127.0.0.1:{ports['prefect']}/api"
    count = httpx.post(f"{api}/deployments/count", json={}, timeout=10.0).text
    (home / "deployed").write_text(f"{_digest()} {count}")


def _digest() -> str:
    """Over what Prefect records of a deployment: its document, and the flows' parameters."""
    files = [ROOT / "prefect.yaml", *sorted((ROOT / "flows").glob("*.py"))]
    content = b"\0".join(file.read_bytes() for file in files)
    return hashlib.sha256(str(ROOT).encode() + content).hexdigest()


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no output"
