"""``python -m deployments.messages [--html FILE]``: write the reference page of all messages."""

from __future__ import annotations

import argparse
from pathlib import Path

from deployments.messages.pages import markdown, page

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "slack-messages.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deployments.messages", description=__doc__)
    parser.add_argument("--html", type=Path, help="Also one HTML page, to be looked at.")
    wanted = parser.parse_args().html
    REFERENCE.parent.mkdir(parents=True, exist_ok=True)
    REFERENCE.write_text(markdown(), encoding="utf-8")
    if wanted is not None:
        wanted.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
