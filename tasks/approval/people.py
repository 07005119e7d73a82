"""Who is who: one person, however they are called and whichever of their keys they use.

Two persons who share a name, an alias or a key are refused as a whole: with such a directory
somebody could approve their own release under their other name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from policies.errors import ApprovalError, RefusedError
from tasks.approval.ports import Person
from tasks.approval.ssh_signature import normal


class People:
    """Looks persons up by any of their identities. Names and aliases ignore case."""

    def __init__(self, people: Iterable[Person]) -> None:
        self._everybody: list[Person] = []
        self._by_name: dict[str, Person] = {}
        self._by_key: dict[str, Person] = {}
        faults: list[str] = []
        for person in people:
            self._everybody.append(person)
            faults += self._add(person)
        if faults:
            raise RefusedError(
                f"The directory of people is ambiguous or wrong: {'; '.join(faults)}.",
                advice="Correct people.json: one record a person, with all names and keys in it.",
            )

    def person(self, name: str) -> Person | None:
        return self._by_name.get(_plain(name))

    def by_key(self, public_key: str) -> Person | None:
        try:
            return self._by_key.get(normal(public_key))
        except ApprovalError:  # what is no key is nobody's key
            return None

    def everybody(self) -> Sequence[Person]:
        return tuple(self._everybody)

    def _add(self, person: Person) -> list[str]:
        faults = []
        for name in {_plain(each) for each in (person.name, *person.aliases)}:
            if not name:
                faults.append(f"'{person.name}' has an empty name or alias")
            elif (other := self._by_name.setdefault(name, person)) is not person:
                faults.append(f"'{name}' is both {other.name} and {person.name}")
        for line in person.public_keys:
            try:
                key = normal(line)
            except ApprovalError as error:
                faults.append(f"{person.name}: {error.message}")
                continue
            if (other := self._by_key.setdefault(key, person)) is not person:
                faults.append(f"{other.name} and {person.name} have the same key")
        return faults


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()
