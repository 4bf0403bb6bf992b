"""Recorded metrics that are read several times, evaluated once and stored like samples.

Inlined, each would be evaluated as often as it is read. Stored are those of which the samples cost
less than another evaluation: a few series that sum up many. As in Prometheus, a series that ends
gets a stale mark, so what is stored reads in every way as what Prometheus would have recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from driftdrill.promapi import Prometheus, Series, SeriesArrays
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
from driftdrill.virtual.server import QUERY_LIMIT_S
from driftdrill.virtual.store import Store
from driftdrill.virtual.timelines import Span
from target_service.contract import Floats

MAX_SERIES = 500
"""Of a stored metric: the samples of an answer are in our memory for a moment."""

_SAMPLE_COST = 3
"""What a sample costs that passes through us, in selected series per evaluation."""

_STAGE_COST = 100_000
"""What it costs to have a stage found, by a server of its own, in series selected once: more than
storing saves in a drill of two hours, and nothing beside a month's."""

_PROBES = 2


@dataclass(frozen=True)
class Shared:
    """A metric that is stored.

    Attributes:
        rules: What records it, inlined but for the metrics that are stored before it.
        series: How many it has.
        stage: 0 when it reads no stored metric, else one more than those that it reads.
    """

    name: str
    rules: Sequence[Inlined]
    series: float
    stage: int


def shared_metrics(
    groups: Sequence[Group], inlined: Recorders, store: Store, span: Span
) -> Sequence[Shared]:
    """What pays to be stored.

    Args:
        groups: In the order of evaluation.
        inlined: Tells how often each metric is read when all are inlined.
        store: The recording.
        span: When to evaluate.

    Raises:
        EngineError: A rule cannot be evaluated.
    """
    with closing(store.client()) as prometheus:
        sizes = _Sizes(prometheus, span)
        return tuple(_worth_storing(groups, inlined, sizes, span).values())


def store_shared(shared: Sequence[Shared], store: Store, span: Span) -> None:
    """Evaluate and store metrics, stage by stage.

    Args:
        shared: As `shared_metrics` found them.
        store: The recording; takes the samples.
        span: When to evaluate.

    Raises:
        EngineError: A rule cannot be evaluated.
    """
    for stage in sorted({one.stage for one in shared}):
        with closing(store.client()) as prometheus:
            store.add(_samples([one for one in shared if one.stage == stage], prometheus, span))
        store.catch_up()


class Staged(Prometheus):
    """A recording that can be asked at once, but waits where stored metrics are read.

    Args:
        store: The recording, with nothing stored yet.
        complete: On the recording with all that is to be stored, when it is.
    """

    def __init__(self, store: Store, complete: Future[Prometheus]) -> None:
        super().__init__(store.url, QUERY_LIMIT_S)
        self._complete = complete

    def arrays(self, expression: str, start: float, end: float, step: float) -> list[SeriesArrays]:
        """As `Prometheus.arrays`."""
        if STORED in expression:
            return self._complete.result().arrays(expression, start, end, step)
        return super().arrays(expression, start, end, step)

    def curves(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """As `Prometheus.curves`."""
        if STORED in expression:
            return self._complete.result().curves(expression, start, end, step)
        return super().curves(expression, start, end, step)


class _Sizes:
    """How many series expressions have."""

    def __init__(self, prometheus: Prometheus, span: Span) -> None:
        self._prometheus, self._span = prometheus, span
        self._known: dict[str, float] = {}

    def of(self, query: str, rule: Inlined) -> float:
        """The most that were found at a few of a rule's evaluations."""
        if query not in self._known:
            asked = replace(rule, query=f"count({query})")
            answer = at_some_evaluations(asked, self._prometheus, self._span, _PROBES)
            counts = (value for series in answer for _, value in series.samples)
            self._known[query] = max(counts, default=0.0)
        return self._known[query]

    def selected(self, rules: Sequence[Inlined], stored: Mapping[str, Shared]) -> float:
        """How many series all selectors of some rules have, with those of what is stored."""
        return sum(
            one.series
            if (one := stored.get(selector.partition("{")[0]))
            else self.of(selector, rule)
            for rule in rules
            for selector in scraped_selectors(rule.query)
        )


def _worth_storing(
    groups: Sequence[Group], inlined: Recorders, sizes: _Sizes, span: Span
) -> Mapping[str, Shared]:
    """The metrics to store by the name that they are stored under, none before those it reads.

    A metric is worth it when evaluating it for every reader costs more than doing it once, and its
    samples.
    The first of a later stage has to be worth that stage, too; if it is not, the metric may still
    be worth it with all that it reads inlined.
    """
    found: dict[str, Shared] = {}
    fully = Inliner(Recorders(groups, span.start))
    names = [name for name in inlined.names if inlined.reads[name] > 1]
    for name in sorted(names, key=lambda name: inlined.of(name)[-1].place):
        before = Inliner(
            Recorders(groups, span.start, frozenset(one.name for one in found.values()))
        )
        try:
            reading, alone = (
                [_inlined(recorder, inliner) for recorder in inlined.of(name)]
                for inliner in (before, fully)
            )
        except CannotInlineError:
            continue
        series = sum(sizes.of(rule.query, rule) for rule in alone)
        last = max((one.stage for one in found.values()), default=-1)
        evaluations = len(span.instants(inlined.of(name)[-1].group.interval))
        saved = inlined.reads[name] * sizes.selected(reading, found)
        for rules in (reading, alone):
            stage = _stage(rules, found)
            cost = sizes.selected(rules, found) + _SAMPLE_COST * series
            if stage > last:
                cost += _STAGE_COST / evaluations
            if series <= MAX_SERIES and saved > cost:
                found[STORED + name] = Shared(name, rules, series, stage)
                break
    return found


def _stage(rules: Sequence[Inlined], found: Mapping[str, Shared]) -> int:
    stages = (found[name].stage + 1 for rule in rules for name in _names(rule) if name in found)
    return max(stages, default=0)


def _names(rule: Inlined) -> Iterator[str]:
    """The metrics that a rule selects."""
    return (selector.partition("{")[0] for selector in scraped_selectors(rule.query))


def _inlined(recorder: Recorder, inliner: Inliner) -> Inlined:
    return Inlined(recorder.rule, recorder.group, inliner.recorded(recorder))


def _samples(
    metrics: Sequence[Shared], prometheus: Prometheus, span: Span
) -> Iterator[tuple[dict[str, str], Floats, Floats]]:
    """What some metrics' rules record, with stale marks; the largest first, as it takes longest."""
    metrics = sorted(metrics, key=lambda metric: -metric.series)
    rules = [rule for metric in metrics for rule in metric.rules]
    answers = at_every_evaluation(rules, prometheus, span)
    for metric in metrics:
        own = list(islice(answers, len(metric.rules)))
        instants = span.instants(metric.rules[0].group.interval)
        yield from _recorded(STORED + metric.name, own, instants)


def _recorded(
    name: str, answers: Sequence[Sequence[SeriesArrays]], instants: range
) -> Iterator[tuple[dict[str, str], Floats, Floats]]:
    """What rules of one name record; where they collide the first one counts."""
    found: dict[frozenset[tuple[str, str]], Floats] = {}
    for answer in reversed(answers):
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
        yield {NAME: name, **dict(series)}, grid[kept], samples[kept]
