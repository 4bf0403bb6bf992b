"""Scenario and observation -> the drawing of a drill: what the world did over what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np

from driftdrill.report.axis import edge_times
from driftdrill.report.canvas import Canvas, Key, finite
from driftdrill.report.lanes import draw_alerts
from driftdrill.report.svg import area_path
from driftdrill.text import drift_title, printable, short_number, short_time
from driftdrill.verdict import Alert, Curve, Observation, Statistic
from scenarios.spec import Scenario

HUES = 6
"""Colours, each with a dash of its own, that tell curves apart; the style sheet defines them."""

_LOG_FROM = 10.0
"""A statistic that exceeds this many times its threshold is drawn on a logarithmic scale."""

_LEAST = 1e-12
"""A range of values below this is drawn as none at all."""


def timeline(scenario: Scenario, observation: Observation, width: float) -> Element:
    """The whole drawing, `width` pixels wide: traffic, drifts, statistics, alerts over one time.

    The time axis spans the schedule, or what was observed when that is longer.
    """
    schedule = scenario.schedule
    canvas = Canvas(width, max(schedule.duration, observation.observed_s))
    canvas.phase_names(schedule)
    canvas.time_axis()
    draw_traffic(canvas, scenario, observation.traffic)
    draw_drifts(canvas, scenario)
    raised = {alert.alert for alert in observation.alerts}
    wanted = raised | {expect.alert for expect in scenario.expects}
    for statistic in sorted(observation.statistics, key=lambda s: s.alert not in wanted):
        _statistic(canvas, statistic, observation.alerts, tall=statistic.alert in wanted)
    draw_alerts(canvas, scenario, observation)
    canvas.time_axis()
    name = printable(scenario.name)
    return canvas.finish(
        schedule,
        observation.observed_s,
        f"Timeline of the drill {name}",
        f"{len(schedule.phases)} phases over {short_time(schedule.duration)}; panels from top to "
        "bottom: traffic, true drift intensity, watched statistics with their thresholds, alert "
        "states. The tables of this page hold the same times as text.",
    )


def draw_traffic(canvas: Canvas, scenario: Scenario, achieved: Curve | None = None) -> None:
    """The panel of the rate that the schedule wants and, where it is known, the rate achieved."""
    edges = edge_times(scenario.schedule)
    rates = scenario.schedule.rate_at(edges)
    target = Curve("target", {}, tuple(edges.tolist()), tuple(rates.tolist()))
    keys = [Key("line", "target", "target")]
    curves = [target]
    if achieved:
        keys.append(Key("line", "hue0", "achieved"))
        curves.append(achieved)
    canvas.header("Traffic", "requests/s of production time", keys)
    highest = float(finite(curves).max(initial=0.0))
    scale = canvas.plot(0.0, highest * 1.15 or 1.0, log=False, height=84.0)
    # Phases are no gaps: the target goes through its edges without a break.
    corners = zip(canvas.x(edges), scale(rates), strict=True)
    canvas.path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners), "target", "target rate")
    if achieved:
        canvas.line(achieved, scale, "hue0", "achieved rate")


def draw_drifts(canvas: Canvas, scenario: Scenario) -> None:
    """The panel of the share of rows that each drift affects."""
    edges = edge_times(scenario.schedule)
    intensities = scenario.schedule.intensity(edges)
    titles = [drift_title(drift) for drift, _ in intensities]
    # The first hue is the traffic's, right above.
    styles = [f"area hue{(i + 1) % HUES}" for i in range(len(titles))]
    keys = [Key("box", style, title) for style, title in zip(styles, titles, strict=True)]
    canvas.header("True drift", "share of rows from the changed world, in percent", keys)
    if not intensities:
        canvas.y += 12.0
        canvas.text(canvas.x.start, "Nothing drifts in this scenario.", "empty")
        return
    scale = canvas.plot(0.0, 100.0, log=False, height=70.0)
    for i, (_, shares) in enumerate(intensities):
        d = area_path(canvas.x(edges), scale(shares * 100.0), scale.start)
        canvas.path(d, styles[i], titles[i])


def _statistic(canvas: Canvas, statistic: Statistic, alerts: Sequence[Alert], tall: bool) -> None:
    names = _names(statistic.values)
    peaks = [float(finite([curve]).max(initial=-np.inf)) for curve in statistic.values]
    ranked = sorted(range(len(peaks)), key=lambda i: -peaks[i])
    hot = [i for i in ranked if _raised(statistic, statistic.values[i], alerts)]
    styles = {i: f"hue{rank}" if rank < HUES else "nearest" for rank, i in enumerate(hot)}
    # With nothing raised, the curve that came nearest is the one a reader asks for.
    styles = styles or dict.fromkeys(ranked[:1], "nearest")
    named = list(styles)[:HUES]
    keys = [Key("line", styles[i], names[i]) for i in named]
    if len(statistic.values) > len(named):
        keys.append(Key("line", "quiet", f"{len(statistic.values) - len(named)} more"))
    if statistic.thresholds:
        keys.append(Key("line", "threshold", "threshold"))
    expression = " ".join(statistic.expression.split())
    canvas.header(printable(statistic.alert), printable(expression), keys)

    scale = canvas.plot(*_range(statistic), height=110.0 if tall else 56.0)
    titles = [
        f"{name}, at most {short_number(peak)}" for name, peak in zip(names, peaks, strict=True)
    ]
    for i in ranked:
        if i not in styles:
            canvas.line(statistic.values[i], scale, "quiet", titles[i])
    for curve in statistic.thresholds:
        canvas.line(curve, scale, "threshold", f"threshold of {printable(statistic.alert)}")
    for i, style in reversed(styles.items()):
        canvas.line(statistic.values[i], scale, style, titles[i])
    if not len(finite(statistic.values)):
        canvas.text(canvas.x.start + 10.0, "No data was recorded.", "empty", rise=22.0)


def _range(statistic: Statistic) -> tuple[float, float, bool]:
    """Lowest and highest value of the axis, and whether it is logarithmic."""
    values = finite(statistic.values + statistic.thresholds)
    thresholds = finite(statistic.thresholds)
    usual = float(np.median(thresholds)) if len(thresholds) else 0.0
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    if usual > _LEAST and high > _LOG_FROM * usual:
        return usual / 10, high * 2, True
    return low, high * 1.12 if high - low > _LEAST else low + 1.0, False


def _raised(statistic: Statistic, curve: Curve, alerts: Sequence[Alert]) -> bool:
    """Whether the alert left the inactive state for the curve's labels: it crossed in fact."""
    return any(
        alert.alert == statistic.alert
        and all(alert.labels.get(name, value) == value for name, value in curve.labels.items())
        for alert in alerts
    )


def _names(curves: Sequence[Curve]) -> list[str]:
    """What tells each curve from the others: the values of the labels that differ."""
    labels = sorted({name for curve in curves for name in curve.labels})
    telling = [name for name in labels if len({curve.labels.get(name) for curve in curves}) > 1]
    return [
        printable(" ".join(curve.labels[name] for name in telling if name in curve.labels))
        or printable(curve.name)
        for curve in curves
    ]
