"""A command that a message, an advice, a docstring or a page names can be run as it is named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from deployments.cli.app import app

ROOT = Path(__file__).parents[2]
Command = Any  # of whichever click Typer brings along
ROOT_COMMAND: Command = get_command(app)
ROOMS = ("policies", "tasks", "flows", "deployments")
SOURCES = sorted(
    path.relative_to(ROOT)
    for pattern in (*(f"{room}/**/*.{end}" for room in ROOMS for end in ("py", "j2", "yaml")),
                    "docs/**/*.md", "*.md", "prefect.yaml")
    for path in ROOT.glob(pattern) if "seatrial " in path.read_text()
)  # fmt: skip
SPAN = re.compile(r"```.*?```|``[^`]+``|`[^`]+`", re.DOTALL)
CALLED = re.compile(r"(?<![\w./\-])seatrial(?= +[a-z-])")
TOKEN = re.compile(r"\"[^\"]*\"|'[^']*'|\S+")
BLANK = "FILLED"  # what stands for a value that an f-string fills in
# A word after the command that makes the line one to be run, not a command named in prose.
ARGUMENT = re.compile(r"--?[a-z]|[\"'/~]|[A-Z][A-Z_]+$|\S*FILLED|\S*/")


def texts(source: Path) -> Iterator[str]:
    """Every literal of a Python file, docstrings too; any other file as one text."""
    text = (ROOT / source).read_text()
    if source.suffix != ".py":
        yield text
        return
    tree = ast.parse(text)
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
              for part in node.values}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(p.value) if isinstance(p, ast.Constant) else BLANK for p in node.values
            )
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in inside
        ):
            yield node.value


def calls(text: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The words after each ``seatrial``, and whether the line stands there to be run as it is.

    In code they go to its end, in prose as far as they are a command.
    """
    for span in SPAN.findall(text):
        code, is_block = span.strip("`"), span.startswith("```")
        for line in (
            code.replace("\\\n", " ").splitlines() if is_block else [" ".join(code.split())]
        ):
            yield from ((words, is_block) for words in _lines(line.split(" #")[0]))
    for line in SPAN.sub(" ", text).splitlines():
        yield from ((tuple(_without_prose(words)), False) for words in _lines(line))


def _lines(text: str) -> Iterator[tuple[str, ...]]:
    for part in CALLED.split(text)[1:]:
        yield tuple(TOKEN.findall(re.split(r" (?:\|\|?|·) |; ", part)[0]))


def _without_prose(words: tuple[str, ...]) -> Iterator[str]:
    """A sentence goes on after the command; an option takes the word that follows it along."""
    command, after_option, named = ROOT_COMMAND, False, True
    for word in words:
        bare = word.rstrip(".,;:)")
        deeper = below(command).get(bare)
        if not (after_option or ARGUMENT.match(bare) or named):
            return
        yield bare
        if deeper is not None:
            command = deeper
        elif not (after_option or ARGUMENT.match(bare)):
            named = False
        named = named and bool(below(command))
        after_option = bare.startswith("--")
        if bare != word:
            return


def fault(words: tuple[str, ...], to_be_run: bool) -> str | None:
    """Why this cannot be run; ``None`` when it can, or when a command is only named."""
    command = ROOT_COMMAND
    words, wrong = _options(command, words)
    if wrong:
        return wrong
    while below(command) and words and not words[0].startswith("-"):
        deeper = below(command).get(words[0])
        if deeper is None:
            return f"there is no command {words[0]}"
        command, words = deeper, words[1:]
    if not words and not to_be_run:
        return None
    if below(command):
        return "a group takes a command, not options"
    return _arguments(command, words)


def below(command: Command) -> Mapping[str, Command]:
    """The commands of a group; none of a command."""
    found: Mapping[str, Command] = getattr(command, "commands", {})
    return found


def _options(command: Command, words: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    """Past the options of ``seatrial`` itself."""
    known = {option: param for param in command.params for option in param.opts}
    while words and words[0].startswith("--"):
        if words[0] not in known:
            return words, f"seatrial knows no {words[0]}"
        words = words[2:]
    return words, None


def _arguments(command: Command, words: tuple[str, ...]) -> str | None:
    known = {option: param for param in command.params for option in param.opts}
    given: set[str | None] = set()
    values: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            values.append(word)
            continue
        if word not in known:
            return f"there is no option {word}"
        given.add(known[word].name)
        if not known[word].is_flag:
            if not rest or rest[0].startswith("--"):
                return f"{word} needs a value"
            rest.pop(0)
    missing = [p.opts[0] for p in command.params if p.required and p.name not in given
               and is_option(p)]  # fmt: skip
    places = [param for param in command.params if not is_option(param)]
    needed = sum(param.required for param in places)
    if missing:
        return f"{' and '.join(missing)} must be given"
    return None if needed <= len(values) <= len(places) else f"it takes {needed} value(s)"


def is_option(param: Any) -> bool:
    return str(param.opts[0]).startswith("-")


# Lines that leave out what must be given. Mend them, and take them out here.
CASES = [pytest.param(source, id=str(source)) for source in SOURCES]


@pytest.mark.parametrize("source", CASES)
def test_every_command_named_can_be_run(source: Path) -> None:
    """It exists; and where a whole line is shown, nothing that it needs is left out."""
    found = {f"seatrial {' '.join(words)}: {why}" for text in texts(source)
             for words, to_be_run in calls(text) if (why := fault(words, to_be_run))}  # fmt: skip
    assert found == set()


READINGS = [
    ("Run `seatrial audit verify`.", "there is no command audit"),
    ("Run seatrial audit verify.", "there is no command audit"),
    ("Lift it first: seatrial restore FILLED", "--reason must be given"),
    ("seatrial kill FILLED --reason WHY", None),
    ("`seatrial kill MODEL --reason`", "--reason needs a value"),
    ("`seatrial kill MODEL\n  --reason WHY`", None),
    ("`seatrial kill --reason WHY`", "it takes 1 value(s)"),
    ("`seatrial why REL --loud`", "there is no option --loud"),
    ("Contain it first (seatrial rollback or seatrial kill).", None),
    ("``seatrial policy`` reads them; seatrial doctor tells.", None),
    ("`seatrial policy --all`", "a group takes a command, not options"),
    ("`seatrial policy check | explain | schema`", None),
    ("seatrial --home DIR demo", None),
    ("seatrial --house DIR demo", "seatrial knows no --house"),
    ("```\nseatrial status  # where it stands\nseatrial why\n```", "it takes 1 value(s)"),
    ("```\nseatrial policy\n```", "a group takes a command, not options"),
    ("why: seatrial why FILLED · stop it all: seatrial dawn", "there is no command dawn"),
]


@pytest.mark.parametrize(("text", "why"), READINGS)
def test_commands_are_read_as_people_read_them(text: str, why: str | None) -> None:
    """The test above is not silently lenient, and does not take prose for arguments."""
    found = [fault(*call) for call in calls(text)]
    assert found and [each for each in found if each] == ([why] if why else [])
