"""The deployment record: who released what, when, on which evidence and with whose consent.

Every field is read from the ledger; nobody types it. A record written before the release is
closed says that its outcome is not known yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from policies.lifecycle import Release
from policies.schema import ReleasePolicy
from policies.vocabulary import Artefact, Entry
from tasks.documents.document import (
    Document,
    Field,
    Section,
    given,
    listed,
    missing,
    not_applicable,
)
from tasks.documents.looks import Look, last_look_by_step, release_of, staging_look
from tasks.documents.tables import number

COMMIT_TAG = "mlflow.source.git.commit"
ROLLBACK_CHECK = "rollback target"  # the staging check that what we would fall back to answers


def deployment_record(entries: Sequence[Entry]) -> Document:
    """Build it from one release's entries."""
    ordered = sorted(entries, key=lambda entry: entry.seq)
    state, artefact = release_of(ordered)
    looks = last_look_by_step(ordered)
    sections = (
        ("What", _what(state, artefact)),
        ("Under which rules", _rules(state, ordered)),
        ("By whom", _people(state, artefact, ordered)),
        ("On which evidence", (_evidence(looks), _steps(ordered, looks))),
        ("How it can be undone", _undoing(state, looks)),
        ("How it is watched", _watching(state.policy)),
        ("How it ended", _ending(state, ordered)),
        ("Where this is recorded", _ledger(ordered)),
    )
    return Document(
        kind="deployment_record",
        title=f"Deployment record of {state.release_id}",
        subject=str(artefact.ref),
        subject_digest=artefact.digest,
        release_id=state.release_id,
        sections=tuple(Section(title=title, fields=fields) for title, fields in sections),
    )


def _seq(entries: Sequence[Entry], kind: str) -> str:
    found = next((entry.seq for entry in reversed(entries) if entry.kind == kind), None)
    return f"entry {found}" if found is not None else "the ledger"


def _what(state: Release, artefact: Artefact) -> tuple[Field, ...]:
    registry = f"registry {artefact.ref}"
    return (
        given("release_id", "Release", state.release_id, "ledger", "entry opened"),
        given("model", "Model", artefact.ref.model, "registry", registry),
        given("version", "Version", artefact.ref.version, "registry", registry),
        given("artefact_digest", "Artefact digest", artefact.digest, "ledger", "entry opened"),
        not_applicable(
            "signature_digest",
            "Artefact signature",
            "Artefacts are digested, kept and verified at every load; they are not signed.",
        ),
        given(
            "code_commit",
            "Code commit",
            artefact.tags.get(COMMIT_TAG),
            "registry",
            f"tag {COMMIT_TAG}",
        ),
        given(
            "dataset_digests",
            "Dataset digests",
            ", ".join(artefact.dataset_digests),
            "registry",
            f"run {artefact.run_id}",
        ),
    )


def _rules(state: Release, entries: Sequence[Entry]) -> tuple[Field, ...]:
    policy, ref = state.policy, _seq(entries, "opened")
    versions = ", ".join(f"{name} {value}" for name, value in sorted(state.versions.items()))
    return (
        given("policy", "Policy", policy.policy, "ledger", ref),
        given("policy_digest", "Policy digest", state.policy_digest, "ledger", ref),
        given("tier", "Tier", f"{policy.tier}: {policy.why}", "policy", f"policy {policy.policy}"),
        given("versions", "Engine versions", versions, "ledger", ref),
    )


def _people(state: Release, artefact: Artefact, entries: Sequence[Entry]) -> tuple[Field, ...]:
    ref = _seq(entries, "opened")
    deployers = sorted({e.actor for e in entries if e.kind in ("entered", "promoted")})
    return (
        given("requester", "Requested by", state.requester, "ledger", ref),
        given("trainer", "Trained by", artefact.trainer, "registry", f"registry {artefact.ref}"),
        given("deployer", "Deployed by", ", ".join(deployers), "ledger", "entries entered"),
        _approvals(state.policy, entries),
    )


def _approvals(policy: ReleasePolicy, entries: Sequence[Entry]) -> Field:
    key, label = "approvals", "Sign-offs"
    if not policy.approvals:
        return not_applicable(key, label, f"The policy {policy.policy} asks for none.")
    requests = {
        entry.payload["request"]["request_id"]: entry.payload["request"]
        for entry in entries
        if entry.kind == "asked"
    }
    rows = []
    for entry in (entry for entry in entries if entry.kind == "vote"):
        vote = entry.payload["sign_off"]
        asked = requests.get(vote["request_id"], {})
        rows.append(
            [
                vote["person"],
                vote["role"],
                vote["decision"],
                asked.get("gate", "?"),
                vote.get("key_id") or "?",
                asked.get("evidence_digest", "?"),
                f"{entry.at:%Y-%m-%d %H:%M} (entry {entry.seq})",
            ]
        )
    columns = ("who", "role", "decision", "gate", "key", "evidence signed", "when")
    return listed(key, label, columns, rows, "ledger", "entries vote")


