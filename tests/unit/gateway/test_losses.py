"""Lost lines are told once each, whatever could not be told at first."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from deployments.gateway.losses import Losses

LINES = st.lists(
    st.tuples(
        st.sampled_from(["predictions", "inputs"]),
        st.sampled_from(["m", "n"]),
        st.sampled_from([None, "shadow", "soak"]),
        st.integers(0, 59),
    ),
    max_size=30,
)


@given(LINES, st.integers(0, 30), st.integers(0, 4))
def test_every_lost_line_is_told_once(
    lines: list[tuple[str, str, str | None, int]], first: int, told: int
) -> None:
    """Some were taken to be told, and only the first few of them could be."""
    losses, heard = Losses("g"), []
    for number, (kind, model, step, second) in enumerate(lines):
        if number == first:
            taken = losses.take()
            heard += taken[:told]
            losses.put_back(taken[told:])
        losses.add(kind, {"at": f"2013-05-01T00:00:{second:02}", "model": model, "step": step})
    assert losses.total == len(lines)
    heard += losses.take()
    assert not losses and losses.take() == []
    whose = Counter((kind, model, step) for kind, model, step, _ in lines)
    found: Counter[tuple[str, str, str | None]] = Counter()
    for line in heard:
        found[line["kind"], line["model"], line["step"]] += line["lines"]
    assert found == whose
    for key in whose:
        moments = [f"2013-05-01T00:00:{s:02}" for *of, s in lines if tuple(of) == key]
        ours = [line for line in heard if (line["kind"], line["model"], line["step"]) == key]
        assert min(line["at"] for line in ours) == min(moments)
        assert max(line["until"] for line in ours) == max(moments)
