"""What the documents tell people to type exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click import Parameter
from typer import Typer
from typer.main import get_command

ROOT = Path(__file__).parents[2]
FRONT = [
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docs/concepts.md", "docs/tutorial.md")
]
PAGES = [*FRONT, *sorted((ROOT / "docs" / "guides").glob("*.md"))]
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def typed(page: Path, program: str) -> set[tuple[str, ...]]:
    """Every use of a program in the code of a page, as the words after it."""
    code = "\n".join(CODE.findall(page.read_text()))
    lines = re.findall(rf"(?:^|[`\n])\s*{program} ([^`\n#]+)", code)
    return {tuple(line.split()) for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    """A reader can type each `make` line as it stands."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {words[0] for words in typed(page, "make")} <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_seatrial_command_exists(page: Path) -> None:
    """A reader can type each `seatrial` line as it stands."""
    from deployments.cli.app import app

    unknown = {words for words in typed(page, "seatrial") if not knows(app, words)}
    assert unknown == set()


def knows(app: Typer, words: tuple[str, ...]) -> bool:
    """Whether the words name a command, fill its arguments and options, and add no others."""
    command = get_command(app)
    for word in words:
        deeper = getattr(command, "commands", {}).get(word)
        if deeper is None:
            break
        command = deeper
    options = {option for param in command.params for option in param.opts}
    must = {param.opts[0] for param in command.params if param.required and is_option(param)}
    given = {word for word in words if word.startswith("--")}
    is_group = bool(getattr(command, "commands", {}))
    return not is_group and must <= given <= options


def is_option(param: Parameter) -> bool:
    return param.opts[0].startswith("-")


def test_the_readme_shows_commands_at_all() -> None:
    """The reading above is not silently empty."""
    readme = ROOT / "README.md"
    assert ("demo",) in typed(readme, "make")
    assert ("up",) in typed(readme, "seatrial")


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: p.name
)
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    """No page points at a file that is not there."""
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_runbook_of_every_tier_exists() -> None:
    """The page that an on-call engineer is sent to can be opened."""
    from policies import loader

    for loaded in loader.load_all(loader.files()):
        assert (ROOT / loaded.policy.incident.runbook).is_file(), loaded.policy.policy


def test_the_policy_in_the_guide_is_sound(tmp_path: Path) -> None:
    """A reader may copy it as it stands."""
    from policies import loader
    from policies.schema import Drift, FrozenInputs, Gap, Guardrail, Segments

    guide = (ROOT / "docs" / "guides" / "policies.md").read_text()
    whole, *parts = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    told = {name: value for part in parts for name, value in yaml.safe_load(part).items()}
    FrozenInputs.model_validate_json(json.dumps(told["frozen_inputs"]))
    Drift.model_validate_json(json.dumps(told["drift"]))
    rails = [part["guardrails"][0] for part in map(yaml.safe_load, parts) if "guardrails" in part]
    Segments.model_validate_json(json.dumps(rails[0]["segments"]))
    Gap.model_validate_json(json.dumps(rails[1]["gap"]))
    for rail in rails[2:]:
        unit = rail | {"weight": 1.0, "information": 1, "why": "x"}
        sound = Guardrail.model_validate_json(json.dumps(unit))
        assert sound.relative or sound.cuped_days
    path = tmp_path / "churn.yaml"
    path.write_text(whole)
    assert loader.load(path).policy.applies_to == ("churn", "churn-*")
