"""A policy file is read whole, or refused with everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import loader
from policies.errors import PolicyError
from policies.schema import ReleasePolicy
from policies.vocabulary import Stage

Write = Callable[..., Path]
MEDIUM_POLICY = loader.find("medium").policy
MEDIUM = (loader.CATALOG / "medium.yaml").read_text()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str, name: str = "mine") -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        return path

    return _write


def mine(text: str) -> str:
    return f"policy: mine\nextends: medium\n{text}"


def refusal(path: Path) -> tuple[str, ...]:
    with pytest.raises(PolicyError) as caught:
        loader.load(path)
    assert caught.value.advice
    return caught.value.faults


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "~", "[]", "text"])
def test_an_empty_policy_is_refused(write: Write, text: str) -> None:
    """No rules never means no limits."""
    (fault,) = refusal(write(text))
    assert "mine.yaml:1: document: is" in fault


def test_every_fault_is_named_at_once_with_its_line_and_field(write: Write) -> None:
    """One reading names unknown, missing, mistyped and contradicting fields alike."""
    text = MEDIUM.replace("policy: medium", "policy: mine")
    text = text.replace("owner: ml-platform", "ownr: ml-platform")
    text = text.replace("horizon_hours: 24 ", "horizon_hours: soon ")
    text = text.replace("min_clusters: 14", "min_clusters: 1 ")
    text = text.replace("weight_bp: 2500", "weight_bp: 700 ")
    text = text.replace("at_deadline: hold", "at_deadline: pass")
    path = write(text)

    def line(word: str) -> int:
        return next(n for n, row in enumerate(text.splitlines(), 1) if word in row)

    faults = refusal(path)
    expected = [
        "1: owner: is missing. Write text.",
        f"{line('ownr:')}: ownr: is not a field. Did you mean owner?",
        f"{line('soon')}: labels.horizon_hours: is the text 'soon'. Write a number.",
        f"{line('min_clusters')}: budget.min_clusters: is 1. Write a number at least 2.",
        f"{line('weight_bp: 700')}: ramp[1].weight_bp: is 700 after 1000. Canary and ramp "
        "weights must grow and stay below 10000.",
        f"{line('at_deadline')}: at_deadline: is the text 'pass'. Write one of: withdraw, hold.",
    ]
    assert list(faults) == [f"{path}:{fault}" for fault in expected]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("labels:\n\thorizon_hours: 2\n", "4: document: a tab stands here. Indent with spaces."),
        ("owner: a\nowner: b\n", "3: owner: is written twice, in lines 3 and 4."),
        ("owner: [a\n", "4: document: expected ',' or ']', but got '<stream end>'."),
        ("owner: &a x\nwhy: *a\n", "4: document: an alias stands here. Write the value out."),
        ("owner: !!python/name:os.system x\n", "3: owner: has the tag"),
        ("pause_alert_minutes: '15'\n", "is the text '15'. Write a whole number."),
        ("pause_alert_minutes: 1_000\n", "is the text '1_000'. Write a whole number."),
        ("pause_alert_minutes: true\n", "is true. Write a whole number."),
        ("pause_alert_minutes:\n", "is empty. Write a whole number."),
        ("labels: {independent_of_answer: yes}\n", "is the text 'yes'. Write true or false."),
        ("labels: {horizon_hours: .nan}\n", "is .nan. Write a number that can be compared."),
        ("labels: {horizon_hours: 1e400}\n", "is 1e400. Write a number that can be compared."),
        ("labels: {time_zone: Mars/Olympus}\n", "labels.time_zone: is 'Mars/Olympus'"),
        (
            "labels: {independent_of_answer: false}\n",
            "guardrails[0].kind: is paired_mean, and labels.independent_of_answer is false",
        ),
        ("labels: {horizon_hours: 240}\n", "soak.min_days: is 7, shorter than the label horizon"),
        ("labels: medium\n", "labels: is the text 'medium'. Write a block with:"),
        ("guardrails: []\n", "3: guardrails: is empty. Write a list"),
        ("fallback: [error, previous]\n", "fallback[0]: is error before the end."),
        ("fallback: [degraded, error]\n", "fallback[0]: is degraded before the end."),
        ("fallback: [previous, previous]\n", "fallback[1]: names previous again."),
        ("canary: {weight_bp: 10000}\n", "canary.weight_bp: is all traffic."),
        ("canary: {audience: {}}\n", "canary.audience: names nobody."),
        ("canary: {audience: {hours: [3, 3]}}\n", "begin and end at the same hour."),
        (
            "canary: {audience: {hours: [1, 5], time_zone: Mars/Olympus}}\n",
            "canary.audience.time_zone: is 'Mars/Olympus', which is no time zone.",
        ),
        ("canary: {audience: {hours: [1, 25]}}\n", "canary.audience.hours[1]"),
        ("canary: {audience: {people: [staff]}}\n", "canary.audience.people: is not a field."),
        ("soak: {margin_factor: 2}\n", "3: soak.margin_factor: is 2. Write 1"),
        ("shadow: {deadline_days: 14}\n", "Write more days than min_days"),
        ("incident: {sev1_from_bp: 10}\n", "incident.sev2_from_bp: is 500, above sev1_from_bp"),
        ("extends: medium\n", "2: extends: is written twice"),
        ("<<: {owner: a}\n", "3: <<: is not a field."),
        ("? [a]\n: b\n", "has a block for a name in line 3. Write text."),
        ("approvals: [{gate: canary, roles: {}, expires_hours: 1}]\n", "roles: is empty."),
        (
            "approvals:\n"
            "  - {gate: full, roles: {peer: 1}, expires_hours: 1}\n"
            "  - {gate: full, roles: {board: 1}, expires_hours: 1}\n",
            "5: approvals[1].gate: asks for full again. Write one rule a gate.",
        ),
        (
            "approvals:\n  - {gate: staging, roles: {peer: 1}, expires_hours: 1}\n",
            "4: approvals[0].gate: is staging, where the evidence is made and nobody is affected. "
            "Write shadow",
        ),
    ],
)
def test_each_kind_of_fault_says_where_it_is_and_what_to_write(
    write: Write, text: str, fault: str
) -> None:
    """A person can mend the file from the message alone."""
    assert any(fault in found for found in refusal(write(mine(text)))), refusal(write(mine(text)))


def test_guardrails_that_contradict_themselves_are_refused_item_by_item(write: Write) -> None:
    """Each guardrail is checked even when another one is wrong too."""
    rail = "{name: %s, kind: %s, metric: %s, margin: 1, rollback_at: %s, weight: %s, "
    rail += "information: 1, why: x}"
    rows = [
        rail % ("a", "paired_mean", "error", "0", "0.5"),
        rail % ("a", "proportion", "slow", "2", "0.25"),
    ]
    text = mine("guardrails:\n" + "".join(f"  - {row}\n" for row in rows))
    found = "\n".join(refusal(write(text)))
    for expected in (
        "3: guardrails: have weights that sum to 0.75.",
        "4: guardrails[0].kind: does not fit the metric.",
        "5: guardrails[1].name: is used twice.",
        "5: guardrails[1].rollback_at: is 2, not below the margin of 1.",
        "5: guardrails[1].slow_ms: belongs to the metric slow",
    ):
        assert expected in found


def test_rows_that_nothing_counts_are_not_waited_for(write: Write) -> None:
    """A live step asks for answers of the candidate; only some guardrails count them."""
    rail = "{name: %s, kind: %s, metric: %s, margin: 1, rollback_at: 0, weight: %s, "
    rail += "information: 1, why: x}"
    loss = rail % ("loss", "paired_mean", "log_loss", "0.5")
    other = rail % ("other", "paired_mean", "brier", "0.5")
    errors = rail % ("errors", "proportion", "error", "0.5")
    found = refusal(write(mine(f"guardrails:\n  - {loss}\n  - {other}\n")))
    told = (
        "3: guardrails: count no answers, and min_rows waits for some in canary, ramp[0], ramp[1]"
    )
    assert any(told in fault and "Add a guardrail on error" in fault for fault in found)
    loader.load(write(mine(f"guardrails:\n  - {loss}\n  - {errors}\n")))


def test_missing_values_are_of_a_metric_and_by_day(write: Write) -> None:
    rail = "{name: %s, kind: %s, metric: missing, margin: .1, rollback_at: 0, weight: .25, "
    rail += "%s information: 1, why: x}"
    rows = [
        rail % ("a", "proportion", "name_of_metric: cost,"),
        rail % ("b", "proportion", ""),
        rail % ("c", "proportion", "name_of_metric: cost, unit: request,"),
        rail % ("d", "mean", "name_of_metric: cost, cap: 3,"),
    ]
    text = "guardrails:\n" + "".join(f"  - {row}\n" for row in rows)
    found = refusal(write(mine(text)))
    assert not [each for each in found if "guardrails[0]" in each]
    for expected in (
        "guardrails[1].name_of_metric: belongs to the metrics business and missing alone.",
        "guardrails[2].unit: must be day",
        "guardrails[3].kind: does not fit the metric.",
        "guardrails[3].cap: belongs to the metric business, and only there.",
    ):
        assert any(expected in each for each in found), (expected, found)


def test_a_ratio_says_what_it_is_divided_by(write: Write) -> None:
    """A posted metric over another one or over requests, summed by user."""
    rail = "{name: %s, kind: %s, metric: business, name_of_metric: cost, direction: down, cap: 9, "
    rail += "without_value: zero, margin: .1, rollback_at: 0, weight: .25, %s information: 1, "
    rail += "why: x}"
    rows = [
        rail % ("a", "ratio", "per: requests, unit: user,"),
        rail % ("b", "ratio", "unit: user,"),
        rail % ("c", "ratio", "per: orders,"),
        rail % ("d", "mean", "per: orders, unit: user,"),
    ]
    text = "guardrails:\n" + "".join(f"  - {row}\n" for row in rows)
    found = refusal(write(mine(text)))
    assert not [each for each in found if "guardrails[0]" in each]
    for expected in (
        "guardrails[1].per: belongs to the kind ratio, and only there.",
        "guardrails[2].unit: must be user",
        "guardrails[3].per: belongs to the kind ratio, and only there.",
    ):
        assert any(expected in each for each in found), (expected, found)


def test_a_quantile_says_which_one_and_of_which_days(write: Write) -> None:
    """Latency is counted by a frozen quantile; nothing else is."""
    rail = "{name: %s, kind: %s, metric: %s, margin: .1, rollback_at: 0, weight: .25, %s"
    rail += "information: 1, why: x}"
    rows = [
        rail % ("a", "quantile", "latency", "quantile: .99, before_days: 7, unit: request, "),
        rail % ("b", "quantile", "latency", "quantile: .99, "),
        rail % ("c", "quantile", "error", "quantile: .99, before_days: 7, "),
        rail % ("d", "proportion", "error", "before_days: 7, "),
    ]
    text = "guardrails:\n" + "".join(f"  - {row}\n" for row in rows)
    found = refusal(write(mine(text)))
    assert not [each for each in found if "guardrails[0]" in each]
    for expected in (
        "guardrails[1].before_days: belongs to the kind quantile, and only there.",
        "guardrails[2].kind: does not fit the metric.",
        "guardrails[3].before_days: belongs to the kind quantile, and only there.",
    ):
        assert any(expected in each for each in found), (expected, found)


def test_cuped_belongs_to_means_with_bounds_of_their_own_unit(write: Write) -> None:
    """A share of a mean that has been moved is a share of nothing."""
    rail = "{name: %s, kind: %s, metric: business, name_of_metric: paid, direction: up, cap: 9, "
    rail += "without_value: zero, unit: user, cuped_days: 14, margin: .1, rollback_at: 0, "
    rail += "weight: .25, information: 1, why: x%s}"
    rows = [rail % ("a", "mean", ""), rail % ("b", "mean", ", relative: true"),
            rail % ("c", "ratio", ", per: requests")]  # fmt: skip
    found = refusal(write(mine("guardrails:\n" + "".join(f"  - {row}\n" for row in rows))))
    assert not [each for each in found if "guardrails[0]" in each]
    for expected in (
        "guardrails[1].relative: does not go with cuped_days",
        "guardrails[2].cuped_days: belongs to the kind mean, and only there.",
    ):
        assert any(expected in each for each in found), (expected, found)


def test_a_child_overrides_blocks_field_by_field_and_lists_whole(write: Write) -> None:
    """What the child does not say is the parent's, but never its name or its models."""
    text = mine("owner: flights\nshadow: {min_days: 3}\nramp: []\napplies_to: ['plane-*']\n")
    policy = loader.load(write(text)).policy
    medium = loader.find("medium").policy
    assert policy.owner == "flights"
    assert policy.shadow == medium.shadow.model_copy(update={"min_days": 3.0})
    assert policy.ramp == ()
    assert policy.guardrails == medium.guardrails
    assert (policy.policy, policy.extends) == ("mine", "medium")


