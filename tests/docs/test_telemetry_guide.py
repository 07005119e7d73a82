"""What the guide on telemetry shows can be copied as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

from deployments.gateway.request import read_body, read_outcomes
from policies import loader

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "telemetry.md").read_text()
YAML = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
JSON = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)


def test_the_mapping_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.yaml"
    path.write_text(next(text for text in YAML if "predictions:" in text))
    sections = loader.load_map(path).mapping.sections()
    assert sections.keys() == {"predictions", "outcomes", "metrics", "inputs"}


def test_the_guardrail_is_sound(tmp_path: Path) -> None:
    guardrail = next(text for text in YAML if "metric: business" in text)
    errors = "- {name: errors, kind: proportion, metric: error, margin: 0.01, rollback_at: 0.004, "
    errors += "weight: 0.8, information: 100000, why: The rest of the shop's guardrails.}\n"
    path = tmp_path / "shop.yaml"
    path.write_text(f"policy: shop\nextends: medium\nguardrails:\n{dedent(guardrail)}{errors}")
    rail, _ = loader.load(path).policy.guardrails
    assert (rail.name_of_metric, rail.direction, rail.cap) == ("revenue", "up", 60)


def test_the_outcomes_are_taken() -> None:
    posted = read_outcomes(read_body(JSON[0].encode()), 10)
    assert [(each.metric, each.value) for each in posted] == [(None, 1.0), ("revenue", 12.3)]
    answer = read_body(JSON[1].encode())
    assert answer["accepted"] == len(posted)
