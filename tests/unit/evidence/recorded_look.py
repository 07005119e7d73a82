"""One look of one release as a ledger records it, and files of it that somebody has altered."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from policies.loader import digest_of as policy_digest
from policies.loader import find
from policies.schema import ReleasePolicy
from policies.verdict import judge
from policies.vocabulary import Counts, Entry, Evidence, Moments, Step, WindowPair
from tasks.evidence.digest import digest_of, digest_of_json
from tasks.evidence.evidence_file import evidence_of
from tasks.evidence.sequential import STATISTICS_VERSION
from tasks.evidence.step import weigh_step
from tasks.ledger import chain


def _policy(*names: str) -> ReleasePolicy:
    """The medium tier with fewer guardrails: rates take a tenth of a second each."""
    plain = find("medium").policy.model_dump(mode="json")
    rails = [rail for rail in plain["guardrails"] if rail["name"] in names]
    rails = [rail | {"weight": 1.0 / len(rails)} for rail in rails]
    budget = plain["budget"] | {"min_clusters": 7}
    return ReleasePolicy.model_validate(plain | {"guardrails": rails, "budget": budget})


POLICY = _policy("quality")
WITH_ERRORS = _policy("quality", "errors")
CANARY = POLICY.steps()[2]
AT = datetime(2013, 6, 20, 4, tzinfo=UTC)
Path = tuple[str | int, ...]


def windows(worse: float = -0.02, days: int = 12, live: int = 8) -> dict[str, list[WindowPair]]:
    """Paired quality of some days; errors of the last ones, with users."""
    rng = random.Random(20)
    starts = [AT - timedelta(days=days - day + 3) for day in range(days)]
    steps = ["shadow"] * (days - live) + [CANARY.name] * live
    paired = [
        WindowPair(start=s, step=n, paired=Moments(n=250, mean=rng.gauss(worse, 0.02), m2=9.5))
        for s, n in zip(starts, steps, strict=True)
    ]
    counted = [
        WindowPair(
            start=s,
            step=CANARY.name,
            champion=Counts(n=950, events=rng.randrange(12)),
            candidate=Counts(n=50, events=int(rng.random() < 0.2)),
        )
        for s in starts[-live:]
    ]
    return {"quality": paired, "errors": counted}


def entries(
    seen: dict[str, list[WindowPair]] | None = None,
    step: Step = CANARY,
    statistics: str = STATISTICS_VERSION,
    policy: ReleasePolicy = POLICY,
) -> list[Entry]:
    """A release opened and looked at, linked as a ledger links them."""
    found = weigh_step(policy, step, windows() if seen is None else seen)
    check = Evidence(name="coverage", kind="check", effect=0.03, limit=1.0, n=6000, unit="share")
    found.append(check)
    items = [item.plain() for item in found]
    looked = {
        "step": step.name,
        "stage": step.stage.value,
        "look": 3,
        "evidence": items,
        "evidence_digest": digest_of(items),
        "verdict": judge(policy, step, found).plain(),
        "next_look": AT.isoformat(),
    }
    opened = {
        "model": "m",
        "version": "2",
        "policy": policy.policy,
        "policy_digest": policy_digest(policy),
        "policy_document": policy.model_dump(mode="json"),
        "versions": {"lifecycle": "1", "statistics": statistics},
    }
    head, made = chain.START, []
    for kind, payload in (("opened", opened), ("looked", looked)):
        entry = Entry(kind=kind, move=True, release_id="rel-1", model="m", actor="system:release",
                      at=AT, payload=payload)  # fmt: skip
        made.append(chain.link(entry, head, AT))
        head = chain.Head(made[-1].seq, made[-1].hash)
    return made


@cache
def text(*, with_errors: bool = False) -> str:
    return evidence_of(entries(policy=WITH_ERRORS if with_errors else POLICY))


def document(*, with_errors: bool = False) -> dict[str, Any]:
    """The file as JSON, to be altered."""
    return dict(json.loads(text(with_errors=with_errors)))


def restamped(altered: dict[str, Any]) -> bytes:
    """With digests and hashes made to fit again: an attacker can do that too."""
    made = copy.deepcopy(altered)
    payload = made["looked"]["payload"]
    payload["evidence_digest"] = digest_of(payload["evidence"])
    opening = made["opened"]["payload"]
    opening["policy_digest"] = digest_of_json(opening["policy_document"])
    for name in ("opened", "looked"):
        rest = {key: value for key, value in made[name].items() if key != "hash"}
        made[name]["hash"] = digest_of_json(rest)
    return json.dumps(made).encode()


def leaves(value: Any, at: Path = ()) -> Iterator[Path]:
    """Where every number, text, truth value and null stands."""
    inside: Any = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    else:
        yield at
    for key, each in inside:
        yield from leaves(each, (*at, key))


def at_place(value: Any, place: Path) -> Any:
    for key in place:
        value = value[key]
    return value


def put(value: dict[str, Any], place: Path, new: Any) -> dict[str, Any]:
    """A copy with something else at one place."""
    made = copy.deepcopy(value)
    at_place(made, place[:-1])[place[-1]] = new
    return made
