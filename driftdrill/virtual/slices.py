"""How a long recording is evaluated in parts: each begins early enough to be right when it counts.

What an evaluation says depends on no more of the past than the windows that its rules look through,
one rule's on top of another's, and on how long its alerts wait and are kept. Nothing but the time
since the recording's beginning would tell two parts apart, and no rule that reads it comes here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import promql_parser as promql

from driftdrill.virtual.gotext import NAME
from driftdrill.virtual.promql_text import milliseconds
from driftdrill.virtual.rules import ALERTS, Group, GroupRule, words
from driftdrill.virtual.timelines import Span

_LOOKBACK = 300_000
"""Milliseconds that a selector looks back for a sample."""

_WORTH = 2
"""A part has to be this many times as long as what it evaluates ahead of it."""


@dataclass(frozen=True)
class Slice:
    """A part of a recording.

    Attributes:
        span: What is evaluated.
        told: Unix milliseconds of the first evaluation that counts.
    """

    span: Span
    told: int

    def instants(self, interval: int) -> range:
        """Unix milliseconds of the evaluations that count, `interval` milliseconds apart."""
        return range(self.told, self.span.start + self.span.duration + 1, interval)


def slices(groups: Sequence[Group], span: Span, count: int) -> Sequence[Slice]:
    """A recording in up to so many parts; in one where that is not sure to say the same.

    Args:
        groups: All of one interval; whatever else they read was scraped.
        span: When to evaluate.
        count: How many parts.
    """
    whole = (Slice(span, span.start),)
    try:
        ahead, step = _Memory(groups).of_all()
    except (_UnboundedError, ValueError):
        return whole
    back = -(-ahead // step) * step
    # The first part looks back at nothing, so it counts for longer: all take the same time.
    length = ((span.duration - back) // count // step + 1) * step
    if length < _WORTH * ahead:
        return whole
    end = span.start + span.duration
    cuts = [span.start, *range(span.start + back + length, end + 1, length)]
    starts = [max(span.start, cut - back) for cut in cuts]
    ends = [*(cut - groups[0].interval for cut in cuts[1:]), end]
    return tuple(
        Slice(Span(start, end - start), cut)
        for start, cut, end in zip(starts, cuts, ends, strict=True)
    )


class _UnboundedError(Exception):
    """An evaluation may depend on all of the past."""


class _Memory:
    """How far back the rules of groups look."""

    def __init__(self, groups: Sequence[Group]) -> None:
        if not all(group.plain for group in groups):
            raise _UnboundedError
        self._interval = groups[0].interval
        self._rules = [rule for group in groups for rule in group.rules]
        self._recorders: dict[str, list[GroupRule]] = {}
        for rule in self._rules:
            if not rule.alerting:
                self._recorders.setdefault(rule.name, []).append(rule)
        self._known: dict[str, int | None] = {}
        self._step = self._interval

    def of_all(self) -> tuple[int, int]:
        """Milliseconds of the past; and what the start of a part has to be a multiple of."""
        ahead = max(self._of(rule) for rule in self._rules)
        return ahead, self._step

    def _of(self, rule: GroupRule) -> int:
        if words(rule.expr) & {NAME, *ALERTS}:
            raise _UnboundedError
        own = self._interval + rule.hold + rule.keep_firing_for
        return own + self._reach(promql.parse(rule.expr))

    def _recorded(self, name: str) -> int:
        if name not in self._known:
            self._known[name] = None
            recorders = self._recorders.get(name, ())
            self._known[name] = max((self._of(rule) for rule in recorders), default=0)
        found = self._known[name]
        if found is None:  # it reads itself
            raise _UnboundedError
        return found

    def _reach(self, node: Any) -> int:
        match node:
            case promql.VectorSelector():
                return self._selected(node)
            case promql.MatrixSelector():
                return milliseconds(node.range) + self._selected(node.vector_selector)
            case promql.SubqueryExpr():
                step = milliseconds(node.step)
                self._step = math.lcm(self._step, step)
                return milliseconds(node.range) + step + _back(node) + self._reach(node.expr)
            case promql.BinaryExpr():
                return max(self._reach(node.lhs), self._reach(node.rhs))
            case promql.AggregateExpr():
                parameter = 0 if node.param is None else self._reach(node.param)
                return max(parameter, self._reach(node.expr))
            case promql.Call():
                return max(map(self._reach, node.args), default=0)
            case promql.ParenExpr() | promql.UnaryExpr():
                return self._reach(node.expr)
            case promql.NumberLiteral() | promql.StringLiteral():
                return 0
        raise _UnboundedError

    def _selected(self, node: Any) -> int:
        if not node.name:
            raise _UnboundedError
        return _LOOKBACK + _back(node) + self._recorded(node.name)


def _back(node: Any) -> int:
    offset = milliseconds(node.offset)
    if node.at is not None or offset < 0:
        raise _UnboundedError
    return offset
