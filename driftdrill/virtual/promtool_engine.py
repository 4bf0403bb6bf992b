"""The exact engine: Prometheus' own rule code, driven by `promtool test rules`.

promtool knows neither real time nor the intervals of groups. So a recording's time 0 is promtool's,
and the groups of one interval make one run; what they record is input to the runs that read it.
"""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path

import msgspec
import yaml

from driftdrill.promapi import Series
from driftdrill.rig.tools import Tool
from driftdrill.scaling import unscalable
from driftdrill.virtual import gotext
from driftdrill.virtual.openmetrics import read_series
from driftdrill.virtual.rules import ALERTS, Group, words
from driftdrill.virtual.timelines import EngineError, Span

SENTINEL = "DriftdrillSentinel"
"""An alert that always fires. A rule that fails empties promtool's answer, and this shows it."""

MAX_STEPS = 1_000_000
"""Steps of promtool's time grid, which holds some 30 bytes per step and series in memory."""

_RULE_ERROR = re.compile(r"^\s*rule: (.+?), time: (\S+), err: (.*)$", re.MULTILINE)
_GOT = re.compile(r"^\s+got: (.*)$", re.MULTILINE)

Samples = dict[str, list[tuple[int, str]]]
"""Ascending (unix milliseconds, value) by series, as PromQL writes it."""


def evaluate(
    groups: Sequence[Group], metrics: Path, span: Span, promtool: Tool, work: Path
) -> tuple[Series, ...]:
    """Evaluate every rule over a recording.

    Args:
        groups: In the order of evaluation.
        metrics: The recorded series.
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
    recorded: Samples = {}
    alerts: list[Series] = []
    for number, stage in enumerate(stages):
        folder = work / f"promtool-{number}"
        folder.mkdir(parents=True)
        later = [group for others in stages[number + 1 :] for group in others]
        wanted = _recorded_and_read(stage, later)
        used = _words(stage)
        _write_rules(folder / "rules.yml", stage)
        grid, step = 0, stage[0].interval
        while grid != step:  # seldom more than once: the first series tells the others' times
            grid = step
            inputs = chain(_picked(read_series(metrics), used), _picked(recorded.items(), used))
            step = _write_test(folder / "test.yml", stage, inputs, wanted, span, grid)
        found = _run(folder, stage, span, promtool)
        alerts += _alerts(found)
        instants = span.instants(stage[0].interval)
        for labels, values in found:
            if labels[gotext.NAME] in wanted:
                recorded[gotext.series(labels)] = _with_stale_marks(values, instants)
    return tuple(alerts)


_Found = list[tuple[dict[str, str], dict[int, str]]]
"""Labels, metric name included, and values by unix milliseconds, of the series that came out."""


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


def _picked(
    series: Iterable[tuple[str, list[tuple[int, str]]]], used: set[str]
) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """The series whose metric is used; all of them where a rule chooses metrics by a pattern."""
    everything = gotext.NAME in used
    return ((name, v) for name, v in series if everything or name.partition("{")[0] in used)


def _write_rules(path: Path, groups: Sequence[Group]) -> None:
    """Write the rules, each group under a name of its own, and the sentinel after them."""
    documents = [
        {**group.document, "name": _group_name(number, group)}
        for number, group in enumerate(groups)
    ]
    documents.append({"name": SENTINEL, "rules": [{"alert": SENTINEL, "expr": "vector(1)"}]})
    path.write_text(yaml.safe_dump({"groups": documents}, allow_unicode=True, width=1000))


def _group_name(number: int, group: Group) -> str:
    return f"{number} {group.name}"


def _write_test(
    path: Path,
    groups: Sequence[Group],
    inputs: Iterable[tuple[str, list[tuple[int, str]]]],
    wanted: set[str],
    span: Span,
    grid: int,
) -> int:
    """Write the test file: JSON, line by line, which is YAML too.

    Args:
        path: File to write.
        groups: All of one interval.
        inputs: Series with their samples.
        wanted: Recorded metrics to ask for beside the alerts.
        span: When to evaluate.
        grid: Milliseconds from one value of an input series to the next.

    Returns:
        The coarsest grid, up to this one, that the samples are on. When that is finer, the file is
        of no use.
    """
    interval, fitting = groups[0].interval, grid
    order = [*(_group_name(n, g) for n, g in enumerate(groups)), SENTINEL]
    query = f'{{__name__=~"{"|".join(["ALERTS", *sorted(wanted)])}"}}' if wanted else "ALERTS"
    with path.open("w", encoding="utf-8") as file:
        file.write('{"rule_files": ["rules.yml"],\n')
        file.write(f' "evaluation_interval": "{interval}ms",\n')
        file.write(f' "group_eval_order": {_json(order)},\n')
        file.write(f' "tests": [{{"interval": "{grid}ms", "input_series": [')
        comma = ""
        for series, samples in inputs:
            offsets = [time - span.start for time, _ in samples]
            fitting = math.gcd(fitting, *offsets)
            _refuse(series, offsets, fitting)
            if fitting == grid:
                values = _values(samples, span.start, grid)
                file.write(f'{comma}\n{{"series": {_json(series)}, "values": "{values}"}}')
                comma = ","
        file.write('],\n "promql_expr_test": [')
        comma = ""
        for time in span.instants(interval):
            asked = {"expr": query, "eval_time": f"{time - span.start}ms", "exp_samples": []}
            file.write(f"{comma}\n{_json(asked)}")
            comma = ","
        file.write("]}]}\n")
    return fitting


def _refuse(series: str, offsets: Sequence[int], grid: int) -> None:
    if offsets[0] < 0:
        raise EngineError(f"{series} has samples from before the recording's start")
    if offsets[-1] > MAX_STEPS * grid:
        raise EngineError(f"the recording's times have no common step but {grid} ms")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _values(samples: Sequence[tuple[int, str]], start: int, grid: int) -> str:
    """A series in promtool's notation, `_` where there is no sample."""
    words, position = [], 0
    for time, value in samples:
        gap = (time - start) // grid - position
        if gap:
            words.append("_" if gap == 1 else f"_x{gap}")
        words.append(value)
        position += gap + 1
    return " ".join(words)


