"""What people see in the Prefect UI: the launch form's fields and the sign-off form."""

from __future__ import annotations

from typing import Annotated

from prefect.input import RunInput
from pydantic import Field

ModelName = Annotated[
    str,
    Field(
        min_length=1,
        title="Model",
        description="Name of the registered model in MLflow. It must already be served "
        "(`seatrial adopt` puts the first champion in place).",
    ),
]
Version = Annotated[
    str,
    Field(
        pattern=r"^[1-9][0-9]*$",
        title="Version on trial",
        description="The registered version to release, a number such as 2.",
    ),
]
Requester = Annotated[
    str,
    Field(
        min_length=1,
        title="Who asks",
        description="Your name as your team's directory knows it. "
        "Who asks for a release cannot approve it.",
    ),
]
PolicyName = Annotated[
    str | None,
    Field(
        default=None,
        title="Policy (optional)",
        description="Leave empty: the policy that names the model in `applies_to` rules.",
    ),
]
ReleaseId = Annotated[
    str | None,
    Field(
        default=None,
        title="Release to continue (leave empty)",
        description="Only for taking over a release whose run was lost.",
    ),
]


class SignedDecision(RunInput):
    """Mailbox for one signed decision. Who signed is proven by the signature, not by the form."""

    signed_decision: str = Field(
        default="",
        title="Signed decision",
        description="Paste what `seatrial approve REQUEST --print` gave you. "
        "Leave empty to have the release look again at the votes it has.",
    )
