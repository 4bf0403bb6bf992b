"""What live traffic is held against at the moment, and what it says against it."""

from __future__ import annotations

import time
from collections.abc import Callable

from target_service.evidence_counters import EvidenceCounts, Histograms
from target_service.model import Reference
from target_service.reference import reference_metrics
from target_service.seasons import at_slot


class CurrentReference:
    """The whole reference, or the part of it that is of the hour.

    Not thread-safe: its owner holds the lock.

    Attributes:
        gauges: Its series.
        evidence: What was gathered against it, and against those of the hours before.
    """

    def __init__(self, model: Reference) -> None:
        self._model = model
        self._slot = 0
        hour = at_slot(model, self._slot)
        self.gauges = reference_metrics(hour)
        self.evidence = EvidenceCounts(hour)

    def turn_at(self, unix_time: float | None, histograms: Callable[[], Histograms]) -> None:
        """Turn to the hour of a time, the machine's where none is said, if hours matter at all."""
        if self._model.season is not None:
            now = time.time() if unix_time is None else unix_time
            self.turn(self._model.season.slot_at(now), histograms)

    def turn(self, slot: int, histograms: Callable[[], Histograms]) -> None:
        """Hold what comes from now on against the reference of a slot of the model's season."""
        if slot != self._slot:
            hour = at_slot(self._model, slot)
            self.evidence.turn(hour, histograms())
            self.gauges = reference_metrics(hour)
            self._slot = slot