def _with_stale_marks(values: Mapping[int, str], instants: range) -> list[tuple[int, str]]:
    """Recorded samples, with a mark at the first instant after each at which there was none."""
    return [
        (time, values.get(time, "stale"))
        for time in instants
        if time in values or time - instants.step in values
    ]


def _run(folder: Path, groups: Sequence[Group], span: Span, promtool: Tool) -> _Found:
    """Run promtool and read what it got.

    Raises:
        EngineError: As in `evaluate`.
    """
    done = subprocess.run(
        [promtool.path, "test", "rules", "test.yml"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (folder / "promtool.log").write_text(done.stdout)
    if error := _RULE_ERROR.search(done.stdout):
        files = {str(g.file) for g in groups for rule in g.rules if rule.name == error[1]}
        named = f"rule {error[1]} of {' or '.join(sorted(files))}"
        raise EngineError(f"{named} cannot be evaluated at {error[2]}: {error[3]}")
    instants = span.instants(groups[0].interval)
    got = _GOT.findall(done.stdout)
    if len(got) != len(instants):
        tail = done.stdout.strip()[-2000:]
        raise EngineError(f"promtool answered {len(got)} of {len(instants)} evaluations: {tail}")
    found: dict[frozenset[tuple[str, str]], dict[int, str]] = {}
    for time, text in zip(instants, got, strict=True):
        try:
            samples = list(gotext.samples("" if text == "nil" else text))
        except ValueError as error:
            raise EngineError(f"promtool's answer is not understood: {error}") from None
        if not any(labels.get("alertname") == SENTINEL for labels, _ in samples):
            raise EngineError(f"promtool did not evaluate the rules at {time / 1000}")
        for labels, value in samples:
            found.setdefault(frozenset(labels.items()), {})[time] = value
    return [(dict(sorted(labels)), values) for labels, values in found.items()]


def _alerts(found: _Found) -> Iterator[Series]:
    for labels, values in found:
        if labels[gotext.NAME] == "ALERTS" and labels["alertname"] != SENTINEL:
            kept = {name: value for name, value in labels.items() if name != gotext.NAME}
            yield Series(kept, tuple((time / 1000, 1.0) for time in values))
