"""What a load generator reports of itself while it runs, and where whoever judges reads it."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Status(msgspec.Struct, frozen=True):
    """What the load generator reports while it runs, twice a second, one JSON object a line.

    Attributes:
        elapsed: Real seconds since the drill began.
        due: Predictions that the schedule wanted until now.
        sent: Predictions asked for and answered, or failed.
        failed: Those of them that failed.
        late: The longest that any of them was sent after it was due, real seconds.
        failure: Why the last one failed that did and was not excused.
        excuse: Why the last one failed that was.
        excused: Those of the failed ones that the scenario made fail.
        hostile: Hostile requests sent.
        odd: Those of them that were not answered as they should be.
        workers: How many processes share the traffic.
        problem: Why one of them cannot take part.
        told: Outcomes that the service took.
        untold: Outcomes that it did not take, and should have.
    """

    t0: float
    elapsed: float
    due: int
    sent: int
    failed: int
    late: float
    failure: str = ""
    excused: int = 0
    hostile: int = 0
    odd: int = 0
    workers: int = 1
    problem: str = ""
    told: int = 0
    untold: int = 0
    excuse: str = ""


def read_statuses(path: Path) -> list[Status]:
    """The whole lines of a status file, oldest first; none before there is one."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [msgspec.json.decode(line, type=Status) for line in lines]
