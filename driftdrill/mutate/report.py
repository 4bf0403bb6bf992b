"""What became of the mutants: a table per rule, the survivors, and JSON."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from driftdrill.mutate.equivalents import Arguments, argued
from driftdrill.mutate.mutants import Mutant
from driftdrill.mutate.progress import Findings
from driftdrill.text import printable_lines


def summary(findings: Findings, arguments: Arguments) -> dict[str, Any]:
    """The study as a JSON object.

    `score` is the share of mutants that a drill noticed, of those that no argument holds to be
    equivalent; null when there are none, and while some are undecided. `unargued` counts the
    survivors for which no argument of either kind is given.
    """
    survivors = [
        {
            **_told(mutant),
            "argument": argument.because if argument else None,
            "accepted": reason.because if reason and not argument else None,
        }
        for mutant in findings.survivors
        for argument in [argued(mutant, arguments.equivalent)]
        for reason in [argued(mutant, arguments.accepted)]
    ]
    equivalent = sum(survivor["argument"] is not None for survivor in survivors)
    accepted = sum(survivor["accepted"] is not None for survivor in survivors)
    counted = len(findings.mutants) - equivalent
    decided = counted > 0 and not findings.undecided
    return {
        "score": len(findings.kills) / counted if decided else None,
        "mutants": len(findings.mutants),
        "noticed": len(findings.kills),
        "equivalent": equivalent,
        "unargued": len(survivors) - equivalent - accepted,
        "undecided": len(findings.undecided),
        "survivors": survivors,
        "kills": [
            {**_told(findings.mutants[number]), "scenario": kill.scenario, "reason": kill.reason}
            for number, kill in sorted(findings.kills.items())
        ],
    }


def print_findings(findings: Findings, arguments: Arguments, console: Console) -> None:
    """Print the score of each rule, and every mutant that nobody noticed, but the equivalent."""
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for number, mutant in enumerate(findings.mutants):
        killed = number in findings.kills
        open_ = number in findings.undecided
        excused = not killed and not open_ and argued(mutant, arguments.equivalent) is not None
        for column, counted in enumerate((True, killed, excused, open_)):
            counts[mutant.rule][column] += counted
    table = Table(box=None, header_style="bold")
    table.add_column("Rule")
    for title in ("Mutants", "Noticed", "Equivalent", "Undecided", "Score"):
        table.add_column(title, justify="right")
    for rule, (total, *parts) in counts.items():
        noticed, equivalent, undecided = parts
        left = total - equivalent - undecided
        score = f"{noticed / left:.0%}" if left else "-"
        table.add_row(Text(rule), str(total), *map(str, parts), score)
    console.print(table)
    wrong = [m for m in findings.survivors if argued(m, arguments.equivalent) is None]
    accepted = [(m, argument) for m in wrong if (argument := argued(m, arguments.accepted))]
    silent = [m for m in wrong if argued(m, arguments.accepted) is None]
    if accepted:
        console.print("\nNobody noticed these, for a reason:", style="bold")
    for mutant, argument in accepted:
        told = f" {argument.noticed_by} does." if argument.noticed_by else ""
        _print_entry(mutant, argument.because + told, console)
    if silent:
        console.print("\nNobody noticed these. Each asks for a scenario:", style="bold")
    for mutant in silent:
        alerts = " or ".join(sorted(findings.readers[mutant.rule]))
        _print_entry(mutant, f"one whose outcome depends on it, by {alerts}", console)


def _print_entry(mutant: Mutant, what: str, console: Console) -> None:
    console.print(Text(printable_lines(f"{mutant.name}\n    {what}")), soft_wrap=True)


def _told(mutant: Mutant) -> dict[str, str]:
    return {"rule": mutant.rule, "operator": mutant.operator, "change": mutant.change}
