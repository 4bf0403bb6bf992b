"""Elapsed time -> traffic rate and active drifts. Reads no clock; times are production seconds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulators.drifts import Drift
from simulators.operations import NORMAL, Operation
from target_service.contract import HOUR_S, Floats


@dataclass(frozen=True)
class Ramp:
    """A value that moves linearly from the start of a phase to its end.

    >>> Ramp(0, 1).at(np.array([0.0, 0.5]))
    array([0. , 0.5])
    """

    start: float
    end: float

    def at(self, share: Floats) -> Floats:
        """The value at a share, 0 to 1, of the phase."""
        return self.start + (self.end - self.start) * share


MONDAY = 1_704_067_200.0
"""Unix time of a Monday's beginning, UTC."""


@dataclass(frozen=True)
class Season:
    """A factor for each hour of a day or of a week, again and again; one number is no season.

    Hour 0 begins on a Monday, at midnight.

    >>> Season((0.5, 2.0)).at(np.array([0.0, 3599.0, 3600.0, 7200.0]))
    array([0.5, 0.5, 2. , 0.5])
    """

    factors: tuple[float, ...] = (1.0,)

    def at(self, times: Floats) -> Floats:
        """(n,) factors at (n,) seconds."""
        # Requests past the schedule's end are due at infinity.
        into = np.where(np.isfinite(times), times, 0.0) % (HOUR_S * len(self.factors))
        return np.array(self.factors)[(into // HOUR_S).astype(np.intp)]


ALWAYS = Season()


@dataclass(frozen=True)
class ActiveDrift:
    """A drift and the share of rows that it affects, over one phase.

    Attributes:
        season: What the intensity is multiplied by, hour by hour.
        harmless: Whether it is part of the ordinary world, so that no alert is to find it.
    """

    drift: Drift
    intensity: Ramp
    season: Season = ALWAYS
    harmless: bool = False


@dataclass(frozen=True)
class Phase:
    """A stretch of a scenario: seconds, requests/s, what drifts, and how the service is run."""

    name: str
    duration: float
    rate: Ramp
    drifts: tuple[ActiveDrift, ...] = ()
    operation: Operation = NORMAL

    @property
    def changes(self) -> bool:
        """Whether anything differs from the ordinary world, its service included."""
        return any(not active.harmless for active in self.drifts) or self.operation.disturbs


@dataclass(frozen=True)
class Window:
    """Ground truth: from `start` to `end`, seconds, the world differed from the reference."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Schedule:
    """The phases of a scenario, one after the other.

    Attributes:
        season: What the rate of every phase is multiplied by, hour by hour.
        begins: Seconds from Monday's first on at which it begins; a midnight.
    """

    phases: tuple[Phase, ...]
    season: Season = ALWAYS
    begins: float = 0.0

    def calendar(self, times: Floats) -> Floats:
        """(n,) unix times of (n,) seconds: in a week of its own, since no drill has a date."""
        return MONDAY + self.begins + times

    @cached_property
    def starts(self) -> Floats:
        """(phases + 1,) seconds at which each phase starts, and at which the last one ends."""
        return np.concatenate([[0.0], np.cumsum([phase.duration for phase in self.phases])])

    @property
    def duration(self) -> float:
        """Seconds from the first phase's start to the last one's end."""
        return float(self.starts[-1])

    @cached_property
    def cuts(self) -> Floats:
        """Ascending seconds, first and last included, between which all moves linearly."""
        seasons = [self.season, *(drift.season for p in self.phases for drift in p.drifts)]
        if all(len(season.factors) == 1 for season in seasons):
            return self.starts
        return np.unique(np.concatenate([self.starts, np.arange(0.0, self.duration, HOUR_S)]))

    @cached_property
    def _rates(self) -> tuple[Floats, Floats]:
        """Requests/s at the start and at the end of each stretch between two cuts."""
        starts, ends = self.cuts[:-1], self.cuts[1:]
        index, season = self._phase_index(starts), self.season.at(self.begins + (starts + ends) / 2)
        first, last = (self._ramp_at(times, index) * season for times in (starts, ends))
        return first, last

    @cached_property
    def _arrivals_at_cuts(self) -> Floats:
        first, last = self._rates
        return np.concatenate([[0.0], np.cumsum(np.diff(self.cuts) * (first + last) / 2)])

    @property
    def total_arrivals(self) -> int:
        """Requests due over the whole schedule."""
        return int(np.ceil(self._arrivals_at_cuts[-1] - 1e-9))

    def phase_at(self, elapsed: float) -> Phase:
        """The phase at a time; the last one from its start on."""
        return self.phases[int(self._phase_index(np.array([elapsed]))[0])]

    def phase_start(self, name: str) -> float:
        """Seconds at which the named phase starts; ValueError when there is none."""
        for phase, start in zip(self.phases, self.starts, strict=False):
            if phase.name == name:
                return float(start)
        raise ValueError(f"no phase {name!r}; known: {', '.join(p.name for p in self.phases)}")

    def rate_at(self, elapsed: Floats) -> Floats:
        """(n,) requests/s at (n,) times; 0 outside the schedule."""
        season = self.season.at(self.begins + elapsed)
        rates = self._ramp_at(elapsed, self._phase_index(elapsed)) * season
        return np.where((elapsed >= 0) & (elapsed < self.duration), rates, 0.0)

    def arrivals_until(self, elapsed: float) -> float:
        """Requests due in [0, elapsed): the integral of the rate."""
        return float(self.arrivals_by(np.array([elapsed]))[0])

    def arrivals_by(self, times: Floats) -> Floats:
        """(n,) requests due before each of (n,) times."""
        inside = np.clip(times, 0.0, self.duration)
        i = np.minimum(np.searchsorted(self.cuts, inside, side="right") - 1, len(self.cuts) - 2)
        into, length = inside - self.cuts[i], self.cuts[i + 1] - self.cuts[i]
        first, last = (rates[i] for rates in self._rates)
        mean_rate = first + (last - first) * into / length / 2
        due: Floats = self._arrivals_at_cuts[i] + into * mean_rate
        return due

    def arrival_times(self, first: int, count: int) -> Floats:
        """Seconds at which requests number `first` to `first + count - 1` are due.

        Request k is due when the integral of the rate reaches k, so the times are evenly spaced at
        a constant rate. Requests past the end of the schedule are due at infinity.

        >>> Schedule((Phase("steady", 10.0, Ramp(2.0, 2.0)),)).arrival_times(0, 4)
        array([0. , 0.5, 1. , 1.5])
        """
        numbers = np.arange(first, first + count, dtype=np.float64)
        ends, (starting, ending) = self._arrivals_at_cuts, self._rates
        index = np.clip(np.searchsorted(ends, numbers, side="right") - 1, 0, len(starting) - 1)
        rate = starting[index]
        slope = ((ending - starting) / np.diff(self.cuts))[index]
        due = numbers - ends[index]
        # Solve rate·t + slope·t²/2 = due for t, in the form that is stable at slope 0.
        root = np.sqrt(np.maximum(rate**2 + 2 * slope * due, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            into = np.where(due > 0, 2 * due / (rate + root), 0.0)
        times: Floats = np.where(numbers < ends[-1] - 1e-9, self.cuts[index] + into, np.inf)
        return times

    def intensity(self, times: Floats) -> list[tuple[Drift, Floats]]:
        """Each drift with the (n,) share of rows that it affects at (n,) times.

        They are in the order in which they apply: by stage, then as the phases name them.
        """
        index = self._phase_index(times)
        shares = self._share(times, index)
        intensities: dict[Drift, Floats] = {}
        for number, phase in enumerate(self.phases):
            for active in phase.drifts:
                total = intensities.setdefault(active.drift, np.zeros(len(times)))
                now = active.intensity.at(shares) * active.season.at(self.begins + times)
                total += np.where(index == number, now, 0.0)
        return sorted(intensities.items(), key=lambda item: item[0].stage)

    def label_coverage(self, times: Floats, usual: float) -> Floats:
        """(n,) share of the predictions at (n,) times whose ground truth is ever known."""
        shares = [
            usual if phase.operation.label_coverage is None else phase.operation.label_coverage
            for phase in self.phases
        ]
        return np.array(shares)[self._phase_index(times)]

    def rows(self, times: Floats) -> NDArray[np.int64]:
        """(n,) rows in each request at (n,) times."""
        return np.array([phase.operation.rows for phase in self.phases])[self._phase_index(times)]

    def windows(self) -> tuple[Window, ...]:
        """The stretches in which anything differs; adjacent phases that differ make one."""
        windows: list[Window] = []
        for phase, start, end in zip(self.phases, self.starts, self.starts[1:], strict=False):
            if not phase.changes:
                continue
            if windows and windows[-1].end == start:
                windows[-1] = Window(windows[-1].name, windows[-1].start, float(end))
            else:
                windows.append(Window(phase.name, float(start), float(end)))
        return tuple(windows)

    def _ramp_at(self, times: Floats, index: NDArray[np.intp]) -> Floats:
        """(n,) requests/s, but for the season, at (n,) times of (n,) phases."""
        first, last = (
            np.array([getattr(phase.rate, end) for phase in self.phases])[index]
            for end in ("start", "end")
        )
        rates: Floats = first + (last - first) * self._share(times, index)
        return rates

    def _phase_index(self, times: Floats) -> NDArray[np.intp]:
        found = np.searchsorted(self.starts, times, side="right") - 1
        return np.clip(found, 0, len(self.phases) - 1)

    def _share(self, times: Floats, index: NDArray[np.intp]) -> Floats:
        durations = np.array([phase.duration for phase in self.phases])
        share: Floats = np.clip((times - self.starts[index]) / durations[index], 0.0, 1.0)
        return share
