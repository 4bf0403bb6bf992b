"""Expressions evaluated over a whole recording, by range queries to the Prometheus on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from driftdrill.promapi import Prometheus, PrometheusError, Series, SeriesArrays
from driftdrill.virtual.rules import Group, GroupRule
from driftdrill.virtual.timelines import EngineError, Span

MAX_POINTS = 5_000
"""Points per series asked for in one query: Prometheus would answer 11,000, but they are in our
memory at a time."""

_PARTS = 4
"""Queries that a rule's evaluations are divided into, or more: so that the processors finish
together. Each query walks through all chunks of its series again, so more would cost."""

_FIRST = 400
"""Evaluations of the first part of many: only there are windows of hours not full yet, and what a
filter leaves out of them later need not be asked."""

_WHOLE = 200
"""Evaluations that are not worth dividing: asking takes longer than they do."""

_PARALLEL = 2
"""Queries at once: Prometheus evaluates each on one processor."""


_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Inlined:
    """A rule, its group, and its expression as Prometheus is to evaluate it.

    Attributes:
        narrowed: What says the same at some of the evaluations, and may cost less.
    """

    rule: GroupRule
    group: Group
    query: str
    narrowed: Callable[[range], str] | None = None


def at_every_evaluation(
    rules: Sequence[Inlined], prometheus: Prometheus, span: Span
) -> Iterator[list[SeriesArrays]]:
    """The answers of each rule's expression at all its evaluations; a series may come in parts.

    The next rules are asked while an answer is looked at.

    Raises:
        EngineError: Prometheus cannot evaluate one; names the rule.
    """
    asked = [
        (number, rule, part)
        for number, rule in enumerate(rules)
        for part in _parts(span.instants(rule.group.interval))
    ]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        answers = pool.map(lambda one: _ask(one[1], one[2], prometheus.arrays), asked)
        numbered = zip((number for number, _, _ in asked), answers, strict=True)
        for _, parts in groupby(numbered, lambda one: one[0]):
            yield [series for _, answer in parts for series in answer]


def as_curves(rule: Inlined, prometheus: Prometheus, span: Span, points: int) -> list[Series]:
    """The answers of one expression at about `points` of its evaluations, as curves.

    Raises:
        EngineError: Prometheus cannot evaluate it; names the rule.
    """
    return _ask(rule, span.coarse(rule.group.interval, points), prometheus.curves)


def at_some_evaluations(
    rule: Inlined, prometheus: Prometheus, span: Span, points: int
) -> Iterator[Series]:
    """The answers of one expression at a few of its evaluations, the latest first.

    They are asked for one by one, when they are wanted: a range query would read all samples that
    lie between.

    Raises:
        EngineError: Prometheus cannot evaluate it; names the rule.
    """
    instants = span.coarse(rule.group.interval, points)
    for number in reversed(range(len(instants))):
        yield from _ask(rule, instants[number : number + 1], prometheus.curves)


def _parts(instants: range) -> list[range]:
    size = min(max(-(-len(instants) // _PARTS), _WHOLE), MAX_POINTS)
    begin = _FIRST if size > 2 * _FIRST else 0
    parts = [instants[first : first + size] for first in range(begin, len(instants), size)]
    return [instants[:begin], *parts] if begin else parts


def _ask(
    asked: Inlined, instants: range, query: Callable[[str, float, float, float], list[_Found]]
) -> list[_Found]:
    text = asked.narrowed(instants) if asked.narrowed else asked.query
    try:
        return query(text, instants[0] / 1000, instants[-1] / 1000, instants.step / 1000)
    except PrometheusError as error:
        named = f"rule {asked.rule.name} of {asked.group.file}"
        raise EngineError(f"{named} cannot be evaluated: {error}") from None
