"""The model card: Mitchell et al. 2019, its nine sections, filled from what is on record.

What only people know is read from the version's registry tags ``card.<key>`` (see
``HUMAN_FIELDS``). A field nobody has written is missing and counted; no filler stands in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from policies.lifecycle import Release
from policies.vocabulary import Artefact, Entry
from tasks.documents.document import Document, Field, Section, given, listed, missing
from tasks.documents.looks import Look, last_look_by_step, release_of, staging_look
from tasks.documents.tables import CHECK_COLUMNS, GUARDRAIL_COLUMNS, check_rows, guardrail_rows

# Registry tag "card.<key>" -> (label, what its author is asked).
HUMAN_FIELDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "model_type": ("Model type", "What kind of model is it?"),
        "license": ("Licence", "Under which licence may it be used?"),
        "intended_use": ("Intended use", "Who should use it, and for which decisions?"),
        "out_of_scope": ("Out of scope", "Which uses would be wrong?"),
        "factors": ("Relevant factors", "Which groups or conditions may it treat differently?"),
        "metric_choice": ("Why these metrics", "Why do these metrics measure what matters?"),
        "training_data": ("Training data", "What was it trained on: source, period, how chosen?"),
        "ethical_considerations": ("Ethical considerations", "Who could be harmed, and how?"),
        "limitations": ("Known failure modes", "When is it known to be wrong?"),
        "recommendations": ("Recommendations", "What should its users do about that?"),
    }
)

# The completeness test: a card that is any good answers these.
FIVE_QUESTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Who should use this model?": ("intended_use",),
        "What was it trained on?": ("training_data", "dataset_digests"),
        "How does it perform?": ("staging_checks", "live_guardrails"),
        "What are its known failure modes?": ("limitations",),
        "Who is called when something breaks?": ("contact",),
    }
)


def model_card(entries: Sequence[Entry]) -> Document:
    """Build the card from one release's entries; the artefact is the one it opened with."""
    state, artefact = release_of(entries)
    looks = last_look_by_step(entries)
    staging = staging_look(looks)
    live = next((look for look in reversed(looks.values()) if look.stage != "staging"), None)
    human = {key: _human(artefact, key) for key in HUMAN_FIELDS}
    sections = (
        ("Model Details", _details(state, artefact, human)),
        ("Intended Use", (human["intended_use"], human["out_of_scope"])),
        ("Factors", (_slices(state), human["factors"])),
        ("Metrics", (_metrics(state), human["metric_choice"])),
        ("Evaluation Data", (_evaluation_data(staging),)),
        ("Training Data", (human["training_data"], _datasets(artefact))),
        ("Quantitative Analyses", _analyses(staging, live)),
        ("Ethical Considerations", (human["ethical_considerations"],)),
        ("Caveats and Recommendations", (human["limitations"], human["recommendations"])),
    )
    return Document(
        kind="model_card",
        title=f"Model card of {artefact.ref}",
        subject=str(artefact.ref),
        subject_digest=artefact.digest,
        release_id=state.release_id,
        sections=tuple(Section(title=title, fields=fields) for title, fields in sections),
    )


def unanswered(card: Document) -> tuple[str, ...]:
    """Which of the five questions the card leaves open."""
    filled = {field.key for field in card.fields() if field.status == "filled"}
    return tuple(q for q, keys in FIVE_QUESTIONS.items() if not filled & set(keys))


def _human(artefact: Artefact, key: str) -> Field:
    label, ask = HUMAN_FIELDS[key]
    text = artefact.tags.get(f"card.{key}", "")
    if not text.strip():
        return missing(key, label, f"{ask} (registry tag card.{key})")
    return given(key, label, text, "person", f"tag card.{key}")


