"""How bad an incident is, from what is known when the candidate is stopped.

The worst rule that matches wins. What is unknown counts as the worst it could be: taking a
severity down later is cheap, having called nobody is not.
"""

from __future__ import annotations

from typing import Literal

from policies.errors import EvidenceError
from policies.schema import IncidentRules
from policies.vocabulary import FULL_WEIGHT_BP, Finding, Value

Level = Literal["SEV1", "SEV2", "SEV3", "SEV4"]
Tier = Literal["low", "medium", "high", "regulated"]


class Severity(Value):
    level: Level
    reason: str  # one sentence for the page


def severity(
    rules: IncidentRules,
    *,
    weight_bp: int | None,
    finding: Finding | None,
    tier: Tier = "low",
    contained: bool = True,
    tampered: bool = False,
) -> Severity:
    """``weight_bp``: the share the candidate had when it was stopped; ``None``: not known.

    ``finding``: what stopped it; ``None`` when a person did. ``contained``: the serving
    processes were seen without the candidate. ``tampered``: its registered files were changed
    after they were evaluated, so somebody can write where nobody should.
    """
    if weight_bp is not None and not 0 <= weight_bp <= FULL_WEIGHT_BP:
        raise EvidenceError(
            f"A weight of {weight_bp} basis points does not exist.", advice="Verify the ledger."
        )
    if not contained:
        return Severity(level="SEV1", reason="The candidate is not shown to be out of service.")
    if weight_bp is None:
        return Severity(level="SEV1", reason="Nobody knows how much traffic it had.")
    by_share = _by_share(rules, weight_bp, finding, tier)
    if tampered and by_share.level in ("SEV3", "SEV4"):
        return Severity(
            level="SEV2", reason="Registered files were changed after they were evaluated."
        )
    return by_share


def _by_share(
    rules: IncidentRules, weight_bp: int, finding: Finding | None, tier: Tier
) -> Severity:
    if weight_bp == 0:
        return Severity(level="SEV4", reason="It was stopped before it answered any user.")
    share = f"It answered {weight_bp / 100:g} % of the traffic when it was stopped"
    if weight_bp >= rules.sev1_from_bp:
        return Severity(level="SEV1", reason=f"{share} (SEV1 from {rules.sev1_from_bp / 100:g} %).")
    if weight_bp >= rules.sev2_from_bp:
        return Severity(level="SEV2", reason=f"{share} (SEV2 from {rules.sev2_from_bp / 100:g} %).")
    if finding is Finding.HARMFUL and tier in ("high", "regulated"):
        return Severity(level="SEV2", reason=f"{share}, harmful, in tier {tier}.")
    return Severity(level="SEV3", reason=f"{share}.")
