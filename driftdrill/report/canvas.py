"""A column of panels over one shared time axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np

from driftdrill.report.axis import Scale, time_ticks
from driftdrill.report.svg import fitting, line_path, node, text_width, titled
from driftdrill.text import printable, short_number, short_time
from driftdrill.verdict import Curve
from simulators.schedule import Schedule
from target_service.contract import Floats

LEFT, RIGHT = 46.0, 10.0
"""Pixels beside the plots: for the numbers, and for the last letter of the time axis."""

_LINE = 17.0
"""Pixels from one line of text to the next."""

_TITLE = 1.35
"""How much wider a title's letters are than those of the other texts."""


@dataclass(frozen=True)
class Key:
    """One entry of a legend: the class of its mark, `line` or `box`, and what it means."""

    mark: str
    style: str
    text: str


class Canvas:
    """Panels are added from top to bottom; marks across all of them come last.

    Args:
        width: Pixels.
        duration: Seconds that the time axis spans.
    """

    def __init__(self, width: float, duration: float) -> None:
        self.width = width
        self.x = Scale(0.0, duration, LEFT, width - RIGHT)
        self.y = 0.0
        self._behind = node("g")
        self._root = node("svg", role="img", class_="timeline")
        self._root.append(self._behind)
        self._plots: list[tuple[float, float]] = []

    def add(self, element: Element) -> Element:
        """Put an element in front of all others."""
        self._root.append(element)
        return element

    def text(
        self, x: float, text: str, style: str, anchor: str = "start", rise: float = 0.0
    ) -> None:
        """Write on the current line, or `rise` pixels above it."""
        self.add(node("text", text, x=x, y=self.y - rise, class_=style, text_anchor=anchor))

    def header(self, title: str, detail: str, keys: Iterable[Key] = ()) -> None:
        """A panel's title, what it shows, and its legend, on as many lines as they need."""
        self.y += 30.0
        self.text(0.0, fitting(title, self.width / _TITLE), "title")
        room = self.width - text_width(title) * _TITLE - 12
        if text_width(detail) > room:
            self.y += _LINE
            room = self.width
        shown = node("text", fitting(detail, room), x=self.width - room, y=self.y, class_="detail")
        self.add(titled(shown, detail))
        self._legend(keys)
        self.y += 11.0

    def _legend(self, keys: Iterable[Key]) -> None:
        x = self.width
        for key in keys:
            label = fitting(key.text, self.width - 30)
            if x + text_width(label) + 26 > self.width:
                x, self.y = 0.0, self.y + _LINE
            if key.mark == "line":
                shape = node("path", d=f"M{x:.1f} {self.y - 4:.1f}h20", class_=key.style)
            else:
                shape = node("rect", x=x, y=self.y - 9, width=20, height=10, class_=key.style)
            self.add(shape)
            self.add(titled(node("text", label, x=x + 26, y=self.y, class_="key"), key.text))
            x += text_width(label) + 42

    def plot(self, low: float, high: float, log: bool, *, height: float) -> Scale:
        """An empty plot with its numbers; the scale of its values."""
        scale = Scale(low, high, self.y + height, self.y, log)
        left, right = self.x.start, self.x.end
        self.strip(height)
        for tick in scale.ticks():
            y = scale.at(tick)
            self.add(node("path", d=f"M{left:.1f} {y:.1f}H{right:.1f}", class_="grid"))
            self.text(left - 6, short_number(tick), "tick", "end", rise=self.y - y - 4)
        return scale

    def strip(self, height: float) -> float:
        """An empty stretch of the time axis, without numbers; the y of its upper edge."""
        left, right, top = self.x.start, self.x.end, self.y
        frame = node("rect", x=left, y=top, width=right - left, height=height, class_="plot")
        self._behind.append(frame)
        self.y += height
        self._plots.append((top, self.y))
        return top

    def box(
        self, start: float, end: float, top: float, height: float, style: str, title: str
    ) -> None:
        """Draw a stretch of time, at least two pixels wide."""
        left = self.x.at(start)
        width = max(self.x.at(end) - left, 2.0)
        shape = node("rect", x=left, y=top, width=width, height=height, rx=2, class_=style)
        self.add(titled(shape, title))

    def line(self, curve: Curve, scale: Scale, style: str, title: str) -> None:
        """Draw a curve: nan and gaps in time break it, infinity runs along the plot's edge."""
        times, values = np.array(curve.times, float), np.array(curve.values, float)
        inside = (times >= self.x.low) & (times <= self.x.high)
        self.path(line_path(self.x(times[inside]), scale(values[inside])), style, title)

    def path(self, d: str, style: str, title: str) -> None:
        """Draw a path that has a meaning of its own."""
        self.add(titled(node("path", d=d, class_=style), title))

    def time_axis(self) -> None:
        """The times, on a line of their own."""
        self.y += _LINE - 2
        for tick in time_ticks(self.x.high, int(self.width / 80)):
            x, label = self.x.at(tick), short_time(tick)
            end = x + text_width(label) / 2 > self.width
            self.text(self.width if end else x, label, "tick", "end" if end else "middle")

    def phase_names(self, schedule: Schedule) -> None:
        """The phases' names over their stretches of time, where they fit."""
        self.y += _LINE
        for phase, start in zip(schedule.phases, schedule.starts, strict=False):
            left = self.x.at(float(start))
            room = self.x.at(float(start) + phase.duration) - left - 8
            if room > text_width("abc"):
                self.text(left + 4, fitting(printable(phase.name), room), "phase")

    def finish(self, schedule: Schedule, observed: float, title: str, detail: str) -> Element:
        """Mark phases, drift and what was not observed across all plots; the whole drawing."""
        for top, bottom in self._plots:
            for window in schedule.windows():
                self._band(window.start, window.end, top, bottom, "drifting", "The world drifts")
            if observed < self.x.high:
                self._band(observed, self.x.high, top, bottom, "unseen", "Not observed")
            for start in schedule.starts[1:-1]:
                d = f"M{self.x.at(float(start)):.1f} {top:.1f}V{bottom:.1f}"
                self._behind.append(node("path", d=d, class_="boundary"))
        height = self.y + 6
        self._root.set("viewBox", f"0 0 {self.width:.0f} {height:.0f}")
        self._root.insert(0, node("desc", detail))
        return titled(self._root, title)

    def _band(
        self, start: float, end: float, top: float, bottom: float, style: str, title: str
    ) -> None:
        x, width = self.x.at(start), self.x.at(end) - self.x.at(start)
        band = node("rect", x=x, y=top, width=width, height=bottom - top, class_=style)
        self._behind.append(titled(band, title))


def finite(curves: Iterable[Curve]) -> Floats:
    """(n,) every finite value of some curves, of a size that arithmetic survives."""
    values = np.array([value for curve in curves for value in curve.values], float)
    held: Floats = np.clip(values[np.isfinite(values)], -1e300, 1e300)
    return held
