"""What each alert compares, over a whole recording, for drawing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from driftdrill.promapi import Clock, Prometheus, to_curve, watched
from driftdrill.verdict import Curve, Statistic
from driftdrill.virtual.blocks_engine import AlertQuery, at_once_first, narrowing
from driftdrill.virtual.queries import as_curves
from driftdrill.virtual.recorders import CannotInlineError, Recorders
from driftdrill.virtual.timelines import Span

CURVE_POINTS = 240


def statistics(
    alerts: Sequence[AlertQuery],
    recorders: Recorders,
    prometheus: Prometheus,
    span: Span,
    points: int = CURVE_POINTS,
) -> tuple[Statistic, ...]:
    """Both sides of every comparison, at about so many of the evaluations; all if there are fewer.

    Those that cannot be inlined are left out: they are for drawing alone.
    """
    found = {
        alert.place: tuple(_statistics(alert, recorders, prometheus, span, points))
        for alert in at_once_first(alerts)
    }
    return tuple(statistic for alert in alerts for statistic in found[alert.place])


def _statistics(
    alert: AlertQuery, recorders: Recorders, prometheus: Prometheus, span: Span, points: int
) -> Iterator[Statistic]:
    clock = Clock(span.start / 1000, 1.0)

    def curves(expression: str) -> tuple[Curve, ...]:
        asked = narrowing(expression, alert, recorders, prometheus)
        found = as_curves(asked, prometheus, span, points)
        return tuple(to_curve(series, clock, expression) for series in found)

    if alert.query is None:
        return
    for statistic, threshold in watched(alert.rule.expr):
        try:
            yield Statistic(alert.rule.name, statistic, curves(statistic), curves(threshold))
        except CannotInlineError:
            continue
