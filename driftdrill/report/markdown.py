"""Verdicts -> Markdown, for a pull request or the summary of a CI run."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from driftdrill.text import alert_title, printable, short_time
from driftdrill.verdict import Expectation, Outcome, Verdict

_SIGNS: dict[Outcome, str] = {
    "pass": "✅ pass",
    "fail": "❌ fail",
    "inconclusive": "❔ inconclusive",
}


def markdown(verdicts: Sequence[Verdict]) -> str:
    """A row per drill, then why each did not pass that did not."""
    passed = sum(verdict.outcome == "pass" for verdict in verdicts)
    lines = [
        f"### Drills: {passed} of {len(verdicts)} passed",
        "",
        "| scenario | outcome | alerts that had to fire | within | fired after |",
        "|---|---|---|---|---|",
        *map(_row, verdicts),
    ]
    for verdict in verdicts:
        if said := (*verdict.reasons, *verdict.notes):
            lines += ["", f"**{_plain(verdict.scenario)}**", ""]
            lines += [f"- {_plain(' '.join(reason.split()))}" for reason in said]
    return "\n".join(lines) + "\n"


def _row(verdict: Verdict) -> str:
    fires = [line for line in verdict.expectations if line.kind == "fires"]
    columns = [
        [_plain(alert_title(line.alert, line.labels)) for line in fires],
        [short_time(line.deadline_s) for line in fires],
        [_fired(line) for line in fires],
    ]
    cells = ["<br>".join(column) or "none" for column in columns]
    return f"| {_plain(verdict.scenario)} | {_SIGNS[verdict.outcome]} | {' | '.join(cells)} |"


def _fired(line: Expectation) -> str:
    return short_time(line.delay_s) + ("" if line.outcome == "pass" else " ❌")


def _plain(text: str) -> str:
    """Text in which nothing is markup: a label's value cannot add a link, a row, or call people."""
    escaped = re.sub(r"([\\`*_{}\[\]|#])", r"\\\1", html.escape(printable(text), quote=False))
    return escaped.replace("@", "@\N{ZERO WIDTH SPACE}")
