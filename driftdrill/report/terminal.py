"""Verdict and catalogue -> tables in the terminal.

Foreign strings enter as `Text`, never as markup, and printable.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from driftdrill.report.rows import COLOURS, COLUMNS, HEADLINES, headline, rows
from driftdrill.text import alert_title, printable, printable_lines, short_time
from driftdrill.verdict import Verdict
from scenarios.spec import Scenario


def print_verdict(scenario: Scenario, verdict: Verdict, console: Console) -> None:
    """The expectations, notes and reasons, and the outcome in one bold line."""
    if verdict.expectations:
        table = Table(box=None, pad_edge=False, header_style="dim")
        names = max(len(printable(line.alert)) for line in verdict.expectations)
        table.add_column(COLUMNS[0], overflow="fold", min_width=min(names, 40))
        for column in (*COLUMNS[1:], "Outcome"):
            table.add_column(column, overflow="fold")
        for row in rows(scenario, verdict):
            outcome = Text(row.outcome, style=COLOURS[row.outcome])
            table.add_row(*map(Text, row.cells), outcome)
        console.print()
        console.print(table)
    console.print()
    for reason in (*verdict.notes, *verdict.reasons):
        console.print(Padding(Text(printable_lines(reason)), (0, 0, 0, 2)))
    colour = f"bold {COLOURS[verdict.outcome]}"
    name = printable(verdict.scenario)
    console.print(Text(f"{HEADLINES[verdict.outcome]}  {name}: {headline(verdict)}", style=colour))


def list_table(scenarios: Sequence[Scenario], console: Console) -> None:
    """The catalogue: name, length, what must fire, summary."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("Scenario", no_wrap=True, style="bold")
    table.add_column("Lasts", no_wrap=True)
    table.add_column("Must fire", overflow="fold", ratio=2)
    table.add_column("Summary", overflow="fold", ratio=3)
    for scenario in scenarios:
        fires = "\n".join(alert_title(expect.alert, expect.labels) for expect in scenario.expects)
        table.add_row(
            Text(printable(scenario.name)),
            short_time(scenario.schedule.duration),
            Text(fires or "nothing"),
            Text(printable(scenario.summary)),
        )
    console.print(table)