def test_faults_in_a_parent_are_named_with_the_parents_file(write: Write) -> None:
    """A child is not blamed for what it inherits."""
    parent = write(MEDIUM.replace("policy: medium", "policy: base").replace("2048", "none"), "base")
    child = write("policy: mine\nextends: base\n")
    (fault,) = refusal(child)
    assert fault.startswith(f"{parent}:") and "staging.serving.memory_mb" in fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("policy: mine\nextends: mine\n", "2: extends: leads back to mine."),
        ("policy: mine\nextends: other\n", "2: extends: leads back to mine."),
        ("policy: mine\nextends: nobody\n", "2: extends: names 'nobody'"),
        ("policy: mine\nextends: ../mine\n", "2: extends: names '../mine'"),
    ],
)
def test_a_parent_must_exist_and_not_lead_back(write: Write, text: str, fault: str) -> None:
    """One fault, not the dozens that a missing parent would otherwise cause."""
    write("policy: other\nextends: mine\n", "other")
    (found,) = refusal(write(text))
    assert fault in found


def test_a_name_that_is_not_the_files_is_refused(write: Write) -> None:
    """A copied file that kept its old name would rule under it."""
    (fault,) = refusal(write("policy: yours\nextends: medium\n"))
    assert "1: policy: is 'yours'. Write 'mine'" in fault


