"""What time it is for a request; only references that go by the hour ask."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from target_service.contract import DRILL_TIME

Clock = Callable[[Mapping[str, str]], float]
"""Headers of a request -> unix time."""


def wall_clock(headers: Mapping[str, str]) -> float:
    """The time of the machine."""
    del headers
    return time.time()


def drill_clock(headers: Mapping[str, str]) -> float:
    """The time that a drill says it is; that of the machine where it does not say."""
    try:
        said = float(headers.get(DRILL_TIME, ""))
    except ValueError:
        return time.time()
    return said if math.isfinite(said) else time.time()
