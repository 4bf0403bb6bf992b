"""Recorded metrics that are read several times, evaluated once and stored like samples.

Inlined, each would be evaluated as often as it is read. Stored are those of which the samples cost
less than another evaluation: a few series that sum up many. As in Prometheus, a series that ends
gets a stale mark, so what is stored reads in every way as what Prometheus would have recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from driftdrill.promapi import Prometheus
from driftdrill.virtual.gotext import NAME
from driftdrill.virtual.inline import Inliner
from driftdrill.virtual.promql_text import scraped_selectors
from driftdrill.virtual.queries import Inlined, at_every_evaluation, at_some_evaluations
from driftdrill.virtual.recorders import (
    STORED,
    CannotInlineError,
    Recorder,
    Recorders,
)
from driftdrill.virtual.remote_write import push
from driftdrill.virtual.rules import Group
from driftdrill.virtual.samples import STALE
from driftdrill.virtual.timelines import Span
from target_service.contract import Floats

MAX_SERIES = 16
"""Of a stored metric: its samples pass through us, which costs more per sample than anything."""

_SAMPLE_COST = 2
"""What a sample costs that passes through us, in selected series per evaluation."""

_PROBES = 4


def store_shared(
    groups: Sequence[Group], inlined: Recorders, prometheus: Prometheus, span: Span
) -> frozenset[str]:
    """Evaluate and store what pays.

    Args:
        groups: In the order of evaluation.
        inlined: Tells how often each metric is read when all are inlined.
        prometheus: On the recording; takes the samples.
        span: When to evaluate.

    Returns:
        The stored metrics.

    Raises:
        EngineError: A rule cannot be evaluated.
    """
    stored = frozenset[str]()
    shared = [name for name in inlined.names if inlined.reads[name] > 1]
    for name in sorted(shared, key=lambda name: inlined.of(name)[-1].place):
        inliner = Inliner(Recorders(groups, span.start, stored))
        try:
            rules = [_inlined(recorder, inliner) for recorder in inlined.of(name)]
        except CannotInlineError:
            continue
        if all(_pays(rule, inlined.reads[name], prometheus, span) for rule in rules):
            push(prometheus.url, _samples(rules, prometheus, span))
            stored |= {name}
    return stored


def _inlined(recorder: Recorder, inliner: Inliner) -> Inlined:
    return Inlined(recorder.rule, recorder.group, inliner.recorded(recorder))


def _pays(rule: Inlined, reads: int, prometheus: Prometheus, span: Span) -> bool:
    """Whether its samples cost less than evaluating it again for every other reader."""
    found = _count(rule.query, rule, prometheus, span)
    selected = sum(
        _count(selector, rule, prometheus, span) for selector in scraped_selectors(rule.query)
    )
    return found <= MAX_SERIES and (reads - 1) * selected > _SAMPLE_COST * found


def _count(query: str, rule: Inlined, prometheus: Prometheus, span: Span) -> float:
    answer = at_some_evaluations(replace(rule, query=f"count({query})"), prometheus, span, _PROBES)
    return max((value for series in answer for _, value in series.samples), default=0.0)


def _samples(
    rules: Sequence[Inlined], prometheus: Prometheus, span: Span
) -> Iterator[tuple[dict[str, str], Floats, Floats]]:
    """What rules of one name record, with stale marks; where they collide the first one counts."""
    found: defaultdict[frozenset[tuple[str, str]], dict[float, float]] = defaultdict(dict)
    for answer in reversed(at_every_evaluation(rules, prometheus, span)):
        for series in answer:
            found[frozenset(series.labels.items())].update(series.samples)
    instants = span.instants(rules[0].group.interval)
    grid = np.array(instants) / 1000
    for labels, samples in found.items():
        values = np.array([samples.get(time, STALE) for time in grid.tolist()])
        there = np.array([time in samples for time in grid.tolist()])
        # The first instant without a sample after one with it carries the mark.
        kept = there | np.concatenate([[False], there[:-1]])
        yield {NAME: STORED + rules[0].rule.name, **dict(labels)}, grid[kept], values[kept]
