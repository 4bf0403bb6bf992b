"""Recorded metrics that are read several times, evaluated once and stored like samples.

Inlined, each would be evaluated as often as it is read. Stored are those of which the samples cost
less than another evaluation: a few series that sum up many. As in Prometheus, a series that ends
gets a stale mark, so what is stored reads in every way as what Prometheus would have recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
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
from driftdrill.virtual.rules import Group
from driftdrill.virtual.samples import STALE
from driftdrill.virtual.store import Store
from driftdrill.virtual.timelines import Span
from target_service.contract import Floats

MAX_SERIES = 500
"""Of a stored metric: the samples of an answer are in our memory for a moment."""

_SAMPLE_COST = 4
"""What a sample costs that passes through us, in selected series per evaluation."""

_PROBES = 4


def store_shared(
    groups: Sequence[Group], inlined: Recorders, store: Store, span: Span
) -> frozenset[str]:
    """Evaluate and store what pays.

    Args:
        groups: In the order of evaluation.
        inlined: Tells how often each metric is read when all are inlined.
        store: The recording; takes the samples.
        span: When to evaluate.

    Returns:
        The stored metrics.

    Raises:
        EngineError: A rule cannot be evaluated.
    """
    stored, found = frozenset[str](), frozenset[str]()
    shared = [name for name in inlined.names if inlined.reads[name] > 1]
    for name in sorted(shared, key=lambda name: inlined.of(name)[-1].place):
        inliner = Inliner(Recorders(groups, span.start, stored))
        try:
            rules = [_inlined(recorder, inliner) for recorder in inlined.of(name)]
        except CannotInlineError:
            continue
        if any(STORED + other in rule.query for rule in rules for other in stored - found):
            store.catch_up()
            found = stored
        with closing(store.client()) as prometheus:
            if all(_pays(rule, inlined.reads[name], prometheus, span) for rule in rules):
                store.add(_samples(rules, prometheus, span))
                stored |= {name}
    if stored != found:
        store.catch_up()
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
    instants = span.instants(rules[0].group.interval)
    found: dict[frozenset[tuple[str, str]], Floats] = {}
    for answer in reversed(at_every_evaluation(rules, prometheus, span)):
        for labels, times, values in answer:
            series = frozenset(labels.items())
            samples = found.setdefault(series, np.full(len(instants), STALE))
            places = np.rint(times * 1000).astype(np.int64) - instants.start
            samples[places // instants.step] = values
    grid = np.array(instants) / 1000
    for series, samples in found.items():
        there = samples.view(np.uint64) != STALE.view(np.uint64)
        # The first instant without a sample after one with it carries the mark.
        kept = there | np.concatenate([[False], there[:-1]])
        yield {NAME: STORED + rules[0].rule.name, **dict(series)}, grid[kept], samples[kept]