def _details(state: Release, artefact: Artefact, human: Mapping[str, Field]) -> tuple[Field, ...]:
    registry = f"registry {artefact.ref}"
    registered = artefact.registered_at.isoformat() if artefact.registered_at else None
    policy = state.policy
    contact = (
        f"{policy.incident.on_call} (owner: {policy.owner}); runbook {policy.incident.runbook}"
    )
    return (
        given("version", "Version", artefact.ref, "registry", registry),
        given("digest", "Artefact digest", artefact.digest, "ledger", "entry opened"),
        given("description", "Description", artefact.description, "registry", registry),
        given("author", "Trained by", artefact.trainer, "registry", registry),
        given("registered_at", "Registered", registered, "registry", registry),
        given("run", "Training run", artefact.run_id, "registry", registry),
        human["model_type"],
        human["license"],
        listed(
            "inputs",
            "Inputs",
            ("column", "type"),
            list(artefact.inputs.items()),
            "registry",
            registry,
        ),
        given("contact", "Who is called", contact, "policy", f"policy {policy.policy}"),
    )


def _slices(state: Release) -> Field:
    """Of the staging sample, and the groups that a guardrail watches on traffic."""
    groups = [g for rail in state.policy.guardrails for g in (rail.segments, rail.gap) if g]
    columns = dict.fromkeys([*state.policy.staging.scores.slices, *(g.column for g in groups)])
    source = f"policy {state.policy_name}"
    return given("slices", "Evaluated by", ", ".join(columns), "policy", source)


def _metrics(state: Release) -> Field:
    """Each with its groups: theirs is another margin."""
    rows = [
        [g.name, g.metric, f"{g.margin:g}", g.why]
        for rail in state.policy.guardrails
        for g in (rail, *rail.by_segment().values(), *rail.by_gap().values())
    ]
    columns = ("guardrail", "metric", "margin", "why")
    return listed("metrics", "Guardrails", columns, rows, "policy", f"policy {state.policy_name}")


def _evaluation_data(staging: Look | None) -> Field:
    """How much recent traffic the trial used: the largest number of rows any check saw."""
    key, label = "evaluation_data", "Evaluation data"
    rows = max((item.n for item in staging.evidence), default=0) if staging else 0
    if staging is None or not rows:
        return missing(key, label, "No staging trial is on the ledger.")
    text = (
        f"{rows:,} rows of the traffic most recently served before the trial, "
        "with the outcomes then known."
    )
    return given(key, label, text, "ledger", f"entry {staging.seq}")


def _datasets(artefact: Artefact) -> Field:
    digests = ", ".join(artefact.dataset_digests)
    return given(
        "dataset_digests", "Dataset digests", digests, "registry", f"run {artefact.run_id}"
    )


def _analyses(staging: Look | None, live: Look | None) -> tuple[Field, ...]:
    """Unitary and by slice; nothing crosses the slices yet, and the card says so."""
    return (
        _look_field("staging_checks", "Staging checks", staging),
        _slice_field(staging),
        _look_field("live_guardrails", "On live traffic", live),
        missing(
            "intersectional", "Intersectional results", "Slices are not crossed with each other."
        ),
    )


def _look_field(key: str, label: str, look: Look | None) -> Field:
    if look is None:
        return missing(key, label, "No look at this stage is on the ledger.")
    judged, ref = look.verdict.judged, f"entry {look.seq}"
    if look.stage == "staging":
        rows = check_rows(look.evidence, judged)
        return listed(key, label, CHECK_COLUMNS, rows, "ledger", ref)
    rows = guardrail_rows(look.evidence, judged)
    return listed(key, f"{label}, {look.step}", GUARDRAIL_COLUMNS, rows, "ledger", ref)


def _slice_field(staging: Look | None) -> Field:
    """Checks by slice carry every slice's figure in their detail."""
    key, label = "slice_results", "Results by slice"
    rows = [
        [item.name, item.detail]
        for item in (staging.evidence if staging else ())
        if " by " in item.name and item.status == "ok"
    ]
    ref = f"entry {staging.seq}" if staging else "the ledger"
    return listed(key, label, ("slice", "candidate minus champion"), rows, "ledger", ref)
