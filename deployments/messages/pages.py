"""The reference page in Markdown, and one HTML page for the pictures."""

from __future__ import annotations

import html

from deployments.messages.samples import PEOPLE, Sample, samples
from deployments.messages.slack_html import as_html, as_markdown
from tasks.notify.layout import blocks

COMMAND = "make docs-messages"

_HEAD = f"""# Slack messages

Every message Seatrial sends, as Slack shows it. `{COMMAND}` writes this page from the
code that sends them; a test fails when it is out of date.

One release is one thread; what has no release has a thread of its model. A message that somebody
has to act on is also shown in the channel. Whoever it is for is called where the home's
`slack-people.json` knows the name's id in Slack, and is named in plain words elsewhere:

```json
{{"flight-operations-on-call": "S0ONCALL", "flight operations": "S0FLIGHTOPS", "manager": "U0MIA"}}
```

A message that Slack does not take waits in `outbox/waiting` of the home, is tried every minute,
and says on arrival that it is late; `seatrial doctor` counts what waits, and `seatrial notify test`
says what is wrong. Without `SLACK_BOT_TOKEN` every message goes to the folder `outbox`.
"""


def markdown() -> str:
    parts = [_HEAD, *(_section(sample) for sample in samples())]
    return "\n".join(parts).rstrip() + "\n"


def _section(sample: Sample) -> str:
    shown = as_markdown(blocks(sample.message, PEOPLE))
    words = sample.name.replace("-", " ").capitalize()
    picture = f"../images/slack-{sample.name}.png"
    seen = f"\n![{words}, as Slack shows it]({picture})\n" if sample.pictured else ""
    return f"## {words}\n\n{sample.when}\nSent to: {sample.whom}.\n{seen}\n{shown}\n"


def page() -> str:
    """All messages in one HTML page, each in an element of its name."""
    told = "\n".join(_article(sample) for sample in samples())
    return (
        f"<!doctype html><html><meta charset='utf-8'><style>{CSS}</style><body>{told}</body></html>"
    )


def _article(sample: Sample) -> str:
    drawn = as_html(blocks(sample.message, PEOPLE))
    return (
        f'<article id="{html.escape(sample.name)}"><div class="icon">S</div><div class="said">'
        f'<div class="by"><b>Seatrial</b> <span class="app">APP</span> <span>02:47</span></div>'
        f"{drawn}</div></article>"
    )


CSS = """
body { margin: 0; background: #fff; font: 15px/1.46 'Lato', 'Helvetica Neue', Arial, sans-serif;
       color: #1d1c1d; width: 560px; }
article { display: flex; gap: 10px; padding: 14px 18px; }
.icon { flex: none; width: 36px; height: 36px; border-radius: 8px; background: #14476b;
        color: #fff; font-weight: 700; text-align: center; line-height: 36px; }
.said { min-width: 0; flex: 1; }
.by { font-size: 15px; } .by span { color: #616061; font-size: 12px; }
.by .app { background: #ddd; border-radius: 2px; font-size: 10px; padding: 1px 3px; }
.header { font-size: 18px; line-height: 1.3; font-weight: 800; margin: 8px 0 6px; }
.section { margin: 6px 0; overflow-wrap: anywhere; }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; margin: 8px 0 2px; }
.fields div { overflow-wrap: anywhere; }
pre { font: 12px/1.5 Menlo, Consolas, monospace; background: #f8f8f8; border: 1px solid #ddd;
      border-radius: 4px; padding: 8px; margin: 4px 0; white-space: pre-wrap; }
code { font: 12px Menlo, monospace; color: #c01343; background: #f8f8f8; border: 1px solid #ddd;
       border-radius: 3px; padding: 1px 3px; }
.mention { background: #fdf2c8; color: #1264a3; border-radius: 3px; padding: 0 2px; }
a { color: #1264a3; text-decoration: none; }
"""
