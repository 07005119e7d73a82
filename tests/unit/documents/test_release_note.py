"""The first page of a release, as the Prefect UI shows it."""

from __future__ import annotations

from pathlib import Path

from policies.vocabulary import Entry
from tasks.documents.release_note import release_note


def test_what_is_on_trial_and_where_to_look(entries: list[Entry]) -> None:
    """Facts, every step of the policy, links that lead somewhere, and the commands that stop it."""
    opened = [entry for entry in entries if entry.kind == "opened"]
    page = release_note(
        opened, mlflow="http://m:1/", gateways=("http://g:2",), folder=Path("/srv/documents/r")
    )
    for told in (
        "# delay v2 on trial",
        "| asked for by | rita |",
        "| trained by | tom |",
        "| staging | 0 % |",
        "| full | 100 % |",
        "[delay v2 in MLflow](http://m:1/#/models/delay/versions/2)",
        "[http://g:2](http://g:2/observe/delay)",
        "`/srv/documents/r`",
        "seatrial rollback rel-1 --reason WHY",
        "seatrial kill delay --reason WHY",
    ):
        assert told in page, page
