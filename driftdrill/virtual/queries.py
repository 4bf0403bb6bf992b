"""Expressions evaluated over a whole recording, by range queries to the Prometheus on it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

from driftdrill.promapi import Prometheus, PrometheusError, Series
from driftdrill.virtual.rules import Group, GroupRule
from driftdrill.virtual.timelines import EngineError, Span

MAX_POINTS = 1_440
"""Evaluations that one query is for: a day of them, so that no processor is left with the last.

Prometheus would answer 11,000 points per series; shorter queries need less memory, too."""

_PARALLEL = 2
"""Queries at once: Prometheus evaluates each on one processor."""


@dataclass(frozen=True)
class Inlined:
    """A rule, its group, and its expression as Prometheus is to evaluate it."""

    rule: GroupRule
    group: Group
    query: str


def at_every_evaluation(
    rules: Sequence[Inlined], prometheus: Prometheus, span: Span
) -> list[list[Series]]:
    """The answers of each rule's expression at all its evaluations; a series may come in parts.

    Raises:
        EngineError: Prometheus cannot evaluate one; names the rule.
    """
    asked = [
        (number, rule, part)
        for number, rule in enumerate(rules)
        for part in _parts(span.instants(rule.group.interval))
    ]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        answers = list(pool.map(lambda one: _ask(one[1], one[2], prometheus), asked))
    numbered = zip((number for number, _, _ in asked), answers, strict=True)
    return [
        [series for _, answer in parts for series in answer]
        for _, parts in groupby(numbered, lambda one: one[0])
    ]


def somewhere(rule: Inlined, prometheus: Prometheus, span: Span, points: int) -> list[Series]:
    """The answers of one expression at about `points` of its evaluations.

    Raises:
        EngineError: Prometheus cannot evaluate it; names the rule.
    """
    return _ask(rule, span.coarse(rule.group.interval, points), prometheus)


def _parts(instants: range) -> list[range]:
    return [instants[i : i + MAX_POINTS] for i in range(0, len(instants), MAX_POINTS)]


def _ask(asked: Inlined, instants: range, prometheus: Prometheus) -> list[Series]:
    try:
        return prometheus.curves(
            asked.query, instants[0] / 1000, instants[-1] / 1000, instants.step / 1000
        )
    except PrometheusError as error:
        named = f"rule {asked.rule.name} of {asked.group.file}"
        raise EngineError(f"{named} cannot be evaluated: {error}") from None
