"""The reference sample of a version: what trainers write is what the trial reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.errors import RefusedError
from tasks.registry.reference import (
    REFERENCE_FILE,
    reference_rows,
    takes_inputs_as_they_are,
    write_reference,
)

INPUTS = [{"x": 1, "text": "a"}, {"x": None, "text": "b"}]


def test_a_version_without_a_sample_says_nothing(tmp_path: Path) -> None:
    """Also not that it takes its inputs as they are."""
    assert reference_rows(tmp_path) == []
    assert not takes_inputs_as_they_are(tmp_path)


def test_without_features_the_inputs_are_what_the_model_sees(tmp_path: Path) -> None:
    write_reference(tmp_path, INPUTS, [0.1, 0.9])
    assert [row.seen for row in reference_rows(tmp_path)] == INPUTS
    assert takes_inputs_as_they_are(tmp_path)


def test_features_are_kept_beside_the_inputs(tmp_path: Path) -> None:
    write_reference(tmp_path, INPUTS, [0.1, 0.9], [{"f": 2.0}, {"f": 3.0}])
    assert [row.seen for row in reference_rows(tmp_path)] == [{"f": 2.0}, {"f": 3.0}]
    assert not takes_inputs_as_they_are(tmp_path)


@pytest.mark.parametrize("scores", [[], [0.1], [0.1, 0.2, 0.3]])
def test_a_sample_that_does_not_match_is_not_written(tmp_path: Path, scores: list[float]) -> None:
    with pytest.raises(RefusedError):
        write_reference(tmp_path, INPUTS, scores)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        '{"inputs": {}, "score": 1}\n{"inputs": {}, "features": {}, "score": 1}',
        '{"inputs": {}}',
        '{"inputs": {}, "score": NaN}',
        "no JSON",
    ],
)
def test_a_damaged_sample_is_refused_by_the_trial_and_says_nothing(
    tmp_path: Path, text: str
) -> None:
    """A gateway that only loads the version is not kept from it."""
    (tmp_path / "reference").mkdir()
    (tmp_path / REFERENCE_FILE).write_text(text)
    with pytest.raises(RefusedError):
        reference_rows(tmp_path)
    assert not takes_inputs_as_they_are(tmp_path)
