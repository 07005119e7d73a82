"""One person's decision: the text they sign, and whether their signature counts.

The text holds the whole request, so a signature binds every digest in it; an approval of other
evidence, another artefact or another policy is another text.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal

import rfc8785

from policies.errors import ApprovalError
from policies.vocabulary import ApprovalRequest, SignOff
from tasks.approval import ssh_signature
from tasks.approval.ports import Directory, Person

TYPE = ssh_signature.NAMESPACE


def text_to_sign(
    request: ApprovalRequest,
    person: str,
    role: str,
    decision: Literal["approve", "refuse"],
    comment: str = "",
) -> str:
    """RFC 8785 JSON of the request and the decision: what ``ssh-keygen -Y sign`` is given."""
    document = request.model_dump(mode="json")
    document["asked_at"] = _utc(request.asked_at)
    document["expires_at"] = _utc(request.expires_at)
    document |= {
        "type": TYPE,
        "person": person,
        "role": role,
        "decision": decision,
        "comment": comment,
    }
    try:
        return rfc8785.dumps(document).decode()
    except rfc8785.CanonicalizationError as error:
        raise ApprovalError(
            f"The request cannot be written exactly ({error}).",
            advice="Use plain text in the comment.",
        ) from error


def sign(
    request: ApprovalRequest,
    private_key: bytes,
    *,
    person: str,
    role: str,
    decision: Literal["approve", "refuse"],
    comment: str = "",
    passphrase: bytes | None = None,
) -> SignOff:
    """Sign with an OpenSSH Ed25519 private key (the bytes of its file)."""
    text = text_to_sign(request, person, role, decision, comment)
    signature = ssh_signature.sign(text, private_key, passphrase=passphrase)
    return signed_elsewhere(
        request, signature, person=person, role=role, decision=decision, comment=comment
    )


def signed_elsewhere(
    request: ApprovalRequest,
    signature: str,
    *,
    person: str,
    role: str,
    decision: Literal["approve", "refuse"],
    comment: str = "",
) -> SignOff:
    """The sign-off around a signature that ``ssh-keygen -Y sign`` made over ``text_to_sign``.

    So a key may stay in an agent or behind a passphrase that only OpenSSH asks for.
    """
    text = text_to_sign(request, person, role, decision, comment)
    return SignOff(
        request_id=request.request_id,
        person=person,
        role=role,
        decision=decision,
        comment=comment,
        key_id=ssh_signature.fingerprint(ssh_signature.verify(text, signature)),
        signed_text=text,
        signature=signature,
    )


def check(
    sign_off: SignOff, request: ApprovalRequest, directory: Directory, now: datetime
) -> SignOff:
    """The sign-off, proven: checked at the vote and again before the gate opens.

    ``key_id`` of the result is the key that signed, whatever the sign-off said.
    """
    _refuse_other_request(sign_off, request)
    _refuse_expired(request, now)
    public_key = ssh_signature.verify(sign_off.signed_text, sign_off.signature)
    _refuse_other_text(sign_off, request)
    signer = _signer(sign_off, public_key, directory)
    _refuse_wrong_role(sign_off, request, signer)
    _refuse_involved(request, signer, directory)
    return sign_off.model_copy(update={"key_id": ssh_signature.fingerprint(public_key)})


def _refuse_other_request(sign_off: SignOff, request: ApprovalRequest) -> None:
    if sign_off.request_id != request.request_id:
        raise ApprovalError(
            f"The sign-off is for request {sign_off.request_id}, not {request.request_id}.",
            advice=f"Sign the open one: `{_command(request)}`.",
        )


def _refuse_expired(request: ApprovalRequest, now: datetime) -> None:
    if now >= request.expires_at:
        raise ApprovalError(
            f"Request {request.request_id} expired at {_utc(request.expires_at)}.",
            advice="Ask again: a new request carries the evidence of today.",
        )


def _refuse_other_text(sign_off: SignOff, request: ApprovalRequest) -> None:
    expected = text_to_sign(
        request, sign_off.person, sign_off.role, sign_off.decision, sign_off.comment
    )
    if sign_off.signed_text == expected:
        return
    differing = ", ".join(_differing(sign_off.signed_text, json.loads(expected)))
    raise ApprovalError(
        f"What {sign_off.person} signed is not this request and this decision: "
        f"{differing or 'the wording'} differs.",
        advice=f"Read it and sign it anew: `{_command(request)}`.",
    )


def _differing(signed_text: str, expected: dict[str, Any]) -> list[str]:
    try:
        signed = json.loads(signed_text)
    except ValueError:
        return []
    if not isinstance(signed, dict):
        return []
    absent = object()
    names = sorted(signed.keys() | expected.keys())
    return [n for n in names if signed.get(n, absent) != expected.get(n, absent)]


def _signer(sign_off: SignOff, public_key: str, directory: Directory) -> Person:
    signer = directory.by_key(public_key)
    if signer is None:
        raise ApprovalError(
            f"The key {ssh_signature.fingerprint(public_key)} belongs to nobody in the directory.",
            advice="Sign with a registered key, or have this one added to people.json.",
        )
    # Exactly the name in the directory: aliases would count one person twice.
    if sign_off.person != signer.name:
        raise ApprovalError(
            f"The sign-off is in the name of {sign_off.person}, but {signer.name}'s key signed it.",
            advice=f"Sign as {signer.name}.",
        )
    return signer


def _refuse_wrong_role(sign_off: SignOff, request: ApprovalRequest, signer: Person) -> None:
    if sign_off.role not in request.roles:
        raise ApprovalError(
            f"Request {request.request_id} does not ask for the role '{sign_off.role}'.",
            advice=f"It asks for: {', '.join(sorted(request.roles)) or 'nobody'}.",
        )
    if sign_off.role not in signer.roles:
        raise ApprovalError(
            f"{signer.name} does not have the role '{sign_off.role}'.",
            advice=f"{signer.name} has: {', '.join(sorted(signer.roles)) or 'no role'}.",
        )


def _refuse_involved(request: ApprovalRequest, signer: Person, directory: Directory) -> None:
    involved = {"asked for the release": request.requester, "trained the model": request.trainer}
    for deed, name in involved.items():
        if name is None:
            continue
        person = directory.person(name)
        if person is None:
            # Unknown could be anybody, so also the signer under another name.
            raise ApprovalError(
                f"'{name}', who {deed}, is nobody in the directory, so nobody can tell whether "
                f"that is {signer.name}.",
                advice=f"Add '{name}' to people.json, as a person or as somebody's alias.",
            )
        if person.name == signer.name:
            raise ApprovalError(
                f"{signer.name} {deed} and may not sign it.",
                advice="Somebody else with the role signs.",
            )


def _utc(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ApprovalError("The request has a time without a time zone.", advice="Ask again.")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _command(request: ApprovalRequest) -> str:
    return f"seatrial approve {request.request_id} --as NAME --role ROLE --key KEY"