def _evidence(looks: dict[str, Look]) -> Field:
    rows = [
        [step, look.number, look.verdict.decision.value, look.verdict.reason, look.evidence_digest]
        for step, look in looks.items()
    ]
    columns = ("step", "looks", "last verdict", "reason", "evidence digest")
    return listed("evidence", "Evidence", columns, rows, "ledger", "entries looked")


def _steps(entries: Sequence[Entry], looks: dict[str, Look]) -> Field:
    """A step ends when the next one begins, or traffic goes elsewhere for good."""
    bounds = [e for e in entries if e.kind in ("entered", "contained", "promoted")]
    rows = []
    for place, entry in enumerate(bounds):
        if entry.kind != "entered":
            continue
        end = bounds[place + 1].at if place + 1 < len(bounds) else None
        step, look = entry.payload["step"], looks.get(entry.payload["step"]["name"])
        rows.append(
            [
                step["name"],
                f"{entry.payload['plan']['weight_bp'] / 100:g} %",
                f"{entry.at:%Y-%m-%d %H:%M}",
                f"{end:%Y-%m-%d %H:%M}" if end else "not ended",
                look.verdict.decision.value if look else "not looked at",
            ]
        )
    columns = ("step", "share", "began", "ended", "last verdict")
    return listed("steps", "Steps", columns, rows, "ledger", "entries entered")


def _undoing(state: Release, looks: dict[str, Look]) -> tuple[Field, ...]:
    policy, champion = state.policy, state.champion
    target = (
        not_applicable("rollback_target", "Rollback target", "The baseline rule was in service.")
        if champion is None
        else given(
            "rollback_target",
            "Rollback target",
            f"{champion.ref}, {champion.digest}",
            "ledger",
            "entry opened",
        )
    )
    return (
        given(
            "fallback",
            "Fallback chain",
            " → ".join(policy.fallback),
            "policy",
            f"policy {policy.policy}",
        ),
        target,
        _readiness(looks),
        missing("drills", "Last drills", "No drill is on this release's ledger."),
    )


def _readiness(looks: dict[str, Look]) -> Field:
    staging = staging_look(looks)
    found = [item for item in staging.evidence if item.name == ROLLBACK_CHECK] if staging else []
    rows = [[item.name, number(item.effect), number(item.limit), item.status] for item in found]
    ref = f"entry {staging.seq}" if staging else "the ledger"
    columns = ("check", "measured", "at most", "status")
    return listed("readiness", "Fallback shown to work", columns, rows, "ledger", ref)


def _watching(policy: ReleasePolicy) -> tuple[Field, ...]:
    ref = f"policy {policy.policy}"
    names = ", ".join(f"{g.name} (margin {g.margin:g})" for g in policy.guardrails)
    return (
        given("monitoring", "Guardrails", names, "policy", ref),
        given("on_call", "On call", policy.incident.on_call, "policy", ref),
        given("runbook", "Runbook", policy.incident.runbook, "policy", ref),
    )


def _ending(state: Release, entries: Sequence[Entry]) -> tuple[Field, ...]:
    end, ref = state.closing, _seq(entries, "closed")
    replicas = ", ".join(sorted({item.replica for item in state.observed}))
    environment = given("environment", "Serving processes", replicas, "ledger", "entry entered")
    if end is None:
        open_still = not_applicable("outcome", "Outcome", "The release is still open.")
        return (environment, open_still)
    seconds = end.seconds_to_zero_traffic
    return (
        environment,
        given("outcome", "Outcome", end.outcome.value, "ledger", ref),
        given("outcome_reason", "Why", end.reason, "ledger", ref),
        given("last_step", "Last step", end.stage, "ledger", ref),
        given("exposed", "Requests it answered", f"{end.exposed_requests:,}", "ledger", ref),
        not_applicable("seconds", "Time to zero traffic", "No traffic was taken from it.")
        if seconds is None
        else given("seconds", "Time to zero traffic", f"{seconds:.1f} s", "ledger", ref),
    )


def _ledger(entries: Sequence[Entry]) -> tuple[Field, ...]:
    first, last = entries[0], entries[-1]
    return (
        given("ledger_range", "Entries", f"{first.seq} to {last.seq}", "ledger", "this release"),
        given("ledger_hash", "Hash of the last", last.hash, "ledger", f"entry {last.seq}"),
    )
