"""One model in this process: a bad row costs itself, and nonsense is no score."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from deployments.gateway.model import Answer, Model
from deployments.gateway.signature import Column

COLUMNS = (Column("x", "double"), Column("n", "long"))


class Estimator:
    """Stands for what MLflow loads: answers ``x``, raises at a negative ``n``."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.calls, self.seconds = 0, seconds

    def predict(self, frame: Any, params: Any = None) -> Any:
        self.calls += 1
        self.params = params
        time.sleep(self.seconds)
        assert [str(kind) for kind in frame.dtypes] == ["float64", "int64"]
        if (frame["n"] < 0).any():
            raise KeyError("n")
        return frame[["n", "x"]].to_numpy()


def rows(*values: tuple[float | None, int]) -> list[dict[str, Any]]:
    return [{"x": x, "n": n} for x, n in values]


def model(estimator: Any, split_seconds: float = 600.0) -> Model:
    return Model(
        "sha256:" + "0" * 64,
        COLUMNS,
        shows_features=False,
        minds_mirrors=True,
        pyfunc=estimator,
        split_seconds=split_seconds,
    )


def test_a_model_that_minds_is_told_what_nobody_will_see() -> None:
    """Mirrored rows and timed calls must leave no trace; answers to people may."""
    estimator = Estimator()
    model(estimator).score_each(rows((0.1, 1)), mirrored=True)
    assert estimator.params == {"mirrored": True}
    model(estimator).time_each({"x": 0.1, "n": 1}, 1)
    assert estimator.params == {"mirrored": True}
    model(estimator).score_each(rows((0.1, 1)))
    assert estimator.params is None


def test_good_rows_are_one_call() -> None:
    """The last column of a table is the score."""
    estimator = Estimator()
    assert model(estimator).score_each(rows((0.1, 1), (0.2, 2))) == [Answer(0.1), Answer(0.2)]
    assert estimator.calls == 1


def test_a_bad_row_costs_itself() -> None:
    answers = model(Estimator()).score_each(rows(*[(0.5, 1)] * 20, (0.5, -1), *[(0.5, 1)] * 20))
    assert [at for at, answer in enumerate(answers) if answer.error] == [20]
    assert "KeyError" in (answers[20].error or "")


def test_a_hopeless_batch_ends_soon() -> None:
    """Looking for the bad rows is bounded, and no row is left without an answer."""
    estimator = Estimator()
    answers = model(estimator).score_each(rows(*[(0.5, -1)] * 500))
    assert all(answer.error for answer in answers)
    assert (len(answers), estimator.calls) == (500, 128)


def test_many_bad_rows_cost_themselves_only() -> None:
    """A third of an hour's flights: the other two thirds are answered."""
    answers = model(Estimator()).score_each(rows(*[(0.5, -1 if n % 3 else 1) for n in range(60)]))
    assert [answer.error is None for answer in answers] == [n % 3 == 0 for n in range(60)]


def test_a_slow_model_is_not_asked_again_and_again() -> None:
    """The good rows of its batch go elsewhere before their deadline."""
    estimator = Estimator(seconds=0.2)
    answers = model(estimator, split_seconds=0.1).score_each(rows(*[(0.5, -1)] * 8))
    assert all(answer.error for answer in answers)
    assert estimator.calls == 1


def test_every_row_is_tried_once_however_late_it_is() -> None:
    """A busy machine, or the rows before it, may have taken all the time there was."""
    estimator = Estimator()
    late = model(estimator, split_seconds=0.0)
    assert late.score_each(rows((0.1, 1), (0.2, 2))) == [Answer(0.1), Answer(0.2)]
    gaps = (Column("x", "double"), Column("n", "long", required=False))

    class Slow:
        def predict(self, frame: Any, params: Any = None) -> Any:
            time.sleep(0.02)
            return frame["x"].to_numpy()

    spaced = replace(model(Slow(), split_seconds=0.01), columns=gaps)
    answers = spaced.score_each([{"x": 0.1, "n": 1}, {"x": 0.2, "n": None}])
    assert answers == [Answer(0.1), Answer(0.2)]


@pytest.mark.parametrize("score", [-0.1, 1.1, None])
def test_nonsense_is_no_score(score: float | None) -> None:
    answer = model(Estimator()).score_each(rows((score, 1)))[0]
    assert answer.score is None
    assert "no probability" in (answer.error or "")


def test_a_missing_column_is_the_rows_fault() -> None:
    answers = model(Estimator()).score_each([{"x": 0.5, "n": 1}, {"x": 0.5}])
    assert answers == [Answer(0.5), Answer(None, "n is missing")]


def test_times_of_one_batch_may_be_written_in_several_ways() -> None:
    """Each in any way that ISO 8601 knows; one that no table holds costs itself."""

    class Clockwork:
        def predict(self, frame: Any, params: Any = None) -> Any:
            assert str(frame["t"].dtype) == "datetime64[ns]"
            return frame["t"].dt.hour / 24

    timed = replace(model(Clockwork()), columns=(Column("t", "datetime"),))
    written = ["2013-05-01T12:00:00", "2013-05-01", "2013-05-01T14:00:00+02:00", "2013-W18-3"]
    answers = timed.score_each([{"t": each} for each in (*written, "0001-01-01")])
    assert [answer.score for answer in answers] == [0.5, 0.0, 0.5, 0.0, None]


def test_an_answer_that_is_no_list_of_numbers_is_the_models_fault() -> None:
    """Whatever reading it raises: the thread that asks for everybody must live on."""

    class Attached:
        def __array__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("call detach() first")

    class Learning:
        def predict(self, frame: Any, params: Any = None) -> Any:
            return Attached()

    answer = model(Learning()).score_each(rows((0.5, 1)))[0]
    assert "detach" in (answer.error or "")


def test_an_answer_of_another_length_is_no_answer() -> None:
    class Short:
        def predict(self, frame: Any, params: Any = None) -> Any:
            return [0.5]

    answers = model(Short()).score_each(rows((0.5, 1), (0.5, 1)))
    assert all("2 rows were asked" in (answer.error or "") for answer in answers)
