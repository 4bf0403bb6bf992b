"""THE main path of the study: traffic in steps becomes a verdict per cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from driftdrill.exposition import growing_labels
from driftdrill.overhead import live
from driftdrill.overhead.claims import Study, judge
from driftdrill.overhead.report import print_study, write_study
from driftdrill.overhead.seen import Seen
from driftdrill.overhead.virtual import study_virtual
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.rig import new_folder
from driftdrill.rig.tools import find_tools
from scenarios.target import Target

MOST_LABELS = 5
"""Growing labels that are named; the first are the worst."""


def overhead(
    factors: Sequence[float],
    *,
    step_s: float,
    target: Target | None,
    out: Path,
    json: Path | None,
    interruption: Interruption,
    console: Console,
) -> Study:
    """Measure live: our own service, or somebody's."""
    new_folder(out)
    plan = live.Plan(factors, step_s, out, find_tools(), interruption, _shown(console))
    seen = live.study_foreign(plan, target) if target else live.study_own(plan)
    return _conclude("live", seen, out, json, console)


def virtual_overhead(
    factors: Sequence[float],
    *,
    out: Path,
    json: Path | None,
    interruption: Interruption,
    console: Console,
) -> Study:
    """Measure without a live service."""
    new_folder(out)
    seen = study_virtual(factors, out, find_tools(), interruption, _shown(console))
    return _conclude("virtual", seen, out, json, console)


def _shown(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(f"  {text}", highlight=False, markup=False)


def _conclude(mode: str, seen: Seen, out: Path, json: Path | None, console: Console) -> Study:
    growing = [
        f"{growth.family}: label {growth.label!r} went from {growth.before} to {growth.after}"
        f" values, such as {', '.join(map(repr, growth.examples))}"
        for growth in growing_labels(seen.first, seen.last)[:MOST_LABELS]
    ]
    study = judge(mode, seen.target, seen.steps, growing)
    write_study(study, out, json)
    print_study(study, console)
    console.print(f"  {out / 'overhead.html'}", highlight=False, soft_wrap=True)
    return study
