"""YAML text → ReleasePolicy and digest (or a column mapping). The one file that opens a file.

A document is read by the rules of YAML 1.2 (``no`` is text, ``1e5`` a number) and refused with
every fault at once, each as ``file:line: field: what is wrong, what to write instead``. Aliases
and tags are refused: what a reader sees is what rules. ``extends: medium`` lays the document
over ``medium.yaml`` beside it (or in the bundled catalogue): blocks merge, lists are replaced.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

import rfc8785
import yaml

from policies.errors import PolicyError
from policies.faults import Where, dotted, read, read_as
from policies.mapping import TelemetryMap
from policies.schema import ReleasePolicy

CATALOG = Path(__file__).parent / "catalog"
OWN = ("policy", "extends", "applies_to")  # never inherited: they say which document this is
Place = tuple[str, int]  # file, line


@dataclass(frozen=True)
class LoadedPolicy:
    """A policy with the digest that names it for ever, and the file it was read from."""

    policy: ReleasePolicy
    digest: str
    source: Path


@dataclass(frozen=True)
class LoadedMap:
    """A column mapping, with the line of each of its fields: faults are found in the tables."""

    mapping: TelemetryMap
    source: Path
    lines: Mapping[Where, int]

    def fault(self, where: Where, what: str) -> str:
        """``file:line: field: what``, for a fault that only the tables could show."""
        known = where
        while known not in self.lines:
            known = known[:-1]
        return f"{_shown(self.source)}:{self.lines[known]}: {dotted(where)}: {what}"


@dataclass
class _Document:
    data: dict[str, Any]
    places: dict[Where, Place]
    faults: list[tuple[Where, str]] = field(default_factory=list)
    orphan: bool = False  # its parent could not be read: what it lacks is not yet a fault

    def place(self, where: Where) -> Place:
        """Where a field stands, or where the block that should hold it stands."""
        while where not in self.places:
            where = where[:-1]
        return self.places[where]


def load(path: Path | str) -> LoadedPolicy:
    """Read one policy file, with the documents it extends."""
    source = Path(path)
    document = _with_parents(source, ())
    policy, faults = read(document.data)
    known = {where for where, _ in document.faults}
    faults = [
        (where, what)
        for where, what in faults
        if where not in known and not (document.orphan and what.startswith("is missing"))
    ]
    if policy is not None and policy.policy != source.stem:
        what = f"is {policy.policy!r}. Write {source.stem!r}, the name of the file."
        faults.append((("policy",), what))
    faults += document.faults
    if policy is None or faults:
        raise _refusal(source, document, faults)
    return LoadedPolicy(policy, digest_of(policy), source)


def load_map(path: Path | str) -> LoadedMap:
    """Read ``telemetry.yaml``, by the same rules as a policy."""
    source = Path(path)
    try:
        document = _read(source)
        mapping, faults = read_as(document.data, TelemetryMap)
        if mapping is None or faults or document.faults:
            raise _refusal(source, document, [*faults, *document.faults])
    except PolicyError as error:
        advice = "Mend it, and run `seatrial doctor --telemetry` again."
        raise PolicyError(error.message, faults=error.faults, advice=advice) from error
    lines = {where: line for where, (_, line) in document.places.items()}
    return LoadedMap(mapping, source, lines)


def digest_of(policy: ReleasePolicy) -> str:
    """``sha256:…`` of the canonical JSON (RFC 8785) of the whole, resolved policy."""
    canonical = rfc8785.dumps(policy.model_dump(mode="json"))
    return f"sha256:{hashlib.sha256(canonical).hexdigest()}"


def files(catalog: Path | str = CATALOG) -> tuple[Path, ...]:
    """Every policy file of a catalogue."""
    folder = Path(catalog)
    if not folder.is_dir():
        raise PolicyError(
            f"There is no policy catalogue at {folder}.", advice="Name an existing folder."
        )
    return tuple(sorted(folder.glob("*.yaml")))


def load_all(paths: Iterable[Path]) -> tuple[LoadedPolicy, ...]:
    """Every policy named, or the faults of all of them together."""
    loaded, faults = [], []
    for path in paths:
        try:
            loaded.append(load(path))
        except PolicyError as error:
            faults += [fault for fault in error.faults if fault not in faults]
    if faults:
        raise _error(f"{_count(faults)} in the policies", faults)
    return tuple(loaded)


def for_model(model: str, catalog: Path | str = CATALOG) -> LoadedPolicy:
    """The one policy of a catalogue that applies to a model.

    The whole catalogue must be sound: a document that cannot be read might be the one that
    applies.
    """
    if found := _applying(model, catalog):
        return _only(found, model)
    raise PolicyError(
        f"No policy in {_shown(Path(catalog))} applies to {model}.",
        advice=f"Write a policy with 'extends: medium' and 'applies_to: [{model}]', "
        "or name a policy when you release.",
    )


def find(name: str, catalogs: Sequence[Path | str] = (CATALOG,)) -> LoadedPolicy:
    """By the policy's name, else by the model it applies to; earlier catalogues come first."""
    every = [path for catalog in catalogs for path in files(catalog)]
    for path in every:
        if path.stem == name:
            return load(path)
    for catalog in catalogs:
        if found := _applying(name, catalog):
            return _only(found, name)
    names = sorted({path.stem for path in every})
    close = get_close_matches(name, names, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Known policies: {', '.join(names)}."
    raise PolicyError(
        f"There is no policy {name!r}, and none applies to such a model.", advice=hint
    )


def _applying(model: str, catalog: Path | str) -> list[LoadedPolicy]:
    return [
        loaded
        for loaded in load_all(files(catalog))
        if any(fnmatchcase(model, pattern) for pattern in loaded.policy.applies_to)
    ]


def _only(found: list[LoadedPolicy], model: str) -> LoadedPolicy:
    if len(found) == 1:
        return found[0]
    names = " and ".join(sorted(loaded.policy.policy for loaded in found))
    raise PolicyError(
        f"More than one policy applies to {model}: {names}.",
        advice="Narrow applies_to in one of them: one model, one policy.",
    )


def _with_parents(path: Path, below: tuple[Path, ...]) -> _Document:
    child = _read(path)
    name = child.data.get("extends")
    if not isinstance(name, str):
        return child
    parent = _parent(path, name)
    family = (*below, path.resolve())
    if parent is None:
        child.faults.append((("extends",), f"names {name!r}, which is in no catalogue here."))
    elif parent.resolve() in family:
        child.faults.append((("extends",), f"leads back to {name}. Take it out."))
    else:
        return _merged(_with_parents(parent, family), child)
    child.orphan = True
    return child


def _parent(path: Path, name: str) -> Path | None:
    if not re.fullmatch(r"[\w.-]+", name):  # a name, never a way out of the catalogue
        return None
    beside = (path.parent / f"{name}.yaml", CATALOG / f"{name}.yaml")
    return next((candidate for candidate in beside if candidate.is_file()), None)


def _merged(parent: _Document, child: _Document) -> _Document:
    inherited = {key: value for key, value in parent.data.items() if key not in OWN}
    places = dict(parent.places)

    def over(low: dict[str, Any], high: dict[str, Any], where: Where) -> dict[str, Any]:
        merged = dict(low)
        for key, value in high.items():
            here = (*where, key)
            if isinstance(value, dict) and isinstance(low.get(key), dict):
                merged[key] = over(low[key], value, here)
                continue
            for old in [place for place in places if place[: len(here)] == here]:
                del places[old]
            merged[key] = value
        return merged

    data = over(inherited, child.data, ())
    return _Document(
        data, places | child.places, parent.faults + child.faults, parent.orphan or child.orphan
    )


# ── YAML ────────────────────────────────────────────────────────────────────────────────────


class _Yaml12(yaml.SafeLoader):
    """Composes nodes by the core schema of YAML 1.2, and refuses aliases."""

    yaml_implicit_resolvers: dict[str, Any] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_event().start_mark  # type: ignore[no-untyped-call]  # untyped upstream
            raise yaml.MarkedYAMLError(
                problem="an alias stands here. Write the value out", problem_mark=mark
            )
        return super().compose_node(parent, index)


_TAG = "tag:yaml.org,2002:"
for _kind, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _Yaml12.add_implicit_resolver(_TAG + _kind, re.compile(rf"^(?:{_pattern})$"), list(_first))


def _read(path: Path) -> _Document:
    shown = _shown(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        node = _compose(text)
    except OSError as error:
        raise PolicyError(
            f"{shown} cannot be read: {(error.strerror or 'unknown').lower()}.",
            faults=(f"{shown}:1: document: cannot be read.",),
            advice="Check the path, or name a policy of the catalogue.",
        ) from error
    except UnicodeDecodeError as error:
        fault = f"{shown}:1: document: is not UTF-8 text."
        raise _error(f"{shown} is not text", [fault]) from error
    except yaml.MarkedYAMLError as error:
        raise _error(f"{shown} is not YAML", [_syntax(shown, error)]) from error
    except yaml.YAMLError as error:  # a control character: no mark
        fault = f"{shown}:1: document: {str(error).splitlines()[0]}."
        raise _error(f"{shown} is not YAML", [fault]) from error
    if not isinstance(node, yaml.MappingNode):
        what = "is empty" if node is None else "is not a block of fields"
        start = f"'policy: {path.stem}'" if path.stem != "telemetry" else "'predictions:'"
        fault = f"{shown}:1: document: {what}. Start with {start}."
        raise _error(f"{shown} holds no fields", [fault])
    document = _Document({}, {(): (shown, 1)})
    document.data = _value(node, (), document, shown) or {}
    return document


@lru_cache(maxsize=32)
def _compose(text: str) -> yaml.Node | None:
    """Nodes are only read, so a parent's text is parsed once for all its children."""
    node: yaml.Node | None = yaml.compose(text, Loader=_Yaml12)
    return node


def _syntax(shown: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    problem = error.problem or "cannot be read"
    if "'\\t'" in problem:
        problem = "a tab stands here. Indent with spaces"
    return f"{shown}:{line}: document: {problem}."


def _value(node: yaml.Node, where: Where, document: _Document, shown: str) -> Any:
    if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
        return _mapping(node, where, document, shown)
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
        items = []
        for index, item in enumerate(node.value):
            here = (*where, index)
            document.places[here] = (shown, item.start_mark.line + 1)
            items.append(_value(item, here, document, shown))
        return items
    if isinstance(node, yaml.ScalarNode):
        try:
            return _scalar(node)
        except ValueError as error:
            document.faults.append((where, str(error)))
            return None
    document.faults.append((where, f"has the tag {node.tag!r}. Write a plain value."))
    return None


def _mapping(
    node: yaml.MappingNode, where: Where, document: _Document, shown: str
) -> dict[str, Any]:
    block: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            document.faults.append((where, f"has a block for a name in line {line}. Write text."))
            continue
        here = (*where, key.value)
        if key.value in block:
            first = document.places[here][1]
            document.faults.append((here, f"is written twice, in lines {first} and {line}."))
            continue
        document.places[here] = (shown, line)
        block[key.value] = _value(value, here, document, shown)
    return block


def _scalar(node: yaml.ScalarNode) -> Any:
    kind, text = node.tag.removeprefix(_TAG), node.value
    if kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        whole = int(text, 0) if text.startswith(("0x", "0o")) else int(text)
        if abs(whole) > 2**53:  # beyond it JSON readers disagree, and with them the digest
            raise ValueError(f"is {text}. Write a smaller number.")
        return whole
    if kind == "float":
        number = float(re.sub(r"\.(inf|nan)$", r"\1", text, flags=re.IGNORECASE))
        if not math.isfinite(number):
            raise ValueError(f"is {text}. Write a number that can be compared.")
        return number
    raise ValueError(f"has the tag {node.tag!r}. Write a plain value.")


# ── Saying no ───────────────────────────────────────────────────────────────────────────────


def _refusal(source: Path, document: _Document, faults: Iterable[tuple[Where, str]]) -> PolicyError:
    placed = sorted((*document.place(where), dotted(where), what) for where, what in faults)
    lines = [f"{file}:{line}: {name}: {what}" for file, line, name, what in placed]
    return _error(f"{_count(lines)} in {_shown(source)}", lines)


def _error(message: str, faults: Sequence[str]) -> PolicyError:
    return PolicyError(
        f"{message}.",
        faults=tuple(faults),
        advice="Mend these and run `seatrial policy check` again.",
    )


def _count(faults: Sequence[str]) -> str:
    return "1 fault" if len(faults) == 1 else f"{len(faults)} faults"


def _shown(path: Path) -> str:
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(path)
