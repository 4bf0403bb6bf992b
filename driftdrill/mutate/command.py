"""`driftdrill mutate`: from rule files to a score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from driftdrill.mutate.equivalents import idle, read_arguments
from driftdrill.mutate.report import print_findings, summary
from driftdrill.mutate.study import study
from driftdrill.report.bar import counting_bar
from driftdrill.rig import PROJECT
from scenarios.spec import Scenario

EQUIVALENT = PROJECT / "prometheus" / "equivalent_mutants.yml"
"""The arguments about the shipped rules."""


def mutate(
    scenarios: Sequence[Scenario],
    rules: Sequence[Path],
    *,
    seed: int,
    equivalent: Path | None,
    json: Path | None,
    console: Console,
) -> float:
    """Break rules one at a time, and say which damage no drill would notice.

    Args:
        scenarios: The drills.
        rules: Rule files.
        seed: Of the traffic.
        equivalent: File of arguments about mutants that change nothing; None for none.
        json: File to write the findings to; None for none.
        console: Where to print.

    Returns:
        The share of mutants that a drill noticed, of those that are not equivalent; 0 where there
        are none.
    """
    arguments = read_arguments(equivalent) if equivalent else ()
    with counting_bar(console) as progress:
        task = progress.add_task("recording and breaking", total=None)

        def show(scenario: str, done: int, total: int) -> None:
            progress.update(task, description=scenario, completed=done, total=total)

        findings = study(scenarios, rules, seed, show)
    print_findings(findings, arguments, console)
    for argument in idle(findings.survivors, arguments):
        note = f"no mutant survives for which it would be argued: {argument.mutant}"
        console.print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)
    found = summary(findings, arguments)
    if json:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    score = found["score"] or 0.0
    console.print(
        f"\n{found['noticed']} of {found['mutants'] - found['equivalent']} mutants were noticed"
        f" ({score:.1%}); {found['equivalent']} more are argued to be equivalent",
        highlight=False,
    )
    return float(score)
