"""Who may not sign, because they asked for the release or trained the model."""

from __future__ import annotations

from policies.errors import ApprovalError
from tasks.approval.ports import Directory


def refuse_unknown_people(directory: Directory, requester: str, trainer: str | None) -> None:
    """Both must be known before the trial begins: an unknown name could be any signer's.

    Told at the start and not weeks later at the gate, where every vote would be refused.
    """
    if trainer is None:
        raise ApprovalError(
            "Nobody knows who trained this version, so nobody can tell who may not sign it.",
            advice="Set the tag `trainer` on the version in MLflow, or register it from its run.",
        )
    for deed, name in (("asks for the release", requester), ("trained the model", trainer)):
        if directory.person(name) is None:
            raise ApprovalError(
                f"'{name}', who {deed}, is nobody in the directory.",
                advice=f"Add '{name}' to people.json, as a person or as somebody's alias"
                + ("; or name yourself with --as." if name == requester else "."),
            )
