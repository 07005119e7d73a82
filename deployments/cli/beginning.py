"""``seatrial init``: a home that is ready for somebody's own model."""

from __future__ import annotations

import getpass
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments.cli.asking import Asker, asker
from deployments.cli.new_policy import Given, new_policy
from deployments.cli.output import AsJson, show
from deployments.cli.policy import Independent
from policies.errors import ApprovalError, RefusedError
from policies.loader import LoadedPolicy
from tasks.approval.people import People
from tasks.approval.ports import Person
from tasks.connections import OWN_CATALOG, Home, current

KEYS = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")


@dataclass
class Told:
    """What was done, what was there already, what is left to do."""

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    next: list[str] = field(default_factory=list)


def register(app: typer.Typer) -> None:
    app.command()(init)


def init(
    catalog: Annotated[
        Path | None, typer.Option(help="Folder for your policies; else beside the home.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Your name, as it will stand on record.")] = None,
    alias: Annotated[
        list[str] | None, typer.Option(help="What else you are called: mail, MLflow user.")
    ] = None,
    role: Annotated[list[str] | None, typer.Option(help="A role you may sign in.")] = None,
    key: Annotated[
        Path | None, typer.Option(help="Your SSH public key; else the one in ~/.ssh.")
    ] = None,
    person: Annotated[
        list[str] | None, typer.Option(help="Somebody else: NAME:ROLE,ROLE:PUBLIC_KEY_FILE.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Your registered model: writes a first policy for it.")
    ] = None,
    tier: Annotated[str | None, typer.Option(help="That policy's tier.")] = None,
    independent: Independent = None,
    horizon_hours: Annotated[
        float | None, typer.Option(help="Hours until an outcome is known.")
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="Where days begin: Europe/Paris.")] = None,
    wait_ms: Annotated[
        float | None, typer.Option(help="Milliseconds that no caller minds waiting.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a home ready: settings, people, a first policy. Nothing that exists is changed."""
    home, ask, told = current().home, asker(as_json), Told()
    # Everything that can be refused is read before anything is made.
    people = read_people(home, ask, told, name, alias, role, key, person)
    folder = _catalog(home, ask, catalog)
    model = ask.text(model, "Your registered model (empty: no policy yet)", "") or None
    given = Given(_policy_name(model or ""), tier, [model] if model else None, None, None,
                  independent, horizon_hours, time_zone, [], wait_ms, None, None)  # fmt: skip
    _make_home(home, folder, told)
    made = _first_policy(given, folder, ask, told) if model else None
    if people is not None:
        _new_file(home.path / "people.json", people, told)
    told.next += _what_next(home, model, made)
    _show(home, folder, told, as_json)


def _show(home: Home, folder: Path, told: Told, as_json: bool) -> None:
    data = {
        "home": str(home.path), "catalog": str(folder),
        "made": told.made, "kept": told.kept, "next": told.next,
    }  # fmt: skip
    lines = [*(f"made  {each}" for each in told.made), *(f"kept  {each}" for each in told.kept)]
    steps = [f"  {number}. {each}" for number, each in enumerate(told.next, start=1)]
    show(data, "\n".join([*lines, "", "What to do next:", *steps]), as_json)


# ── The home ────────────────────────────────────────────────────────────────────────────────


def _catalog(home: Home, ask: Asker, given: Path | None) -> Path:
    """The one that the settings name stays: releases are ruled from it."""
    named = home.catalog()
    if named is not None:
        if given is not None and given.absolute() != Path(named):
            raise RefusedError(
                f"The policies of this home lie in {named}, not in {given}.",
                advice=f"Leave --catalog out, or change {home.path / 'settings.json'}.",
            )
        return Path(named)
    default = str(home.path.parent / OWN_CATALOG)
    text = ask.text(None if given is None else str(given), "Folder of your policies", default)
    return Path(text).expanduser().absolute()


def _make_home(home: Home, folder: Path, told: Told) -> None:
    from deployments.stack.world import make_home

    make_home(home.path)
    folder.mkdir(parents=True, exist_ok=True)
    file = home.path / "settings.json"
    held: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    if held.get("catalog"):
        told.kept.append(f"{file}: policies in {held['catalog']}")
        return
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(held | {"catalog": str(folder)}, indent=1) + "\n")
    draft.replace(file)
    told.made.append(f"{file}: policies in {folder}")


def _new_file(path: Path, text: str, told: Told) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    told.made.append(str(path))


# ── People ──────────────────────────────────────────────────────────────────────────────────


def read_people(
    home: Home,
    ask: Asker,
    told: Told,
    name: str | None,
    alias: list[str] | None,
    role: list[str] | None,
    key: Path | None,
    others: list[str] | None,
) -> str | None:
    """The directory's text; ``None`` when there is one already."""
    path = home.path / "people.json"
    if path.exists():
        if others or name:
            raise RefusedError(
                f"{path} exists already, and is not written over.",
                advice="Add people to it by hand: name, roles, public_keys, aliases.",
            )
        told.kept.append(str(path))
        return None
    user = getpass.getuser()
    own = ask.text(name, "Your name", user)
    roles = ask.texts(role, "Your roles (commas)", "engineer")
    found = key if key is not None else _found_key()
    where = ask.text(None if key is None else str(key), "Your SSH public key", str(found or ""))
    keys = (_public_key(Path(where)),) if where else ()
    aliases = tuple(dict.fromkeys([*(alias or []), *([user] if user != own else [])]))
    people = [Person(name=own, roles=roles, public_keys=keys, aliases=aliases)]
    people += [_person(each) for each in others or []]
    People(people)  # two with one name or key are refused here and not at the first signature
    return json.dumps({"people": [each.plain() for each in people]}, indent=2) + "\n"


def _found_key() -> Path | None:
    folder = Path.home() / ".ssh"
    return next((folder / name for name in KEYS if (folder / name).is_file()), None)


def _public_key(path: Path) -> str:
    """One OpenSSH line. A private key's name stands for its public half."""
    from tasks.approval.ssh_signature import normal

    path = path.expanduser()
    public = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
    try:
        line = public.read_text(encoding="utf-8").strip()
        normal(line)
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(
            f"The public key {public} cannot be read.",
            advice="Make one: ssh-keygen -t ed25519, or name another with --key.",
        ) from error
    except ApprovalError as error:
        raise RefusedError(f"{public}: {error.message}", advice=error.advice) from error
    return line


def _person(text: str) -> Person:
    name, _, rest = text.partition(":")
    roles, _, key = rest.partition(":")
    listed = tuple(part.strip() for part in roles.split(",") if part.strip())
    if not (name.strip() and listed and key):
        raise RefusedError(
            f"{text!r} is no person.", advice="Write NAME:ROLE,ROLE:PUBLIC_KEY_FILE."
        )
    return Person(name=name.strip(), roles=listed, public_keys=(_public_key(Path(key)),))


# ── The first policy, and what is left ──────────────────────────────────────────────────────


def _policy_name(model: str) -> str:
    """A model's name as a policy's: the file systems of colleagues do not tell cases apart."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in model.lower()).strip("-._")


def _first_policy(given: Given, folder: Path, ask: Asker, told: Told) -> LoadedPolicy | None:
    path = folder / f"{given.name}.yaml"
    if path.exists():
        told.kept.append(str(path))
        return None
    made = new_policy(given, folder, ask)
    told.made.append(str(made.source))
    return made


def _what_next(home: Home, model: str | None, made: LoadedPolicy | None) -> Sequence[str]:
    name = model or "MODEL"
    if model is None:
        yield_policy = ["Write a policy: seatrial policy new NAME --model MODEL"]
    elif made is not None:
        yield_policy = [f"Read {made.source} and name your columns in it."]
    else:
        yield_policy = []
    roles = sorted({role for rule in made.policy.approvals for role in rule.roles}) if made else []
    wanted = f"with the roles {', '.join(roles)} " if roles else ""
    return [
        *yield_policy,
        f"Put everybody who signs {wanted}into {home.path / 'people.json'}: who asks for a "
        "release or trained the model may not sign it.",
        "Start the servers: seatrial up",
        "Try your model first: seatrial rehearse FOLDER --champion FOLDER --sample FILE "
        "--policy NAME",
        f"Put what serves today behind the switch: seatrial adopt {name} VERSION",
        f"See what a release would need: seatrial release {name} VERSION --dry-run",
    ]
