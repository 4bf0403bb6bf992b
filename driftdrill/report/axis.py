"""Numbers to places: scales, and the ticks that people expect on them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulators.schedule import Schedule
from target_service.contract import Floats

_TIME_STEPS = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10_800,
    21_600,
    43_200,
)
_DAY = 86_400


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` onto places from `start` to `end`, linearly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, values: Floats) -> Floats:
        """(n,) places of (n,) values; held inside the scale, infinities too; nan stays nan."""
        held = np.clip(values, self.low, self.high)
        low, high = self.low, self.high
        if self.log:
            held, low, high = np.log(held), math.log(low), math.log(high)
        return self.start + (held - low) / (high - low) * (self.end - self.start)

    def at(self, value: float) -> float:
        """The place of one value."""
        return float(self(np.array([value]))[0])

    def ticks(self) -> list[float]:
        """Round values inside the scale, about three."""
        if self.log:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            every = max(math.ceil(len(powers) / 3), 1)
            return [10.0**power for power in powers[::every]]
        step = _nice((self.high - self.low) / 3)
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def time_ticks(duration: float, most: int) -> list[float]:
    """Round seconds from 0 to `duration`, about `most` of them at the most."""
    wanted = duration / max(most, 1)
    fitting = (float(step) for step in _TIME_STEPS if step >= wanted)
    step = next(fitting, math.ceil(wanted / _DAY) * float(_DAY))
    return [i * step for i in range(math.floor(duration / step + 1e-9) + 1)]


def edge_times(schedule: Schedule) -> Floats:
    """Ascending times at which every stretch of the schedule starts, and just before it ends.

    What moves linearly within each stretch is drawn exactly through these.
    """
    cuts = schedule.cuts
    return np.sort(np.concatenate([cuts[:-1], np.nextafter(cuts[1:], 0.0)]))


def _nice(step: float) -> float:
    """The next number of the form 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))
