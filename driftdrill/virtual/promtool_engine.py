"""The exact engine: Prometheus' own rule code, driven by `promtool test rules`.

promtool knows neither real time nor the intervals of groups. So a recording's time 0 is promtool's,
and the groups of one interval make one run; what they record is input to the runs that read it.
A long run is divided: promtool uses one processor.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np

from driftdrill.promapi import Series
from driftdrill.rig.tools import Tool
from driftdrill.scaling import unscalable
from driftdrill.virtual import gotext
from driftdrill.virtual.promtool_files import SENTINEL, Input, grid_of, write_rules, write_test
from driftdrill.virtual.recording import recorded_series
from driftdrill.virtual.rules import ALERTS, Group, words
from driftdrill.virtual.samples import STALE_WORD
from driftdrill.virtual.slices import Slice, slices
from driftdrill.virtual.timelines import EngineError, Span

_PARALLEL = 2
"""Runs at once, and parts of a long one."""

_ENVIRONMENT = {"GOGC": "200", "GODEBUG": "memprofilerate=0"}
"""Cleaning up at three times what is kept, instead of at twice, saves a tenth of processor time,
for some 100 MB for each day of a part; not sampling who uses memory saves 8 %."""

_RULE_ERROR = re.compile(r"^\s*rule: (.+?), time: \S+, err: (.*)$", re.MULTILINE)
_GOT = re.compile(r"^\s+got: (.*)$", re.MULTILINE)

_Found = dict[frozenset[tuple[str, str]], dict[int, str]]
"""Values by unix milliseconds of the series that came out, by their labels, name included."""


def evaluate(
    groups: Sequence[Group], recording: Path, span: Span, promtool: Tool, work: Path
) -> tuple[Series, ...]:
    """Evaluate every rule over a recording.

    Args:
        groups: In the order of evaluation.
        recording: Its folder.
        span: When to evaluate.
        promtool: Evaluates.
        work: New or empty folder for what promtool reads.

    Returns:
        The samples of `ALERTS`, as in `Timelines`.

    Raises:
        EngineError: A rule cannot be evaluated, or promtool did not evaluate everything.
    """
    _refuse_calendar(groups)
    stages = _stages(groups)
    inputs: list[Input] = [
        (series, np.rint(times * 1000).astype(np.int64), values)
        for series, times, values in recorded_series(recording)
        if len(times)
    ]
    alerts: list[Series] = []
    for number, stage in enumerate(stages):
        later = [group for others in stages[number + 1 :] for group in others]
        wanted = _recorded_and_read(stage, later)
        found = _evaluate(stage, inputs, wanted, span, promtool, work / f"promtool-{number}")
        alerts += _alerts(found)
        inputs += _recorded(found, wanted, span.instants(stage[0].interval))
    return tuple(alerts)


def _evaluate(
    stage: Sequence[Group],
    inputs: Iterable[Input],
    wanted: set[str],
    span: Span,
    promtool: Tool,
    work: Path,
) -> _Found:
    """The alerts, and the wanted recorded metrics, of groups of one interval."""
    used = _words(stage)
    read = [one for one in inputs if gotext.NAME in used or one[0].partition("{")[0] in used]
    grid = grid_of(read, stage[0].interval, span)

    def run(numbered: tuple[int, Slice]) -> _Found:
        number, part = numbered
        folder = work / f"{number}"
        folder.mkdir(parents=True)
        write_rules(folder / "rules.yml", stage)
        write_test(folder / "test.yml", stage, read, wanted, part, grid)
        return _run(folder, stage, part, promtool)

    joined: _Found = {}
    with ThreadPoolExecutor(_PARALLEL) as pool:
        for found in pool.map(run, enumerate(slices(stage, span, _PARALLEL))):
            for labels, values in found.items():
                joined.setdefault(labels, {}).update(values)
    return joined


def _refuse_calendar(groups: Iterable[Group]) -> None:
    for group in groups:
        for rule in group.rules:
            if functions := unscalable(rule.expr):
                raise EngineError(
                    f"rule {rule.name} of {group.file} uses {functions[0]}: promtool's clock starts"
                    " in 1970, so it cannot tell what this rule would have said"
                )


def _stages(groups: Sequence[Group]) -> list[list[Group]]:
    """The groups by interval, those that record before those that read it."""
    stages: dict[int, list[Group]] = {}
    for group in groups:
        stages.setdefault(group.interval, []).append(group)
    if len(stages) > 1 and (reads := _words(groups) & {*ALERTS}):
        raise EngineError(
            f"{min(reads)} is read by a rule, and the groups of alerts have different intervals:"
            " in which order they are evaluated is undefined"
        )
    reads_from = {
        interval: {
            other
            for other, writers in stages.items()
            if other != interval and _recorded_and_read(writers, readers)
        }
        for interval, readers in stages.items()
    }
    try:
        return [stages[interval] for interval in TopologicalSorter(reads_from).static_order()]
    except CycleError:
        raise EngineError(
            "groups of different intervals read what the other one records: in which order they"
            " are evaluated is undefined"
        ) from None


def _words(groups: Iterable[Group]) -> set[str]:
    """Every word of the groups' expressions: the metrics that they read are among them."""
    return {word for group in groups for rule in group.rules for word in words(rule.expr)}


