"""Who asks for a release does not choose who has to sign it."""

from __future__ import annotations

import pytest

from policies.errors import PolicyError
from tasks.gate.choosing import policy_of


def test_a_model_that_a_policy_names_is_ruled_by_it() -> None:
    """Named or not, it is the same policy."""
    assert policy_of("flight-delay-x", None, None).policy.policy == "flight-delay"
    assert policy_of("flight-delay-x", "flight-delay", None).policy.policy == "flight-delay"


def test_a_laxer_policy_cannot_be_asked_for() -> None:
    """A peer instead of a reviewer and a manager: refused, with the policy that rules."""
    with pytest.raises(PolicyError, match="ruled by the policy flight-delay"):
        policy_of("flight-delay-x", "low", None)


def test_a_model_that_no_policy_names_may_choose() -> None:
    assert policy_of("anything", "low", None).policy.policy == "low"