def test_a_file_that_cannot_be_read_is_refused_with_advice(tmp_path: Path) -> None:
    """Neither a missing file nor bytes that are not text become an empty policy."""
    refusal(tmp_path / "absent.yaml")
    garbled = tmp_path / "garbled.yaml"
    garbled.write_bytes(b"policy: \xff\xfe")
    assert "is not UTF-8 text" in refusal(garbled)[0]


def test_the_digest_is_of_the_meaning_not_of_the_text(write: Write) -> None:
    """Comments, order and style may change; a number may not."""
    plain = loader.load(write(mine("owner: a\nwhy: b\n"))).digest
    assert loader.load(write(mine("# note\nwhy: 'b'\nowner: \"a\"\n"))).digest == plain
    assert loader.load(write(mine("owner: a\nwhy: c\n"))).digest != plain
    assert plain.startswith("sha256:") and len(plain) == 71


def test_the_digest_changes_when_a_parent_changes(write: Write) -> None:
    """It covers the resolved policy, not the few lines of the child."""
    base = MEDIUM.replace("policy: medium", "policy: base")
    write(base, "base")
    before = loader.load(write("policy: mine\nextends: base\n")).digest
    write(base.replace("pause_alert_minutes: 15", "pause_alert_minutes: 16"), "base")
    assert loader.load(write("policy: mine\nextends: base\n")).digest != before


