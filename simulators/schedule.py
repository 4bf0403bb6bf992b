"""Elapsed time -> traffic rate and active drifts. Reads no clock; times are production seconds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulators.drifts import Drift
from simulators.operations import NORMAL, Operation
from target_service.contract import Floats


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


@dataclass(frozen=True)
class ActiveDrift:
    """A drift and the share of rows that it affects, over one phase."""

    drift: Drift
    intensity: Ramp


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
        """Whether anything differs from the reference world, its service included."""
        return bool(self.drifts) or self.operation.disturbs


@dataclass(frozen=True)
class Window:
    """Ground truth: from `start` to `end`, seconds, the world differed from the reference."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Schedule:
    """The phases of a scenario, one after the other."""

    phases: tuple[Phase, ...]

    @cached_property
    def starts(self) -> Floats:
        """(phases + 1,) seconds at which each phase starts, and at which the last one ends."""
        return np.concatenate([[0.0], np.cumsum([phase.duration for phase in self.phases])])

    @property
    def duration(self) -> float:
        """Seconds from the first phase's start to the last one's end."""
        return float(self.starts[-1])

    @cached_property
    def _arrivals_at_starts(self) -> Floats:
        means = [phase.duration * (phase.rate.start + phase.rate.end) / 2 for phase in self.phases]
        return np.concatenate([[0.0], np.cumsum(means)])

    @property
    def total_arrivals(self) -> int:
        """Requests due over the whole schedule."""
        return int(np.ceil(self._arrivals_at_starts[-1] - 1e-9))

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
        index = self._phase_index(elapsed)
        share = self._share(elapsed, index)
        rates = np.choose(index, [phase.rate.at(share) for phase in self.phases])
        return np.where((elapsed >= 0) & (elapsed < self.duration), rates, 0.0)

    def arrivals_until(self, elapsed: float) -> float:
        """Requests due in [0, elapsed): the integral of the rate."""
        time = min(max(elapsed, 0.0), self.duration)
        index = int(self._phase_index(np.array([time]))[0])
        phase, into = self.phases[index], time - self.starts[index]
        rate = phase.rate.at(np.array(into / phase.duration))
        mean_rate = (phase.rate.start + float(rate)) / 2
        return float(self._arrivals_at_starts[index] + into * mean_rate)

    def arrival_times(self, first: int, count: int) -> Floats:
        """Seconds at which requests number `first` to `first + count - 1` are due.

        Request k is due when the integral of the rate reaches k, so the times are evenly spaced at
        a constant rate. Requests past the end of the schedule are due at infinity.

        >>> Schedule((Phase("steady", 10.0, Ramp(2.0, 2.0)),)).arrival_times(0, 4)
        array([0. , 0.5, 1. , 1.5])
        """
        numbers = np.arange(first, first + count, dtype=np.float64)
        ends = self._arrivals_at_starts
        index = np.clip(np.searchsorted(ends, numbers, side="right") - 1, 0, len(self.phases) - 1)
        rate = np.array([phase.rate.start for phase in self.phases])[index]
        slope = np.array([(p.rate.end - p.rate.start) / p.duration for p in self.phases])[index]
        due = numbers - ends[index]
        # Solve rate·t + slope·t²/2 = due for t, in the form that is stable at slope 0.
        root = np.sqrt(np.maximum(rate**2 + 2 * slope * due, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            into = np.where(due > 0, 2 * due / (rate + root), 0.0)
        times: Floats = np.where(numbers < ends[-1] - 1e-9, self.starts[index] + into, np.inf)
        return times

    def intensity(self, times: Floats) -> list[tuple[Drift, Floats]]:
        """Each drift of the schedule with the (n,) share of rows that it affects at (n,) times."""
        index = self._phase_index(times)
        shares = self._share(times, index)
        intensities: dict[Drift, Floats] = {}
        for number, phase in enumerate(self.phases):
            for active in phase.drifts:
                total = intensities.setdefault(active.drift, np.zeros(len(times)))
                total += np.where(index == number, active.intensity.at(shares), 0.0)
        return list(intensities.items())

    def label_coverage(self, times: Floats, usual: float) -> Floats:
        """(n,) share of the predictions at (n,) times whose ground truth is ever known."""
        shares = [
            usual if phase.operation.label_coverage is None else phase.operation.label_coverage
            for phase in self.phases
        ]
        return np.array(shares)[self._phase_index(times)]

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

    def _phase_index(self, times: Floats) -> NDArray[np.intp]:
        found = np.searchsorted(self.starts, times, side="right") - 1
        return np.clip(found, 0, len(self.phases) - 1)

    def _share(self, times: Floats, index: NDArray[np.intp]) -> Floats:
        durations = np.array([phase.duration for phase in self.phases])
        share: Floats = np.clip((times - self.starts[index]) / durations[index], 0.0, 1.0)
        return share
