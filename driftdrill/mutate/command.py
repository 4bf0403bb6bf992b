"""`driftdrill mutate`: from rule files to a score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from driftdrill.mutate.equivalents import Arguments, argued, idle, read_arguments
from driftdrill.mutate.mutants import Mutant
from driftdrill.mutate.report import print_findings, summary
from driftdrill.mutate.rule_tests import passes
from driftdrill.mutate.study import Plan, study
from driftdrill.report.bar import counting_bar
from driftdrill.rig import PROJECT
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import find_tools
from driftdrill.virtual.recording import EVALUATION_INTERVAL_S
from driftdrill.virtual.rules import load_groups

EQUIVALENT = PROJECT / "prometheus" / "equivalent_mutants.yml"
"""The arguments about the shipped rules."""


def mutate(
    plan: Plan,
    *,
    equivalent: Path | None,
    json: Path | None,
    interruption: Interruption,
    console: Console,
) -> float | None:
    """Break rules one at a time, and say which damage no drill would notice.

    Args:
        plan: What to do.
        equivalent: File of arguments about mutants that survive; None for none.
        json: File to write the findings to; None for none.
        interruption: Ends the study; what was found until then is told.
        console: Where to print.

    Returns:
        The share of mutants that a drill noticed, of those that are not equivalent; 0 where there
        are none, None where the study was interrupted.
    """
    arguments = read_arguments(equivalent) if equivalent else Arguments()
    with counting_bar(console) as progress:
        task = progress.add_task("mutants noticed", total=None)

        def show(scenario: str, noticed: int, total: int) -> None:
            progress.update(task, completed=noticed, total=total)
            if scenario:
                line = f"  {scenario}: {noticed} of {total} mutants are noticed by now"
                console.print(line, highlight=False, soft_wrap=True)

        findings = study(plan, arguments.equivalent, interruption, show)
    print_findings(findings, arguments, console)
    wrong = [m for m in findings.survivors if argued(m, arguments.equivalent) is None]
    if equivalent and not findings.undecided:
        for name in _unfounded(wrong, arguments, equivalent.parent, plan.rules):
            console.print(name, style="yellow", highlight=False, markup=False, soft_wrap=True)
    needless = (
        *idle(findings.survivors, arguments.equivalent),
        *idle(wrong, arguments.accepted),
    )
    for argument in () if findings.undecided else needless:
        note = f"no mutant survives for which it would be argued: {argument.mutant}"
        console.print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)
    found = summary(findings, arguments)
    if json:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    if findings.undecided:
        console.print(
            f"\n{len(findings.undecided)} mutants are undecided; the same command goes on"
        )
        return None
    score = found["score"] or 0.0
    console.print(
        f"\n{found['noticed']} of {found['mutants'] - found['equivalent']} mutants were noticed"
        f" ({score:.1%}); {found['equivalent']} more are argued to be equivalent."
        f" Of the {len(wrong)} that nobody noticed, {found['unargued']} have no reason yet",
        highlight=False,
        soft_wrap=True,
    )
    return float(score)


def _unfounded(
    survivors: Sequence[Mutant], arguments: Arguments, folder: Path, rules: tuple[Path, ...]
) -> Iterator[str]:
    """What is said to be noticed by rule tests and is not."""
    promtool = find_tools().promtool
    sound = load_groups(rules, EVALUATION_INTERVAL_S, promtool)
    said = [
        (mutant, folder / argument.noticed_by)
        for mutant in survivors
        if (argument := argued(mutant, arguments.accepted)) and argument.noticed_by
    ]
    sure = {test for test in {test for _, test in said} if passes(test, sound, promtool)}
    for mutant, test in said:
        if test not in sure or passes(test, mutant.groups, promtool):
            yield f"{test} does not notice, as it is said to: {mutant.name}"