def test_a_recorded_policy_is_the_policy_that_was_loaded() -> None:
    """A release rebuilds its policy from the ledger under the same digest."""
    loaded = loader.find("regulated")
    again = ReleasePolicy.model_validate(loaded.policy.model_dump(mode="json"))
    assert again == loaded.policy
    assert loader.digest_of(again) == loaded.digest


@given(minutes=st.integers(1, 10_000), share=st.floats(0.5, 1.0))
def test_any_change_of_a_number_changes_the_digest(minutes: int, share: float) -> None:
    """No two different policies share a name in the record."""
    policy = MEDIUM_POLICY
    labels = policy.labels.model_copy(update={"min_maturity": share})
    other = policy.model_copy(update={"pause_alert_minutes": minutes, "labels": labels})
    assert (loader.digest_of(other) == loader.digest_of(policy)) == (other == policy)


def test_a_model_gets_the_one_policy_that_names_it(write: Write, tmp_path: Path) -> None:
    """By pattern; two policies or none are refused, never guessed."""
    write(mine("applies_to: ['plane-*']\n"))
    assert loader.for_model("plane-delay", tmp_path).policy.policy == "mine"
    assert loader.find("plane-delay", (tmp_path, loader.CATALOG)).policy.policy == "mine"
    with pytest.raises(PolicyError, match=r"No policy in .* applies to train-delay"):
        loader.for_model("train-delay", tmp_path)
    write("policy: yours\nextends: medium\napplies_to: ['*-delay']\n", "yours")
    with pytest.raises(PolicyError, match=r"More than one policy .*: mine and yours"):
        loader.for_model("plane-delay", tmp_path)


