"""The growth of every cost over the growth of traffic, both on logarithmic scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np

from driftdrill.overhead.claims import Study
from driftdrill.report.axis import Scale
from driftdrill.report.svg import fitting, node, text_width, titled
from driftdrill.text import short_number

_LEFT, _RIGHT, _TOP, _HEIGHT = 46.0, 10.0, 10.0, 260.0
_LINE = 17.0
_HUES = 6


def plot(study: Study, width: float) -> Element:
    """The drawing, `width` pixels wide: one line per cost that was measured at every step."""
    lines = [
        (claim.cost.title, [value / values[0] for value in values])
        for claim in study.claims
        if len(values := [value for value in claim.values if value]) == len(study.steps)
    ]
    traffic = [step.rate for step in study.steps]
    highest = max([traffic[-1] / traffic[0], *(max(values) for _, values in lines)])
    lowest = min([1.0, *(min(values) for _, values in lines)])
    x = Scale(traffic[0], traffic[-1], _LEFT + 8, width - _RIGHT - 8, log=True)
    y = Scale(lowest / 1.5, highest * 1.5, _TOP + _HEIGHT, _TOP, log=True)
    root = node("svg", role="img", class_="timeline")
    _frame(root, x, y, traffic, width)
    for number, (title, values) in enumerate(lines):
        told = ", ".join(
            f"{value:.3g} times at {short_number(rate)}/s"
            for rate, value in zip(traffic, values, strict=True)
        )
        d = _path(x(np.array(traffic)).tolist(), y(np.array(values)).tolist())
        root.append(titled(node("path", d=d, class_=f"hue{number % _HUES}"), f"{title}: {told}"))
    bottom = _legend(root, [title for title, _ in lines], width)
    root.set("viewBox", f"0 0 {width:.0f} {bottom + 8:.0f}")
    return titled(root, "Growth of each cost with traffic")


def _frame(root: Element, x: Scale, y: Scale, traffic: Sequence[float], width: float) -> None:
    inside = width - _RIGHT - _LEFT
    root.append(node("rect", x=_LEFT, y=_TOP, width=inside, height=_HEIGHT, class_="plot"))
    for tick in y.ticks():
        at = y.at(tick)
        root.append(node("path", d=f"M{_LEFT:.1f} {at:.1f}h{inside:.1f}", class_="grid"))
        label = node("text", f"{short_number(tick)}x", x=_LEFT - 6, y=at + 4, class_="tick")
        label.set("text-anchor", "end")
        root.append(label)
    for rate in traffic:
        label = node("text", f"{short_number(rate)}/s", x=x.at(rate), y=_TOP + _HEIGHT + _LINE)
        label.set("class", "tick")
        label.set("text-anchor", "end" if rate == traffic[-1] else "middle")
        root.append(label)


def _path(xs: Sequence[float], ys: Sequence[float]) -> str:
    points = " L".join(f"{px:.1f} {py:.1f}" for px, py in zip(xs, ys, strict=True))
    return f"M{points}"


def _legend(root: Element, titles: Sequence[str], width: float) -> float:
    """Add a key per line; the y of the lowest one."""
    x, y = math.inf, _TOP + _HEIGHT + _LINE + 8
    for number, title in enumerate(titles):
        label = fitting(title, width - 30)
        if x + text_width(label) + 26 > width:
            x, y = 0.0, y + _LINE
        hue = f"hue{number % _HUES}"
        root.append(node("path", d=f"M{x:.1f} {y - 4:.1f}h20", class_=hue))
        root.append(node("text", label, x=x + 26, y=y, class_="key"))
        x += text_width(label) + 42
    return y
