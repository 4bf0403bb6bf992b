"""Two small drawings of the live page: scores against their reference, and features by distance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from driftdrill.report.svg import fitting, node, titled
from driftdrill.text import printable, short_number
from driftdrill.verdict import Statistic

_ROW = 22.0


class Share(NamedTuple):
    """One bucket of scores: its upper edge, and the shares of live and of reference in it."""

    le: str
    live: float
    reference: float


class Distance(NamedTuple):
    """A feature and how far it is: its statistic over its threshold."""

    feature: str
    ratio: float


def draw_shares(shares: Sequence[Share], width: float, height: float = 150.0) -> Element:
    """Bars of the live shares, and the reference as the line of steps that they should reach."""
    root = node("svg", role="img", class_="timeline", viewBox=f"0 0 {width:.0f} {height:.0f}")
    base, room = height - 18, height - 26
    highest = max((max(share.live, share.reference) for share in shares), default=1.0) or 1.0
    step = width / max(len(shares), 1)
    line: list[str] = []
    for number, share in enumerate(shares):
        x = number * step
        tall, wanted = (room * part / highest for part in (share.live, share.reference))
        bar = node("rect", x=x + 1, y=base - tall, width=max(step - 2, 1.0), height=tall)
        bar.set("class", "share")
        said = f"up to {share.le}: {share.live:.1%} live, {share.reference:.1%} in the reference"
        root.append(titled(bar, said))
        line.append(f"{'L' if line else 'M'}{x:.1f} {base - wanted:.1f}h{step:.1f}")
    root.append(node("path", d="".join(line) or "M0 0", class_="reference"))
    for number in range(0, len(shares), 4):
        label = "∞" if shares[number].le == "+Inf" else short_number(float(shares[number].le))
        x = (number + 1) * step
        root.append(node("text", label, x=x, y=height - 4, class_="tick", text_anchor="middle"))
    moved = sum(abs(share.live - share.reference) for share in shares) / 2
    return titled(root, f"Scores, live and reference: {moved:.0%} of them would have to move")


def distances(statistics: Iterable[Statistic]) -> list[Distance]:
    """Every feature that an alert watches, at its latest value, the farthest first."""
    latest: dict[str, float] = {}
    for statistic in statistics:
        limits = [curve.values[-1] for curve in statistic.thresholds if curve.values]
        if not limits or not min(limits) > 0:
            continue
        for curve in statistic.values:
            feature = curve.labels.get("feature")
            if feature and curve.values:
                ratio = curve.values[-1] / min(limits)
                latest[feature] = max(ratio, latest.get(feature, 0.0))
    return sorted((Distance(*item) for item in latest.items()), key=lambda d: -d.ratio)


def draw_distances(found: Sequence[Distance], width: float) -> Element:
    """A bar per feature; the dashed line is the threshold."""
    height = _ROW * max(len(found), 1) + 4
    root = node("svg", role="img", class_="timeline", viewBox=f"0 0 {width:.0f} {height:.0f}")
    left, room = width * 0.36, width * 0.52
    reach = max([1.25, *(distance.ratio for distance in found)])
    for number, distance in enumerate(found):
        y = number * _ROW
        name = fitting(printable(distance.feature), left)
        root.append(node("text", name, x=0.0, y=y + 15, class_="lane"))
        long = max(room * min(distance.ratio, reach) / reach, 1.0)
        style = "surprise" if distance.ratio > 1 else "share"
        root.append(node("rect", x=left, y=y + 5, width=long, height=_ROW - 9, class_=style))
        text = f"{short_number(distance.ratio)} ×"
        root.append(node("text", text, x=left + long + 5, y=y + 15, class_="key"))
    x = left + room / reach
    root.append(node("path", d=f"M{x:.1f} 0V{height:.1f}", class_="threshold"))
    return titled(root, "Features by their distance from the reference, in thresholds")
