"""The table that the README shows."""

from __future__ import annotations

from deployments.demo.outcomes import HEAD, table
from deployments.demo.scenarios import SCENARIOS


def test_a_row_tells_what_was_wrong_and_how_far_users_met_it() -> None:
    """Nothing to measure is a dash, never a zero."""
    rows = [
        {
            "scenario": "fragile", "outcome": "rolled_back", "stage": "canary 5 %",
            "exposed_requests": 1044, "hours_from_fault_to_zero": 9.0,
            "seconds_to_zero_traffic": 0.307, "days_replayed": 32.2,
        },
        {
            "scenario": "leaky", "outcome": "refused", "stage": "staging", "exposed_requests": 0,
            "hours_from_fault_to_zero": None, "seconds_to_zero_traffic": None,
            "days_replayed": 8.0,
        },
    ]  # fmt: skip
    head, rule, fragile, leaky = table(rows)
    assert head.count("|") == rule.count("|") == len(HEAD) + 1
    story = SCENARIOS["fragile"].story
    assert fragile == (
        f"| `fragile` | {story} | rolled back | canary 5 % | 1 044 | 9 h | 0.3 s | 32.2 |"
    )
    assert leaky.endswith("| refused | staging | 0 | – | – | 8 |")
