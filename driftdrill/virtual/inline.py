"""Alert expressions with every recorded name replaced by what it records.

At an evaluation a recorded series has the value of its rule's expression at that instant, when the
rule is evaluated before its reader; where the expression has no value, Prometheus ends the series.
So the expression may stand in for the name, in ranges as a subquery with the rule's interval.
Whatever that would not hold for is not inlined: `CannotInlineError` says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import promql_parser as promql

from driftdrill.promapi import COMPARISONS
from driftdrill.scaling import unscalable
from driftdrill.virtual.filters import (
    Matchers,
    divide,
    holds,
    sign,
    through_aggregation,
    through_operator,
)
from driftdrill.virtual.gotext import NAME, quoted
from driftdrill.virtual.rules import ALERTS, Group, GroupRule, words

NOTHING = "driftdrill:nothing"
"""A metric that no series has."""

_READ_THE_SELECTOR = {"absent", "absent_over_time", "timestamp"}
"""Functions whose answer depends on how their series were selected."""

_FROM_NOTHING = {"absent", "absent_over_time", "vector", "scalar"}
"""Functions that answer without any series, and so would before the recording begins."""

_KEEP_NAMES = {"last_over_time", "first_over_time", "sort", "sort_desc", "label_replace"}
_KEEP_NAMES |= {"label_join", "sort_by_label", "sort_by_label_desc", "info"}
_PICK = {"topk", "bottomk", "limitk", "limit_ratio"}
_SET_OPERATORS = {"and", "or", "unless"}


class CannotInlineError(Exception):
    """An expression with the recorded names replaced would not always say the same."""


@dataclass(frozen=True)
class _Recorder:
    """A recording rule, its place in the order of evaluation, and its group."""

    rule: GroupRule
    place: int
    group: Group


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
        groups: In the order of evaluation.
        start: Unix milliseconds of the first evaluation.
    """

    def __init__(self, groups: Sequence[Group], start: int) -> None:
        self._start = start
        self._recorders: dict[str, list[_Recorder]] = {}
        rules = [(group, rule) for group in groups for rule in group.rules]
        for place, (group, rule) in enumerate(rules):
            if not rule.alerting:
                recorder = _Recorder(rule, place, group)
                self._recorders.setdefault(rule.name, []).append(recorder)

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
                return f"({self._text(node.expr, at)})"
            case promql.UnaryExpr():
                return f"(-({self._text(node.expr, at)}))"
            case promql.NumberLiteral():
                return f"({node.val!r})"
            case promql.StringLiteral():
                return quoted(node.val)
        raise CannotInlineError(f"{node} is not understood")

    def _selector(self, node: Any, at: _At) -> str:
        if node.name not in self._recorders:
            return _leaf(node, at, "")
        matchers = (*_matchers(node), *at.matchers)
        parts = []
        for recorder in self._recorders[node.name]:
            # Between two evaluations a series stands where the earlier one left it.
            back = -(-_back(node) // recorder.group.interval) * recorder.group.interval
            past = at.past or back > 0
            parts.append(
                self._recorded(
                    recorder, replace(at, matchers=matchers, offset=at.offset + back, past=past)
                )
            )
        return _either(parts)

    def _range(self, node: Any, at: _At) -> str:
        selector, length = node.vector_selector, _ms(node.range)
        if selector.name not in self._recorders:
            return _leaf(selector, at, f"[{length}ms]")
        matchers = (*_matchers(selector), *at.matchers)
        recorders = self._recorders[selector.name]
        interval = recorders[0].group.interval
        if any(recorder.group.interval != interval for recorder in recorders):
            raise CannotInlineError(f"{selector.name} is recorded at several intervals")
        inside = replace(at, matchers=matchers, offset=0, past=True)
        found = _either([self._recorded(recorder, inside) for recorder in recorders])
        return f"{found}[{length}ms:{interval}ms]{_offset(_back(selector) + at.offset)}"

    def _subquery(self, node: Any, at: _At) -> str:
        step = _ms(node.step)
        if self._start % step:
            raise CannotInlineError("a subquery's step does not divide the time")
        if node.at is not None:
            raise CannotInlineError("it uses @")
        inner = self._text(node.expr, replace(at, offset=0, past=True, step=step))
        return f"({inner})[{_ms(node.range)}ms:{step}ms]{_offset(_ms(node.offset) + at.offset)}"

    def _recorded(self, recorder: _Recorder, at: _At) -> str | None:
        """What one rule records, as far as it matches; None when none of it can."""
        rule, group = recorder.rule, recorder.group
        if not group.plain:
            raise CannotInlineError(f"group {group.name} sets more than an interval")
        if at.interval % group.interval or at.step % group.interval or self._start % group.interval:
            raise CannotInlineError(f"{rule.name} is recorded at other times than it is read")
        if group.interval == at.interval and recorder.place >= at.place:
            raise CannotInlineError(f"{rule.name} is read before it is recorded")
        if at.past and (words(rule.expr) & _FROM_NOTHING or unscalable(rule.expr)):
            raise CannotInlineError(f"{rule.name} may have had values before the recording")
        own, others = divide(at.matchers, set(rule.labels))
        if not all(holds(matcher, rule.labels[matcher.name]) for matcher in own):
            return None
        node, interval = _parsed(rule.expr), group.interval
        scalar = _is_scalar(node)
        if scalar and not all(holds(matcher, "") for matcher in others):
            return None
        place = recorder.place
        inside = replace(at, place=place, interval=interval, matchers=() if scalar else others)
        text = self._text(node, inside)
        if scalar:
            text = f"vector({text})"
        labels = {NAME: rule.name} if _keeps_names(node) else {}
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
        grouping = ""
        if node.modifier is not None:
            without = node.modifier.type == promql.AggModifierType.Without
            grouping = f" {'without' if without else 'by'} ({','.join(node.modifier.labels)})"
        parameter = ""
        if node.param is not None:
            parameter = self._text(node.param, replace(at, matchers=())) + ","
        return f"{node.op}{grouping} ({parameter}{self._text(node.expr, inside)})"

    def _call(self, node: Any, at: _At) -> str:
        name, arguments = node.func.name, node.args
        if name in _READ_THE_SELECTOR and any(map(self._reads_recorded, arguments)):
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
        scalars = _is_scalar(node.lhs), _is_scalar(node.rhs)
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
        left, right = (
            self._text(side, inside)
            for side, inside in zip((node.lhs, node.rhs), sides, strict=True)
        )
        boolean = operator in COMPARISONS and (
            at.relaxed or (modifier is not None and modifier.return_bool)
        )
        return f"({left} {operator}{' bool' if boolean else ''}{_matching(modifier)} {right})"

    def _reads_recorded(self, node: Any) -> bool:
        return bool(words(str(node)) & set(self._recorders))


def _parsed(expr: str) -> Any:
    if NAME in expr:
        raise CannotInlineError(f"it uses {NAME}")
    if reads := words(expr) & {*ALERTS}:
        raise CannotInlineError(f"it reads {min(reads)}")
    return promql.parse(expr)


def _matchers(node: Any) -> Matchers:
    if node.matchers.or_matchers:
        raise CannotInlineError("it uses `or` in a selector")
    return tuple(node.matchers.matchers)


def _leaf(node: Any, at: _At, length: str) -> str:
    """A selector of what was scraped."""
    if node.at is not None:
        raise CannotInlineError("it uses @")
    if not node.name:
        raise CannotInlineError("it selects series without a metric's name")
    matchers = (*_matchers(node), *at.matchers)
    inside = ",".join(f"{m.name}{sign(m)}{quoted(m.value)}" for m in matchers)
    return f"{node.name}{{{inside}}}{length}{_offset(_ms(node.offset) + at.offset)}"


def _either(parts: Sequence[str | None]) -> str:
    return f"({' or '.join(part for part in parts if part is not None) or NOTHING})"


def _back(node: Any) -> int:
    if node.at is not None or _ms(node.offset) < 0:
        raise CannotInlineError(f"{node.name} is read from another time")
    return _ms(node.offset)


def _offset(offset: int) -> str:
    return f" offset {offset}ms" if offset else ""


def _ms(duration: timedelta | None) -> int:
    return round(duration / timedelta(milliseconds=1)) if duration is not None else 0


def _matching(modifier: Any) -> str:
    """`on (…) group_left (…)`, or what there is of it."""
    if modifier is None:
        return ""
    fill = modifier.fill_values
    if fill.lhs is not None or fill.rhs is not None:
        raise CannotInlineError("it fills in missing matches")
    text = ""
    if modifier.matching is not None:
        on = modifier.matching.type == promql.LabelModifierType.Include
        text = f" {'on' if on else 'ignoring'} ({','.join(modifier.matching.labels)})"
    group = {
        str(promql.VectorMatchCardinality.ManyToOne): "group_left",
        str(promql.VectorMatchCardinality.OneToMany): "group_right",
    }.get(str(modifier.card))
    return f"{text} {group} ({','.join(modifier.group_labels or ())})" if group else text


def _is_scalar(node: Any) -> bool:
    match node:
        case promql.NumberLiteral():
            return True
        case promql.ParenExpr() | promql.UnaryExpr():
            return _is_scalar(node.expr)
        case promql.BinaryExpr():
            return _is_scalar(node.lhs) and _is_scalar(node.rhs)
        case promql.Call():
            return bool(node.func.return_type == promql.ValueType.Scalar)
    return False


def _keeps_names(node: Any) -> bool:
    """Whether results may still have the metric name of the series that they come from."""
    match node:
        case promql.VectorSelector():
            return True
        case promql.ParenExpr():
            return _keeps_names(node.expr)
        case promql.AggregateExpr():
            return str(node.op) in _PICK
        case promql.Call():
            return node.func.name in _KEEP_NAMES
        case promql.BinaryExpr():
            if str(node.op) in _SET_OPERATORS:
                return _keeps_names(node.lhs) or _keeps_names(node.rhs)
            return str(node.op) in COMPARISONS
    return False


def scraped_selectors(query: str) -> list[str]:
    """The selectors in an inlined expression, as often as they differ, in order."""
    found: dict[str, None] = {}

    def collect(node: Any) -> bool:
        if isinstance(node, promql.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql.VectorSelector):
            inside = ",".join(f"{m.name}{sign(m)}{quoted(m.value)}" for m in _matchers(node))
            found[f"{node.name}{{{inside}}}"] = None
        return True

    promql.walk(promql.parse(query), collect)
    return list(found)
