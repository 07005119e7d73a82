"""The demo's people: who asks, when it is known what they did, and the models that answer."""

from __future__ import annotations

import math
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from deployments.demo.models import save
from deployments.demo.visit_models import VisitKind, train
from deployments.demo.visit_world import TIME_ZONE, VISITS
from deployments.demo.visits import A_DAY, GROUP, INPUTS, asking, drawn, people
from policies.loader import find
from tests.demo_world.elsewhere import told_elsewhere
from tests.people.visits import losses

LABELS = find("doctor-visits").policy.labels


@cache
def week() -> pd.DataFrame:
    return drawn(date(1974, 5, 1), date(1974, 5, 8), TIME_ZONE, 2013)


def test_the_people_are_those_of_the_experiment() -> None:
    """All years of a person are there; half of them train, and one in nine is of the group."""
    assert len(people()) == 20_190
    assert len(asking()) == 10_080
    assert not asking()["trains"].any()
    assert (asking()[GROUP] == "yes").mean() == pytest.approx(0.112, abs=0.001)


def test_as_many_ask_on_each_day_of_the_policy() -> None:
    """From midnight to midnight where the policy counts its days, in order, each id once."""
    days = week()["asked_at"].dt.tz_convert(LABELS.time_zone).dt.date
    assert set(days.value_counts()) == {A_DAY}
    assert week()["asked_at"].is_monotonic_increasing
    assert week()["id"].is_unique
    assert week()["asked_at"].iloc[0] == VISITS.midnight(VISITS.first_day)


def test_what_a_person_did_is_known_hours_later_and_within_the_horizon() -> None:
    """Never at once, and never after the policy has stopped to wait."""
    late = week()["label_known_at"] - week()["asked_at"]
    assert timedelta(hours=1) < late.min()
    assert late.max() < timedelta(hours=LABELS.horizon_hours)


def test_a_request_carries_nothing_known_later() -> None:
    """Neither the visits nor the label."""
    assert list(VISITS.inputs) == INPUTS
    assert not {"visits", "label", "trains"} & set(INPUTS)


def test_days_are_drawn_once_for_a_seed() -> None:
    """The same seed brings the same people on the same days, another one others."""
    drawn_again = drawn(date(1974, 5, 1), date(1974, 5, 8), TIME_ZONE, 2013)
    pd.testing.assert_frame_equal(week(), drawn_again)
    other = drawn(date(1974, 5, 1), date(1974, 5, 8), TIME_ZONE, 1)
    assert (other["chronic"] != week()["chronic"]).mean() > 0.5
    assert not set(other["unit"]) & set(week()["unit"])


def test_the_unfair_model_is_better_for_all_together_and_worse_for_the_group() -> None:
    """The fair one is better for both, so it is not health that does it."""
    group = asking()[GROUP].to_numpy() == "yes"
    unfair, fair = losses("unfair") - losses("champion"), losses("fair") - losses("champion")
    assert unfair.mean() < -0.02 and unfair[group].mean() > 0.05
    assert fair[group].mean() < -0.02 and fair[~group].mean() < -0.02


@pytest.mark.parametrize("kind", ["champion", "unfair"])
def test_an_artefact_of_visits_serves_elsewhere(kind: VisitKind, tmp_path: Path) -> None:
    """With training's scores and features; an unknown limitation is null on both sides."""
    folder = save(train(kind), VISITS.inputs, tmp_path / "model")
    reference, told = told_elsewhere(folder, tmp_path)
    assert len(reference) == 200
    for row, seen, score in zip(reference, told["features"], told["scores"], strict=True):
        assert score == pytest.approx(row["score"], abs=1e-9)
        assert {name: _or_none(value) for name, value in seen.items()} == row["features"]


def _or_none(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def test_another_seed_trains_on_other_people() -> None:
    """As with flights: nine tenths, drawn anew."""
    other = train("unfair", seed=1)
    assert other.data_digest != train("unfair").data_digest
    assert other.metrics["training_rows"] == 9_099
