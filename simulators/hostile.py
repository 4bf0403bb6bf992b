"""Requests of somebody who looks for holes: each is to be refused, and no label to tell of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulators.operations import Operation
from simulators.schedule import Ramp, Schedule
from target_service.contract import UNMATCHED, Floats

_JSON = "application/json"


@dataclass(frozen=True)
class HostileRequest:
    """One request, and how a sound service answers and counts it.

    Attributes:
        path: `{}` in it stands for letters that are different every time; so in `body`.
        status: Of the answer.
        endpoint: Under which the answer is counted.
        method_counted: Likewise.
    """

    method: str
    path: str
    status: int
    endpoint: str
    method_counted: str
    content_type: str = _JSON
    body: str = ""


KINDS: Sequence[HostileRequest] = (
    HostileRequest("GET", "/{}.php?id={}", 404, UNMATCHED, UNMATCHED),
    HostileRequest("GET", "/admin/{}/.env", 404, UNMATCHED, UNMATCHED),
    HostileRequest("POST", "/predict/{}", 404, UNMATCHED, UNMATCHED, body="{}"),
    HostileRequest("PUT", "/predict", 405, "/predict", UNMATCHED, body="{}"),
    HostileRequest("DELETE", "/feedback", 405, "/feedback", UNMATCHED),
    HostileRequest("PATCH", "/metrics", 405, "/metrics", UNMATCHED, body="{}"),
    HostileRequest("POST", "/predict", 400, "/predict", "POST", body="<{}>"),
    HostileRequest("POST", "/predict", 415, "/predict", "POST", "text/plain", "{}"),
    HostileRequest("POST", "/predict", 422, "/predict", "POST", body='{"rows": ["{}"]}'),
    HostileRequest("POST", "/predict", 422, "/predict", "POST", body='{"{}": 1}'),
    HostileRequest(
        "POST",
        "/feedback",
        400,
        "/feedback",
        "POST",
        body='{"labels": [{"token": "{}", "outcome": 1}]}',
    ),
)


@dataclass(frozen=True)
class Scan:
    """The hostile requests of a schedule; request k is the same whoever asks."""

    schedule: Schedule
    seed: int

    @property
    def total(self) -> int:
        """Hostile requests over the whole schedule."""
        return self._arrivals.total_arrivals

    def until(self, elapsed: float) -> float:
        """Hostile requests due in [0, elapsed)."""
        return self._arrivals.arrivals_until(elapsed)

    def due(self, first: int, count: int) -> Floats:
        """(count,) seconds at which the requests from `first` on are due; none is at infinity."""
        return self._arrivals.arrival_times(first, count)

    def kinds(self, first: int, count: int) -> NDArray[np.int64]:
        """(count,) positions in `KINDS` of the requests from `first` on."""
        return (np.arange(first, first + count) * 7 + self.seed) % len(KINDS)

    def request(self, number: int) -> HostileRequest:
        """Request `number`, with letters that no other has."""
        (kind,) = self.kinds(number, 1).tolist()
        letters = f"{random.Random(f'{self.seed} {number}').getrandbits(64):016x}"  # noqa: S311
        found: HostileRequest = KINDS[kind]
        return replace(
            found, path=found.path.replace("{}", letters), body=found.body.replace("{}", letters)
        )

    @cached_property
    def _arrivals(self) -> Schedule:
        """The schedule with the scan as its traffic."""
        return Schedule(
            tuple(
                replace(
                    phase,
                    rate=Ramp(phase.operation.scan, phase.operation.scan),
                    drifts=(),
                    operation=Operation(),
                )
                for phase in self.schedule.phases
            )
        )
