"""The directory of people as a file: ``{"people": [{"name", "roles", "public_keys", "aliases"}]}``.

It is read at every question, so that somebody who left a role cannot sign a moment later.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ConfigDict, ValidationError

from policies.errors import RefusedError, UnavailableError
from policies.vocabulary import Value
from tasks.approval.people import People
from tasks.approval.ports import Person


class _Document(Value):
    model_config = ConfigDict(frozen=True, extra="forbid")
    people: tuple[Person, ...]


class PeopleFile:
    def __init__(self, path: Path) -> None:
        self._path = Path(path)

    def person(self, name: str) -> Person | None:
        return self._people().person(name)

    def by_key(self, public_key: str) -> Person | None:
        return self._people().by_key(public_key)

    def everybody(self) -> Sequence[Person]:
        return self._people().everybody()

    def _people(self) -> People:
        try:
            document = _Document.model_validate(json.loads(self._path.read_text("utf-8")))
        except FileNotFoundError as error:
            raise RefusedError(
                f"There is no directory of people at {self._path}.",
                advice="Write people.json: names, roles and OpenSSH public keys.",
            ) from error
        except OSError as error:
            raise UnavailableError(
                f"The directory of people {self._path} cannot be read ({error.strerror}).",
                advice="Check who may read the file.",
            ) from error
        except ValidationError as error:
            raise RefusedError(
                f"The directory of people {self._path} is wrong: {_told(error)}.",
                advice="Each person has name, roles, public_keys and, if any, aliases.",
            ) from error
        except ValueError as error:
            raise RefusedError(
                f"The directory of people {self._path} is not JSON ({error}).",
                advice="Correct the file.",
            ) from error
        return People(document.people)


def _told(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