def _recorded_and_read(writers: Iterable[Group], readers: Iterable[Group]) -> set[str]:
    """The metrics that some groups record and others read."""
    recorded = {rule.name for group in writers for rule in group.rules if not rule.alerting}
    read = _words(readers)
    return recorded if gotext.NAME in read else recorded & read


def _recorded(found: _Found, wanted: set[str], instants: range) -> Iterator[Input]:
    """Recorded series, each with a mark at the first instant after a sample that has none."""
    for labels, values in found.items():
        series = dict(sorted(labels))
        if series[gotext.NAME] in wanted:
            times = [t for t in instants if t in values or t - instants.step in values]
            texts = np.array([values.get(time, STALE_WORD) for time in times], dtype=np.object_)
            yield gotext.series(series), np.array(times), texts


def _run(folder: Path, groups: Sequence[Group], part: Slice, promtool: Tool) -> _Found:
    """Run promtool and read what it got.

    Raises:
        EngineError: As in `evaluate`.
    """
    done = subprocess.run(
        [promtool.path, "test", "rules", "test.yml"],
        cwd=folder,
        env={**os.environ, **_ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (folder / "promtool.log").write_text(done.stdout)
    if error := _RULE_ERROR.search(done.stdout):
        files = {str(g.file) for g in groups for rule in g.rules if rule.name == error[1]}
        named = f"rule {error[1]} of {' or '.join(sorted(files))}"
        raise EngineError(f"{named} cannot be evaluated: {error[2]}")
    instants = part.instants(groups[0].interval)
    got = _GOT.findall(done.stdout)
    if len(got) != len(instants):
        tail = done.stdout.strip()[-2000:]
        raise EngineError(f"promtool answered {len(got)} of {len(instants)} evaluations: {tail}")
    found: _Found = {}
    for time, text in zip(instants, got, strict=True):
        try:
            samples = list(gotext.samples("" if text == "nil" else text))
        except ValueError as error:
            raise EngineError(f"promtool's answer is not understood: {error}") from None
        if not any(labels.get("alertname") == SENTINEL for labels, _ in samples):
            raise EngineError(f"promtool did not evaluate the rules at {time / 1000}")
        for labels, value in samples:
            found.setdefault(frozenset(labels.items()), {})[time] = value
    return found


def _alerts(found: _Found) -> Iterator[Series]:
    for labels, values in found.items():
        kept = dict(sorted(labels))
        if kept.pop(gotext.NAME) == "ALERTS" and kept["alertname"] != SENTINEL:
            yield Series(kept, tuple((time / 1000, 1.0) for time in values))
