"""Timing on a machine that does other things as well."""

from __future__ import annotations

from collections.abc import Callable

_REPEATS = 3


def least_of(measure: Callable[[], float]) -> float:
    """The least of a few measurements in a row: whatever else a machine does only adds to them."""
    return min(measure() for _ in range(_REPEATS))
