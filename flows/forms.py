"""What people see in the Prefect UI: the launch form's fields and the sign-off form."""

from __future__ import annotations

from typing import Annotated

from prefect.input import RunInput
from pydantic import BeforeValidator, Field

# The descriptions beside these fields come from the docstring of the flow.
ModelName = Annotated[str, Field(min_length=1)]
Version = Annotated[str, Field(pattern=r"^[1-9][0-9]*$")]
Requester = Annotated[str, Field(min_length=1)]
# Empty instead of absent: the form shows one plain field, not a choice between two types. Runs
# that were launched when it was absent still wake.
Emptied = BeforeValidator(lambda given: "" if given is None else given)
PolicyName = Annotated[str, Emptied]
ReleaseId = Annotated[str, Field(pattern=r"^(rel-[0-9a-f]{8,})?$"), Emptied]


class SignedDecision(RunInput):
    """Mailbox for one signed decision. Who signed is proven by the signature, not by the form."""

    signed_decision: str = Field(
        default="",
        title="Signed decision",
        description="Paste what the command above gave you with --print. Without --print it is "
        "counted at once and nothing need be pasted. Left empty, the votes are counted again.",
    )
