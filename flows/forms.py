"""What people see in the Prefect UI: the launch form's fields and the sign-off form."""

from __future__ import annotations

from typing import Annotated

from prefect.input import RunInput
from pydantic import Field

# The descriptions beside these fields come from the docstring of the flow.
ModelName = Annotated[str, Field(min_length=1)]
Version = Annotated[str, Field(pattern=r"^[1-9][0-9]*$")]
Requester = Annotated[str, Field(min_length=1)]
PolicyName = str | None
ReleaseId = Annotated[str, Field(pattern=r"^rel-[0-9a-f]{8,}$")] | None


class SignedDecision(RunInput):
    """Mailbox for one signed decision. Who signed is proven by the signature, not by the form."""

    signed_decision: str = Field(
        default="",
        title="Signed decision",
        description="Paste what `seatrial approve REQUEST --as NAME --role ROLE --key KEY --print` "
        "gave you. "
        "Leave empty to have the release look again at the votes it has.",
    )
