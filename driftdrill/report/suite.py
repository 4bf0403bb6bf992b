"""A suite of drills in the terminal: how far it is, and a table of what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

from driftdrill.report.bar import counting_bar
from driftdrill.report.rows import COLOURS, HEADLINES
from driftdrill.text import alert_title, printable, printable_lines, short_time
from driftdrill.verdict import Outcome, Verdict

_PAST: dict[Outcome, str] = {"pass": "passed", "fail": "failed", "inconclusive": "inconclusive"}


class SuiteLine:
    """A line per drill that has ended and, on a terminal, a bar below them.

    Args:
        console: Where to draw.
        total: Drills in all.
    """

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        # Without a thread of its own: drills are forked meanwhile.
        self._bar = counting_bar(console, auto_refresh=False)
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Self:
        """Take the terminal's last line."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the line back, cleared."""
        self._bar.stop()

    def running(self, names: Sequence[str]) -> None:
        """Show which drills are under way."""
        self._bar.update(self._task, description=printable(", ".join(names)), refresh=True)

    def done(self, verdict: Verdict, seconds: float) -> None:
        """Say how a drill ended, and after how many real seconds."""
        line = _headline(verdict.outcome)
        line.append(f"  {printable(verdict.scenario)}  {short_time(seconds)}", style="none")
        self._console.print(line, highlight=False, soft_wrap=True)
        self._bar.advance(self._task)


def print_suite(verdicts: Sequence[Verdict], seconds: float, console: Console) -> None:
    """A row per drill, the reasons of those that did not pass, and one line that sums up.

    Args:
        verdicts: In the order of the rows.
        seconds: Real time that all of them took.
        console: Where to print.
    """
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("Scenario", overflow="fold")
    table.add_column("Outcome", no_wrap=True)
    table.add_column("Fired, after", overflow="fold")
    for verdict in verdicts:
        outcome = Text(verdict.outcome, style=COLOURS[verdict.outcome])
        table.add_row(Text(printable(verdict.scenario)), outcome, Text(_fired(verdict)))
    console.print()
    console.print(table)
    console.print()
    for verdict in verdicts:
        for reason in verdict.reasons:
            said = printable_lines(f"  {verdict.scenario}: {reason}")
            console.print(Text(said), soft_wrap=True)
    counts = Counter(verdict.outcome for verdict in verdicts)
    worst: Outcome = "fail" if counts["fail"] else "inconclusive"
    if counts["pass"] == len(verdicts):
        worst = "pass"
    told = ", ".join(f"{counts[outcome]} {past}" for outcome, past in _PAST.items())
    line = _headline(worst)
    line.append(f"  {len(verdicts)} drills in {short_time(seconds)}: {told}")
    console.print(line, soft_wrap=True)


def _headline(outcome: Outcome) -> Text:
    return Text(HEADLINES[outcome], style=f"bold {COLOURS[outcome]}")


def _fired(verdict: Verdict) -> str:
    """Every alert that had to fire, or might, and did, with its delay."""
    return ", ".join(
        f"{printable(alert_title(line.alert, line.labels))} {short_time(line.delay_s)}"
        for line in verdict.expectations
        if line.delay_s is not None and line.kind != "resolves"
    )
