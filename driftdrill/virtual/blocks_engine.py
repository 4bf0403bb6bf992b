"""The fast engine: a Prometheus on the recording answers each alert's expression over all of it.

Recorded names are inlined, so one range query per alert takes the place of every evaluation; `for`
and `keep_firing_for` are applied to its answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from driftdrill.promapi import Prometheus, PrometheusError, Series
from driftdrill.virtual.inline import CannotInlineError, Inliner
from driftdrill.virtual.rules import Group, GroupRule
from driftdrill.virtual.states import AlertStates, Labels
from driftdrill.virtual.timelines import EngineError, Span

MAX_POINTS = 11_000
"""Points per series that Prometheus answers in one query."""

_PARALLEL = 2
"""Queries at once: Prometheus evaluates each on one processor."""


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


def alert_queries(groups: Sequence[Group], inliner: Inliner) -> tuple[AlertQuery, ...]:
    """Every alerting rule, inlined where that says the same."""
    rules = [(group, rule) for group in groups for rule in group.rules]
    return tuple(
        _inlined(place, group, rule, inliner)
        for place, (group, rule) in enumerate(rules)
        if rule.alerting
    )


def _inlined(place: int, group: Group, rule: GroupRule, inliner: Inliner) -> AlertQuery:
    try:
        if any("{{" in value for value in rule.labels.values()):
            raise CannotInlineError("its labels are templates")
        return AlertQuery(place, group, rule, inliner.inline(rule.expr, place, group))
    except CannotInlineError as error:
        return AlertQuery(place, group, rule, None, str(error))


def evaluate(
    alerts: Sequence[AlertQuery], prometheus: Prometheus, span: Span
) -> tuple[Series, ...]:
    """The timelines of inlined alerts.

    Args:
        alerts: Each with a query.
        prometheus: On the recording.
        span: When to evaluate.

    Returns:
        The samples of `ALERTS`, as in `Timelines`.

    Raises:
        EngineError: A rule cannot be evaluated.
    """
    asked = [(alert, part) for alert in alerts for part in _parts(alert, span)]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        answers = list(pool.map(lambda one: _ask(one[0], one[1], prometheus), asked))
    holding: defaultdict[int, _Holding] = defaultdict(lambda: defaultdict(set))
    for (alert, _), answer in zip(asked, answers, strict=True):
        _collect(alert, answer, holding[alert.place])
    return tuple(
        series for alert in alerts for series in _timelines(alert, holding[alert.place], span)
    )


_Holding = defaultdict[int, set[Labels]]
"""The labels of the alert instances whose expression holds, by unix milliseconds."""


def _parts(alert: AlertQuery, span: Span) -> Iterator[range]:
    instants = span.instants(alert.group.interval)
    for first in range(0, len(instants), MAX_POINTS):
        yield instants[first : first + MAX_POINTS]


def _ask(alert: AlertQuery, instants: range, prometheus: Prometheus) -> list[Series]:
    try:
        return prometheus.curves(
            str(alert.query), instants[0] / 1000, instants[-1] / 1000, instants.step / 1000
        )
    except PrometheusError as error:
        raise EngineError(
            f"rule {alert.rule.name} of {alert.group.file} cannot be evaluated: {error}"
        ) from None


def _collect(alert: AlertQuery, answer: Sequence[Series], holding: _Holding) -> None:
    """Add the instances in an answer, by their labels as alerts."""
    for series in answer:
        labels = {**series.labels, **alert.rule.labels, "alertname": alert.rule.name}
        instance = frozenset((name, value) for name, value in labels.items() if value)
        for time in series.times:
            held = holding[round(time * 1000)]
            if instance in held:
                raise EngineError(
                    f"rule {alert.rule.name} of {alert.group.file} cannot be evaluated:"
                    " its labels make two alerts the same"
                )
            held.add(instance)


def _timelines(alert: AlertQuery, holding: _Holding, span: Span) -> Iterator[Series]:
    states = AlertStates(alert.rule.hold, alert.rule.keep_firing_for)
    seen: defaultdict[tuple[tuple[tuple[str, str], ...], str], list[float]] = defaultdict(list)
    for time in span.instants(alert.group.interval):
        for labels, state in states.evaluate(time, holding.get(time, ())):
            seen[tuple(sorted(labels)), state].append(time / 1000)
    for (pairs, state), times in sorted(seen.items()):
        yield Series({**dict(pairs), "alertstate": state}, tuple((time, 1.0) for time in times))
