"""Alert expressions with every recorded name replaced by what it records.

At an evaluation a recorded series has the value of its rule's expression at that instant, when the
rule is evaluated before its reader; where the expression has no value, Prometheus ends the series.
So the expression may stand in for the name, in ranges as a subquery with the rule's interval.
Whatever that would not hold for is not inlined: `CannotInlineError` says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import promql_parser as promql

from driftdrill.promapi import COMPARISONS
from driftdrill.scaling import unscalable
from driftdrill.virtual.filters import (
    Matchers,
    divide,
    holds,
    through_aggregation,
    through_operator,
)
from driftdrill.virtual.gotext import NAME, quoted
from driftdrill.virtual.promql_text import (
    grouping_text,
    is_scalar,
    keeps_names,
    matchers_of,
    matching_text,
    milliseconds,
    offset_text,
    selector,
)
from driftdrill.virtual.recorders import (
    STORED,
    CannotInlineError,
    Recorder,
    Recorders,
    label_apart,
)
from driftdrill.virtual.rules import ALERTS, Group, words
from driftdrill.virtual.voids import NOTHING, Voids

_READ_THE_SELECTOR = {"absent", "absent_over_time", "timestamp"}
"""Functions whose answer depends on how their series were selected."""

_FROM_NOTHING = {"absent", "absent_over_time", "vector", "scalar"}
"""Functions that answer without any series, and so would before the recording begins."""


@dataclass(frozen=True)
class _At:
    """Where in an expression a node stands.

    Attributes:
        place: Of the rule that the node is part of, in the order of evaluation.
        interval: Of that rule, in milliseconds.
        step: Milliseconds between the instants that it is read at.
        relaxed: Whether no comparison and no `unless` leaves anything out.
        matchers: What the results have to match.
        offset: Milliseconds that every selector has to look further back.
        past: Whether it is read at other instants than that of the evaluation.
    """

    place: int
    interval: int
    step: int
    relaxed: bool
    matchers: Matchers = ()
    offset: int = 0
    past: bool = False


class Inliner:
    """Inlines the expressions of rule groups.

    Args:
        recorders: The recording rules among them.
        voids: Tells what need not be asked; None inlines all.
    """

    def __init__(self, recorders: Recorders, voids: Voids | None = None) -> None:
        self._recorders = recorders
        self._voids = voids

    def inline(self, expr: str, place: int, group: Group, relaxed: bool = False) -> str:
        """An expression over what was scraped alone.

        Args:
            expr: Of a rule, or a part of it.
            place: The rule's number in the order of evaluation.
            group: The rule's.
            relaxed: Whether to answer wherever the expression could, whatever the values are.

        Raises:
            CannotInlineError: With the reason.
        """
        if not group.plain:
            raise CannotInlineError(f"group {group.name} sets more than an interval")
        at = _At(place, group.interval, group.interval, relaxed)
        try:
            return self._text(_parsed(expr), at)
        except ValueError as error:
            raise CannotInlineError(str(error)) from None

    def recorded(self, recorder: Recorder) -> str:
        """What a rule records, as an expression over what was scraped alone.

        Raises:
            CannotInlineError: With the reason.
        """
        interval = recorder.group.interval
        try:
            return self._recorded(recorder, _At(recorder.place, interval, interval, False))
        except ValueError as error:
            raise CannotInlineError(str(error)) from None

    def _text(self, node: Any, at: _At) -> str:
        """A node as PromQL, with the recorded names in it replaced."""
        match node:
            case promql.VectorSelector():
                return self._selector(node, at)
            case promql.MatrixSelector():
                return self._range(node, at)
            case promql.SubqueryExpr():
                return self._subquery(node, at)
            case promql.BinaryExpr():
                return self._binary(node, at)
            case promql.AggregateExpr():
                return self._aggregation(node, at)
            case promql.Call():
                return self._call(node, at)
            case promql.ParenExpr():
                inside = self._text(node.expr, at)
                return inside if inside == NOTHING else f"({inside})"
            case promql.UnaryExpr():
                return f"(-({self._text(node.expr, at)}))"
            case promql.NumberLiteral():
                return f"({node.val!r})"
            case promql.StringLiteral():
                return quoted(node.val)
        raise CannotInlineError(f"{node} is not understood")

    def _selector(self, node: Any, at: _At) -> str:
        recorders = self._recorders.behind(node.name, at.place, at.interval, at.step)
        if not recorders:
            return self._leaf(node, at, "")
        matchers = (*matchers_of(node), *at.matchers)
        parts = []
        for recorder in recorders:
            # Between two evaluations a series stands where the earlier one left it.
            back = -(-_back(node) // recorder.group.interval) * recorder.group.interval
            past = at.past or back > 0
            parts.append(
                self._recorded(
                    recorder, replace(at, matchers=matchers, offset=at.offset + back, past=past)
                )
            )
        return _either(parts, recorders)

    def _range(self, node: Any, at: _At) -> str:
        series, length = node.vector_selector, milliseconds(node.range)
        recorders = self._recorders.behind(series.name, at.place, at.interval, at.step)
        if not recorders:
            return self._leaf(series, at, f"[{length}ms]")
        matchers = (*matchers_of(series), *at.matchers)
        interval = recorders[0].group.interval
        if any(recorder.group.interval != interval for recorder in recorders):
            raise CannotInlineError(f"{series.name} is recorded at several intervals")
        inside = replace(at, matchers=matchers, offset=0, past=True)
        found = _either([self._recorded(recorder, inside) for recorder in recorders], recorders)
        return f"{found}[{length}ms:{interval}ms]{offset_text(_back(series) + at.offset)}"

    def _subquery(self, node: Any, at: _At) -> str:
        step = milliseconds(node.step)
        if self._recorders.start % step:
            raise CannotInlineError("a subquery's step does not divide the time")
        if node.at is not None or milliseconds(node.offset) < 0:
            raise CannotInlineError("a subquery is read from another time")
        inner = self._text(node.expr, replace(at, offset=0, past=True, step=step))
        offset = milliseconds(node.offset) + at.offset
        return f"({inner})[{milliseconds(node.range)}ms:{step}ms]{offset_text(offset)}"

    def _leaf(self, node: Any, at: _At, length: str) -> str:
        """A selector of what was scraped or stored."""
        if node.at is not None:
            raise CannotInlineError("it uses @")
        if milliseconds(node.offset) < 0:
            raise CannotInlineError(f"{node.name} is read from the future")
        if not node.name:
            raise CannotInlineError("it selects series without a metric's name")
        name = STORED + node.name if self._recorders.is_stored(node.name) else node.name
        series = selector(name, (*matchers_of(node), *at.matchers))
        return f"{series}{length}{offset_text(milliseconds(node.offset) + at.offset)}"

    def _recorded(self, recorder: Recorder, at: _At) -> str:
        """What one rule records, as far as it matches."""
        rule = recorder.rule
        if at.past and (words(rule.expr) & _FROM_NOTHING or unscalable(rule.expr)):
            raise CannotInlineError(f"{rule.name} may have had values before the recording")
        own, others = divide(at.matchers, set(rule.labels))
        if not all(holds(matcher, rule.labels[matcher.name]) for matcher in own):
            return NOTHING
        if self._recorders.is_kept(rule):
            its = (promql.Matcher(promql.MatchOp.Equal, *label) for label in rule.labels.items())
            return selector(STORED + rule.name, (*its, *others)) + offset_text(at.offset)
        node, interval = _parsed(rule.expr), recorder.group.interval
        scalar = is_scalar(node)
        if scalar and not all(holds(matcher, "") for matcher in others):
            return NOTHING
        place = recorder.place
        inside = replace(at, place=place, interval=interval, matchers=() if scalar else others)
        text = self._text(node, inside)
        if text == NOTHING:
            return NOTHING
        if scalar:
            text = f"vector({text})"
        labels = {NAME: rule.name} if keeps_names(node) else {}
        for name, value in (labels | dict(rule.labels)).items():
            value_text = quoted(value.replace("$", "$$"))
            text = f'label_replace({text},{quoted(name)},{value_text},"","")'
        return text

    def _aggregation(self, node: Any, at: _At) -> str:
        inside = at
        if at.matchers:
            told = through_aggregation(node, at.matchers)
            if told is None:
                raise CannotInlineError(f"{node.op} chooses among recorded series")
            if not all(holds(matcher, "") for matcher in told[1]):
                return NOTHING
            inside = replace(at, matchers=told[0])
        plain = replace(at, matchers=())
        parameter = "" if node.param is None else self._text(node.param, plain) + ","
        return (
            f"{node.op}{grouping_text(node.modifier)} ({parameter}{self._text(node.expr, inside)})"
        )

    def _call(self, node: Any, at: _At) -> str:
        name, arguments = node.func.name, node.args
        reads = set[str]().union(*(words(str(argument)) for argument in arguments))
        if name in _READ_THE_SELECTOR and reads & self._recorders.names:
            raise CannotInlineError(f"{name}() asks how a recorded series was selected")
        if at.matchers:
            self._require_same_labels(node, {matcher.name for matcher in at.matchers})
        unmatched = replace(at, matchers=())
        series = (promql.ValueType.Vector, promql.ValueType.Matrix)
        types = [*node.func.arg_types, *node.func.arg_types[-1:] * len(arguments)]
        texts = [
            self._text(argument, at if kind in series else unmatched)
            for argument, kind in zip(arguments, types, strict=False)
        ]
        return f"{name}({','.join(texts)})"

    def _require_same_labels(self, node: Any, labels: set[str]) -> None:
        """Refuse a function whose results may have other values of the labels than its series."""
        name, made = node.func.name, set()
        if name in {"label_replace", "label_join"}:
            made = {node.args[1].val}
        elif name in {"histogram_quantile", "histogram_fraction"}:
            made = {"le"}
        if made & labels or name in _READ_THE_SELECTOR | {"vector", "info"} or not node.args:
            raise CannotInlineError(f"{name}() makes labels that a recorded series is selected by")

    def _binary(self, node: Any, at: _At) -> str:
        operator, modifier = str(node.op), node.modifier
        scalars = is_scalar(node.lhs), is_scalar(node.rhs)
        sides = [replace(at, matchers=()) if scalar else at for scalar in scalars]
        if at.matchers and not any(scalars):
            told = through_operator(node, at.matchers)
            if told is None:
                raise CannotInlineError(
                    f"{operator} makes labels that a recorded series is selected by"
                )
            if not all(holds(matcher, "") for matcher in told[2]):
                return NOTHING
            sides = [replace(at, matchers=matchers) for matchers in told[:2]]
        if operator == "unless" and at.relaxed:
            return self._text(node.lhs, sides[0])
        left, right = self._text(node.lhs, sides[0]), self._text(node.rhs, sides[1])
        if self._voids is not None and not (at.relaxed or at.past or at.offset):
            kept = self._voids.without(node, left, right)
            if kept is not None:
                return kept
        boolean = operator in COMPARISONS and (
            at.relaxed or (modifier is not None and modifier.return_bool)
        )
        return f"({left} {operator}{' bool' if boolean else ''}{matching_text(modifier)} {right})"


def _parsed(expr: str) -> Any:
    if NAME in expr:
        raise CannotInlineError(f"it uses {NAME}")
    if reads := words(expr) & {*ALERTS}:
        raise CannotInlineError(f"it reads {min(reads)}")
    return promql.parse(expr)


def _either(parts: Sequence[str], recorders: Sequence[Recorder]) -> str:
    """What any of the rules that record a metric does."""
    apart = label_apart(recorders)
    either = f" or on ({apart}) " if apart else " or "
    return f"({either.join(part for part in parts if part != NOTHING) or NOTHING})"


def _back(node: Any) -> int:
    if node.at is not None or milliseconds(node.offset) < 0:
        raise CannotInlineError(f"{node.name} is read from another time")
    return milliseconds(node.offset)