def test_a_catalogue_with_a_broken_policy_rules_no_model(write: Write, tmp_path: Path) -> None:
    """The one that cannot be read might be the one that applies."""
    write(mine("applies_to: ['plane-*']\n"))
    write("policy: broken\n", "broken")
    with pytest.raises(PolicyError, match=r"in the policies"):
        loader.for_model("plane-delay", tmp_path)


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    """A slip of the finger is answered with what was meant."""
    with pytest.raises(PolicyError) as caught:
        loader.find("medum")
    assert caught.value.advice == "Did you mean medium?"


def test_a_name_in_an_earlier_catalogue_comes_first(write: Write, tmp_path: Path) -> None:
    """A team's own folder wins over the bundled tiers."""
    copy(loader.CATALOG / "medium.yaml", tmp_path / "medium.yaml")
    assert loader.find("medium", (tmp_path, loader.CATALOG)).source.parent == tmp_path
    assert loader.find("low", (tmp_path, loader.CATALOG)).policy.approval_for(Stage.CANARY)


def test_what_a_childs_list_lacks_is_the_childs_fault(write: Write) -> None:
    """A replaced list is judged at the child's lines, not at the parent's that it replaced."""
    child = write(mine("approvals:\n  - {gate: canary, roles: {peer: 1}}\n"))
    (fault,) = refusal(child)
    assert fault.startswith(f"{child}:4: approvals[0].expires_hours: is missing.")


def test_the_models_of_a_parent_are_not_the_childs(write: Write, tmp_path: Path) -> None:
    """Else every child would apply beside its parent, and neither could rule."""
    base = MEDIUM.replace("policy: medium", "policy: base")
    write(base.replace("applies_to: []", "applies_to: ['plane-*']"), "base")
    assert loader.load(write("policy: mine\nextends: base\n")).policy.applies_to == ()
    assert loader.for_model("plane-delay", tmp_path).policy.policy == "base"
