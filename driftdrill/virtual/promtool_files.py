"""What `promtool test rules` reads: rules, and a recording as a test of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray

from driftdrill.virtual.rules import Group
from driftdrill.virtual.samples import STALE_WORD, numbers
from driftdrill.virtual.slices import Slice
from driftdrill.virtual.timelines import EngineError, Span
from target_service.contract import Floats

SENTINEL = "DriftdrillSentinel"
"""An alert that always fires. A rule that fails empties promtool's answer, and this shows it."""

MAX_STEPS = 1_000_000
"""Steps of promtool's time grid, which holds some 30 bytes per step and series in memory."""

Input = tuple[str, NDArray[np.int64], Floats | NDArray[np.object_]]
"""A series as PromQL writes it; (n,) ascending unix milliseconds; (n,) values, numbers or text."""


def write_rules(path: Path, groups: Sequence[Group]) -> None:
    """Write the rules, each group under a name of its own, and the sentinel after them.

    Annotations are left out: promtool would fill in every alert's at every evaluation.
    """
    documents = [
        {
            **group.document,
            "name": _group_name(number, group),
            "rules": [
                {key: value for key, value in rule.items() if key != "annotations"}
                for rule in group.document["rules"]
            ],
        }
        for number, group in enumerate(groups)
    ]
    documents.append({"name": SENTINEL, "rules": [{"alert": SENTINEL, "expr": "vector(1)"}]})
    path.write_text(yaml.safe_dump({"groups": documents}, allow_unicode=True, width=1000))


def _group_name(number: int, group: Group) -> str:
    return f"{number} {group.name}"


def grid_of(inputs: Iterable[Input], interval: int, span: Span) -> int:
    """The coarsest grid in milliseconds, up to the interval of the rules, that all samples are on.

    Raises:
        EngineError: A series begins before the recording, or there is no such grid.
    """
    grid = interval
    for series, times, _ in inputs:
        offsets = times - span.start
        grid = int(np.gcd.reduce(offsets, initial=grid))
        if offsets[0] < 0:
            raise EngineError(f"{series} has samples from before the recording's start")
        if offsets[-1] > MAX_STEPS * grid:
            raise EngineError(f"the recording's times have no common step but {grid} ms")
    return grid


def write_test(
    path: Path,
    groups: Sequence[Group],
    inputs: Iterable[Input],
    wanted: set[str],
    part: Slice,
    grid: int,
) -> None:
    """Write the test file: JSON, line by line, which is YAML too.

    Args:
        path: File to write.
        groups: All of one interval.
        inputs: Series with their samples.
        wanted: Recorded metrics to ask for beside the alerts.
        part: When to evaluate.
        grid: Milliseconds from one value of an input series to the next.
    """
    interval, start = groups[0].interval, part.span.start
    order = [*(_group_name(n, g) for n, g in enumerate(groups)), SENTINEL]
    query = f'{{__name__=~"{"|".join(["ALERTS", *sorted(wanted)])}"}}' if wanted else "ALERTS"
    with path.open("w", encoding="utf-8") as file:
        file.write('{"rule_files": ["rules.yml"],\n')
        file.write(f' "evaluation_interval": "{interval}ms",\n')
        file.write(f' "group_eval_order": {_json(order)},\n')
        file.write(f' "tests": [{{"interval": "{grid}ms", "input_series": [')
        comma = ""
        for series, times, values in inputs:
            first, last = np.searchsorted(times, [start, start + part.span.duration + 1])
            if first < last:
                text = _values((times[first:last] - start) // grid, values[first:last])
                file.write(f'{comma}\n{{"series": {_json(series)}, "values": "{text}"}}')
                comma = ","
        file.write('],\n "promql_expr_test": [')
        comma = ""
        for time in part.instants(interval):
            asked = {"expr": query, "eval_time": f"{time - start}ms", "exp_samples": []}
            file.write(f"{comma}\n{_json(asked)}")
            comma = ","
        file.write("]}]}\n")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _values(places: NDArray[np.int64], values: Floats | NDArray[np.object_]) -> str:
    """Samples in promtool's notation, `_` where there is none."""
    gaps = np.diff(places, prepend=-1) - 1
    skip = {gap: f"_x{gap} " if gap > 1 else "_ " * gap for gap in np.unique(gaps).tolist()}
    return " ".join(
        [skip[gap] + text for gap, text in zip(gaps.tolist(), _texts(values), strict=True)]
    )


def _texts(values: Floats | NDArray[np.object_]) -> list[str]:
    if values.dtype == np.object_:
        return [str(value) for value in values.tolist()]
    ended = np.isnan(values)
    texts = numbers(np.where(ended, 0.0, values))
    return [STALE_WORD if end else text for end, text in zip(ended.tolist(), texts, strict=True)]
