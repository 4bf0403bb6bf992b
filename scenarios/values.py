"""Values that stand in scenario files: durations, rates, seasons."""

from __future__ import annotations

import math
import re
from typing import Literal, get_args

import msgspec
import numpy as np

from simulators.schedule import Ramp, Season

Number = int | float
Line = Number | tuple[Number, Number]
"""A number, or a line from one to the other over a phase."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
DURATION = "([0-9]+)(ms|[smhdw])"
"""One part of a duration, as a regular expression."""

_HOURS, _DAYS = 24, 7

DAY_S = 86_400.0

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything that a file can hold: an unknown key is an error."""


class Wave(Strict, frozen=True):
    """A sine over the hours of a day, about 1.

    Attributes:
        swing: How far it goes up and down, 0 to 1.
        peak: The hour at which it is highest.
    """

    swing: Number
    peak: Number


class SeasonFile(Strict, frozen=True):
    """A season as files write it: factors by hour of the day, and by day from Monday on."""

    daily: Wave | tuple[Number, ...] = (1.0,) * _HOURS
    weekly: tuple[Number, ...] = (1.0,) * _DAYS

    def read(self) -> Season:
        """The factors hour by hour; ValueError where they are too few, too many, or negative."""
        hours = self._hours()
        require(len(hours) == _HOURS, f"expected {_HOURS} numbers in daily, got {len(hours)}")
        require(
            len(self.weekly) == _DAYS, f"expected {_DAYS} numbers in weekly, got {len(self.weekly)}"
        )
        every = (*hours, *self.weekly)
        require(all(0 <= factor < math.inf for factor in every), "expected numbers, not negative")
        factors = tuple(float(day * hour) for day in self.weekly for hour in hours)
        return Season(factors if len(set(factors)) > 1 else factors[:1])

    def _hours(self) -> tuple[Number, ...]:
        if not isinstance(self.daily, Wave):
            return self.daily
        require(0 <= self.daily.swing <= 1, "expected a swing from 0 to 1")
        require(0 <= self.daily.peak < _HOURS, "expected the peak at an hour from 0 to below 24")
        # Each hour has the value at its middle.
        angles = 2 * np.pi * (np.arange(_HOURS) + 0.5 - self.daily.peak) / _HOURS
        return tuple((1 + self.daily.swing * np.cos(angles)).tolist())


def duration(text: str) -> float:
    """Seconds of a Prometheus duration.

    >>> duration("1h30m")
    5400.0
    """
    parts = re.findall(DURATION, text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"expected a duration such as 90s, 30m or 1h30m, got {text!r}")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def ramp(value: Line) -> Ramp:
    """A line of finite numbers, not negative."""
    start, end = value if isinstance(value, tuple) else (value, value)
    if not (0 <= start < math.inf and 0 <= end < math.inf):
        raise ValueError(f"expected finite numbers, not negative, got {value}")
    return Ramp(float(start), float(end))


def require(condition: object, problem: str) -> None:
    """ValueError with the problem where the condition does not hold."""
    if not condition:
        raise ValueError(problem)
