"""Who may sign: people, roles and keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from policies.vocabulary import Value


class Person(Value):
    name: str
    roles: tuple[str, ...]
    public_keys: tuple[str, ...]  # OpenSSH lines "ssh-ed25519 AAAA…"
    aliases: tuple[str, ...] = ()  # git mail, Slack id, MLflow user: the same person


class Directory(Protocol):
    def person(self, name: str) -> Person | None:
        """By name or alias."""

    def by_key(self, public_key: str) -> Person | None: ...

    def everybody(self) -> Sequence[Person]:
        """In the order in which they were written down."""
