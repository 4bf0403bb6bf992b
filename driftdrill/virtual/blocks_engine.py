"""The fast engine: a Prometheus on the recording answers each alert's expression over all of it.

Recorded names are inlined, so one range query per alert takes the place of every evaluation; `for`
and `keep_firing_for` are applied to its answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from driftdrill.promapi import Prometheus, Series, SeriesArrays
from driftdrill.virtual.inline import Inliner
from driftdrill.virtual.queries import Inlined, at_every_evaluation
from driftdrill.virtual.recorders import STORED, CannotInlineError, Recorders
from driftdrill.virtual.rules import Group, GroupRule
from driftdrill.virtual.states import AlertStates, Labels
from driftdrill.virtual.timelines import EngineError, Span
from driftdrill.virtual.voids import Voids


@dataclass(frozen=True)
class AlertQuery:
    """An alerting rule, and its expression over what was scraped.

    Attributes:
        place: Of the rule in the order of evaluation.
        query: The inlined expression; None when it cannot be inlined.
        obstacle: Why not.
    """

    place: int
    group: Group
    rule: GroupRule
    query: str | None
    obstacle: str = ""


def alert_queries(
    groups: Sequence[Group], inliner: Inliner, names: Collection[str] | None = None
) -> tuple[AlertQuery, ...]:
    """Every alerting rule, or those of some names, inlined where that says the same."""
    rules = [(group, rule) for group in groups for rule in group.rules]
    return tuple(
        _inlined(place, group, rule, inliner)
        for place, (group, rule) in enumerate(rules)
        if rule.alerting and (names is None or rule.name in names)
    )


def _inlined(place: int, group: Group, rule: GroupRule, inliner: Inliner) -> AlertQuery:
    if any("{{" in value for value in rule.labels.values()):
        return AlertQuery(place, group, rule, None, "its labels are templates")
    try:
        return AlertQuery(place, group, rule, inliner.inline(rule.expr, place, group))
    except CannotInlineError as error:
        return AlertQuery(place, group, rule, None, str(error))


def evaluate(
    alerts: Sequence[AlertQuery], recorders: Recorders, prometheus: Prometheus, span: Span
) -> list[tuple[Series, ...]]:
    """The timelines of inlined alerts.

    Args:
        alerts: Each with a query.
        recorders: The recording rules that were inlined.
        prometheus: On the recording.
        span: When to evaluate.

    Returns:
        For each alert the samples of `ALERTS`, as in `Timelines`.

    Raises:
        EngineError: A rule cannot be evaluated.
    """
    asked = at_once_first(alerts)
    rules = [narrowing(alert.rule.expr, alert, recorders, prometheus) for alert in asked]
    answers = at_every_evaluation(rules, prometheus, span)
    found = {
        alert.place: tuple(_timelines(alert, _holding(alert, answer), span))
        for alert, answer in zip(asked, answers, strict=True)
    }
    return [found[alert.place] for alert in alerts]


def narrowing(
    expr: str, alert: AlertQuery, recorders: Recorders, prometheus: Prometheus
) -> Inlined:
    """An alert's expression, or a part of it, to be asked without what has no value at a time.

    Raises:
        CannotInlineError: With the reason.
    """

    def inlined(voids: Voids | None) -> str:
        return Inliner(recorders, voids).inline(expr, alert.place, alert.group)

    def during(instants: range) -> str:
        return inlined(Voids(prometheus, instants))

    return Inlined(alert.rule, alert.group, inlined(None), during)


def at_once_first(alerts: Sequence[AlertQuery]) -> Sequence[AlertQuery]:
    """The alerts that can be asked at once, before those that read what is still to be stored."""
    return sorted(alerts, key=lambda alert: STORED in (alert.query or ""))


_Holding = defaultdict[int, set[Labels]]
"""The labels of the alert instances whose expression holds, by unix milliseconds."""


def _holding(alert: AlertQuery, answer: Sequence[SeriesArrays]) -> _Holding:
    """The instances in an answer, by their labels as alerts."""
    holding: _Holding = defaultdict(set)
    for series, times, _ in answer:
        labels = {**series, **alert.rule.labels, "alertname": alert.rule.name}
        instance = frozenset((name, value) for name, value in labels.items() if value)
        for time in np.rint(times * 1000).astype(np.int64).tolist():
            held = holding[time]
            if instance in held:
                raise EngineError(
                    f"rule {alert.rule.name} of {alert.group.file} cannot be evaluated:"
                    " its labels make two alerts the same"
                )
            held.add(instance)
    return holding


def _timelines(alert: AlertQuery, holding: _Holding, span: Span) -> Iterator[Series]:
    states = AlertStates(alert.rule.hold, alert.rule.keep_firing_for)
    seen: defaultdict[tuple[tuple[tuple[str, str], ...], str], list[float]] = defaultdict(list)
    for time in span.instants(alert.group.interval):
        if time not in holding and not states.active:
            continue
        for labels, state in states.evaluate(time, holding.get(time, ())):
            seen[tuple(sorted(labels)), state].append(time / 1000)
    for (pairs, state), times in sorted(seen.items()):
        yield Series({**dict(pairs), "alertstate": state}, tuple((time, 1.0) for time in times))
