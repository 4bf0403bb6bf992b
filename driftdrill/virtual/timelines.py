"""What both engines answer: when each alert was pending and firing, as Prometheus tells it."""

from __future__ import annotations

from dataclasses import dataclass

from driftdrill.promapi import Rule, Series
from driftdrill.verdict import Statistic


class EngineError(Exception):
    """A recording could not be evaluated; names the rule, or the file."""


@dataclass(frozen=True)
class Timelines:
    """Every alert at every evaluation.

    Attributes:
        samples: What Prometheus' own `ALERTS` would hold: one series per alert instance and state,
            with a sample (unix seconds, 1) at each evaluation that found it in that state.
        rules: Every rule, as a Prometheus server would list it.
        notes: What is worth knowing about how this was found, a sentence each.
        faults: Why silence would prove nothing, a sentence each.
        statistics: What each alert compares, over the whole recording, for drawing.
    """

    samples: tuple[Series, ...]
    rules: tuple[Rule, ...]
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    statistics: tuple[Statistic, ...] = ()


@dataclass(frozen=True)
class Span:
    """The evaluations of a recording: at `start`, and at every interval from then to its end.

    Attributes:
        start: Unix milliseconds.
        duration: Milliseconds.
    """

    start: int
    duration: int

    def instants(self, interval: int) -> range:
        """Unix milliseconds of the evaluations, `interval` milliseconds apart."""
        return range(self.start, self.start + self.duration + 1, interval)

    def coarse(self, interval: int, points: int) -> range:
        """About `points` of those evaluations, evenly spaced; all when there are fewer."""
        instants = self.instants(interval)
        return instants[:: max(len(instants) // points, 1)]
