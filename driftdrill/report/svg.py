"""What our drawings are made of: SVG elements, paths, and text that fits."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from target_service.contract import Floats

_LETTER = 6.4
"""Pixels that a letter of our 11 px text takes at the most, on average; SVG text cannot wrap."""

_GAP = 2.5
"""Median steps between two samples from which on no line joins them."""


def node(tag: str, text: str = "", **attributes: object) -> Element:
    """An SVG element; `class_` is its class, `_` in other names stands for `-`."""
    element = Element(tag)
    element.text = text or None
    for name, value in attributes.items():
        written = f"{value:.1f}" if isinstance(value, float) else str(value)
        element.set(name.rstrip("_").replace("_", "-"), written)
    return element


def titled(element: Element, title: str) -> Element:
    """The element with a title, which browsers show on hover and screen readers read."""
    element.insert(0, node("title", title))
    return element


def text_width(text: str) -> float:
    """Pixels that a text takes, estimated from above."""
    return len(text) * _LETTER


def fitting(text: str, width: float) -> str:
    """The text, cut with an ellipsis where it is wider than some pixels."""
    letters = max(int(width / _LETTER), 1)
    return text if len(text) <= letters else text[: letters - 1] + "…"


def line_path(x: Floats, y: Floats) -> str:
    """The `d` of a line through (n,) points, x ascending; broken where y is nan or x leaps."""
    if not len(x):
        return ""
    # Thinning leaves up to two columns between neighbours, which is no leap.
    leap = max(_GAP * float(np.median(np.diff(x))) if len(x) > 1 else 0.0, 3.0)
    parts, last = [], -np.inf
    kept = _thinned(x, y)
    for px, py in zip(x[kept].tolist(), y[kept].tolist(), strict=True):
        if py != py:
            last = -np.inf
            continue
        # A point alone would leave no ink: a line of no length, with round ends, is a dot.
        parts.append(f"{'L' if px - last <= leap else 'M'}{px:.1f} {py:.1f}")
        parts.append("h0" if px - last > leap else "")
        last = px
    return "".join(parts)


def area_path(x: Floats, y: Floats, base: float) -> str:
    """The `d` of the area between (n,) points and a base line."""
    points = "".join(f"L{px:.1f} {py:.1f}" for px, py in zip(x, y, strict=True))
    return f"M{x[0]:.1f} {base:.1f}{points}L{x[-1]:.1f} {base:.1f}Z"


def _thinned(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Where the highest and lowest point of every column of pixels are: the same picture of fewer.

    Of a column with nothing but nan, its first.
    """
    columns, missing = np.floor(x), np.isnan(y)
    first = np.flatnonzero(np.diff(columns, prepend=-np.inf))
    lowest, highest = (
        np.lexsort((np.where(missing, np.inf, values), columns))[first] for values in (y, -y)
    )
    return np.union1d(lowest, highest)
