"""Which broken rules the drills would notice: every mutant against every recorded scenario."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

from driftdrill.mutate.equivalents import Argument
from driftdrill.mutate.journal import Journal, Met
from driftdrill.mutate.mutants import Broken, Mutant, alerts_behind, mutants
from driftdrill.mutate.progress import Findings, Progress
from driftdrill.mutate.trial import opened
from driftdrill.rig.errors import RigError
from driftdrill.rig.guard import die_with
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import find_tools
from driftdrill.versions import versions
from driftdrill.virtual.observe import record
from driftdrill.virtual.recording import EVALUATION_INTERVAL_S
from driftdrill.virtual.rules import load_groups
from driftdrill.virtual.selectors import everything
from scenarios.spec import Scenario, load

_POLL_S = 1.0


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes:
        scenarios: The drills.
        rules: Rule files.
        seed: Of the traffic.
        folder: Keeps what was found: the same study goes on there.
        jobs: Processes.
    """

    scenarios: tuple[Scenario, ...]
    rules: tuple[Path, ...]
    seed: int
    folder: Path
    jobs: int

    def journal(self, scenario: Scenario, broken: Sequence[Mutant]) -> Journal:
        """Where is kept what one scenario noticed of these very rules."""
        told = [path.read_bytes() for path in (scenario.path, *self.rules)]
        told += [mutant.name.encode() for mutant in broken]
        told += [repr((self.seed, sorted(versions(find_tools()).items()))).encode()]
        digest = sha256(b"\0".join(told)).hexdigest()[:12]
        return Journal(self.folder / f"{scenario.name}-{digest}.jsonl")


def study(
    plan: Plan,
    equivalent: Sequence[Argument],
    interruption: Interruption,
    show: Callable[[str, int, int], None],
) -> Findings:
    """Break the rules one at a time, and hold each mutant against every scenario until one notices.

    Those that are not argued to be equivalent come first: they meet the scenarios that expect an
    alert of theirs, then the others. What was found before is not asked again.

    Args:
        plan: What to do.
        equivalent: The arguments.
        interruption: Ends the study; the findings are those until then.
        show: Called every second, and whenever a scenario has met what was waiting for it, with its
            name or nothing, how many mutants are noticed, and how many there are.

    Raises:
        UsageError: A rule file is not valid.
        RigError: A drill does not pass with the rules as they are, so it can tell nothing.
    """
    broken = _broken(plan.rules)
    journals = {s.path: plan.journal(s, broken.mutants) for s in plan.scenarios}
    progress = Progress(plan.scenarios, journals, broken, equivalent)
    running: dict[Future[None], tuple[Path, frozenset[int]]] = {}
    with (
        tempfile.TemporaryDirectory() as work,
        ProcessPoolExecutor(
            plan.jobs,
            mp_context=get_context("spawn"),
            initializer=_enlist,
            initargs=(os.getpid(),),
        ) as pool,
    ):
        stop = Path(work, "stop")
        try:
            while True:
                while interruption.signal is None and len(running) < plan.jobs:
                    chosen = progress.next([*running.values()])
                    if chosen is None:
                        break
                    path, numbers = chosen
                    asked = _Question(path, plan.rules, tuple(sorted(numbers)), plan.seed)
                    kept, work_of = journals[path], Path(work, path.stem)
                    running[pool.submit(_examine, asked, kept, work_of, stop)] = chosen
                if not running:
                    return progress.findings()
                done = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED).done
                if interruption.signal is not None:
                    stop.touch()
                finished = [running.pop(future)[0].stem for future in done if not future.result()]
                noticed = len(progress.findings().kills)
                for name in finished or [""]:
                    show(name, noticed, len(broken.mutants))
        finally:
            stop.touch()


@cache
def _broken(rules: tuple[Path, ...]) -> Broken:
    """The mutants of rule files, numbered alike in every process; each makes them once."""
    groups = load_groups(rules, EVALUATION_INTERVAL_S, find_tools().promtool)
    return Broken(groups, tuple(mutants(groups)), alerts_behind(groups))


@dataclass(frozen=True)
class _Question:
    """Which mutants one scenario, the file at `path`, is to meet now."""

    path: Path
    rules: tuple[Path, ...]
    numbers: tuple[int, ...]
    seed: int


def _enlist(parent: int) -> None:
    """Die with the study; leave Ctrl-C, which reaches all processes of a terminal, to it."""
    die_with(parent)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _examine(asked: _Question, journal: Journal, work: Path, stop: Path) -> None:
    """Write down which mutants a scenario notices, until `stop` exists.

    Its recording is kept for the next time.
    """
    tools, scenario, recording = find_tools(), load(asked.path), work / "recording"
    if not recording.exists():
        record(
            scenario,
            recording,
            seed=asked.seed,
            days=None,
            wanted=everything,
            portable=False,
            tools=tools,
            show=lambda _: None,
        )
    broken = _broken(asked.rules)
    with (
        tempfile.TemporaryDirectory(dir=work) as scratch,
        opened(recording, broken.groups, tools, Path(scratch), len(asked.numbers)) as trial,
        journal.continued() as writer,
    ):
        sound = trial.verdict()
        if sound.outcome != "pass":
            said = "\n".join(sound.reasons)
            raise RigError(f"{scenario.name} does not pass with the rules as they are\n{said}")
        for number in asked.numbers:
            if stop.exists():
                return
            mutant = broken.mutants[number]
            writer.add(Met(number, trial.notices(mutant, broken.readers[mutant.rule])))
