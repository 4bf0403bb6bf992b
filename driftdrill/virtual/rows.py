"""Every row of the live drill, counted by the code that counts it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from driftdrill.virtual.counting import (
    Drill,
    Numbers,
    add_feedback,
    add_requests,
    latencies,
)
from driftdrill.virtual.service import FAILED
from simulators.fleet import NOBODY
from simulators.stream import BLOCK
from target_service.contract import HOUR_S, Floats

_SHOWN_EVERY = 64


@dataclass(frozen=True)
class _Requests:
    """n requests in the order in which they are due.

    Attributes:
        life: Who gets each.
        fails: Whether it is answered with a 500.
        latency: Seconds.
        score: What is predicted, where anything is.
        told: When its outcome is told; infinity is never.
        told_to: Which life is told.
    """

    due: Floats
    x: Floats
    outcome: NDArray[np.uint8]
    life: Numbers
    fails: NDArray[np.bool_]
    latency: Floats
    score: Floats
    told: Floats
    told_to: Numbers

    def chosen(self, which: NDArray[np.bool_]) -> _Requests:
        """Some of them, in the same order."""
        return _Requests(*(getattr(self, field.name)[which] for field in fields(self)))


def count_rows(drill: Drill, show: Callable[[float], None]) -> tuple[list[Floats], int]:
    """Count a drill row by row.

    Returns:
        (d, t) totals of each life at each of its scrapes, and how many requests failed.
    """
    requests = _requests(drill)
    counted = []
    for number in range(len(drill.lives)):
        service = drill.service(number)
        mine = requests.chosen((requests.life == number) & ~requests.fails)
        told = requests.chosen((requests.told_to == number) & np.isfinite(requests.told))
        total = _count_life(drill, number, mine, told, show)
        failed = requests.due[(requests.life == number) & requests.fails]
        add_requests(service, total, FAILED, drill.per_scrape(number, failed))
        add_feedback(service, total, drill.per_scrape(number, told.told), drill.scrapes)
        counted.append(total)
    return counted, int(((requests.life == NOBODY) | requests.fails).sum())


def _requests(drill: Drill) -> _Requests:
    scenario, seed = drill.scenario, drill.seed
    fleet, stream = scenario.fleet, scenario.stream(seed)
    numbers = range(-(-scenario.schedule.total_arrivals // BLOCK))
    blocks = [stream.block(number) for number in numbers]
    due = np.concatenate([block.due for block in blocks])
    x = np.concatenate([block.x for block in blocks])
    life = fleet.route(np.arange(len(due)), due)
    latency = np.concatenate(
        [latencies(np.random.default_rng([seed, number, 1]), BLOCK) for number in numbers]
    )[: len(due)]
    luck = np.random.default_rng([seed, 4]).random(len(due))
    fails, score = np.zeros(len(due), dtype=bool), np.full(len(due), np.nan)
    for number in range(len(drill.lives)):
        service, mine = drill.service(number), life == number
        fails[mine] = luck[mine] < service.build.error_share
        latency[mine] += service.build.delay
        score[mine] = service.model.score(x[mine]) if mine.any() else np.nan
    labelled = np.concatenate([block.labelled for block in blocks]) & (life != NOBODY) & ~fails
    told = np.where(labelled, due + scenario.label_delay, np.inf)
    return _Requests(
        due=due,
        x=x,
        outcome=np.concatenate([block.outcome for block in blocks]),
        life=life,
        fails=fails,
        latency=latency,
        score=score,
        told=told,
        told_to=_told_to(drill, life, told),
    )


def _told_to(drill: Drill, life: Numbers, told: Floats) -> Numbers:
    """(n,) the lives that are told the outcomes of (n,) lives' predictions at (n,) times."""
    fleet = drill.scenario.fleet
    starts = [rotation.start for rotation in fleet.rotations]
    when = np.searchsorted(starts, told, side="right") - 1
    numbers = np.arange(len(life))
    chosen = np.full(len(life), NOBODY)
    for one, rotation in {*zip(life.tolist(), when.tolist(), strict=True)}:
        honouring = fleet.honouring(one, starts[rotation]) if one != NOBODY else ()
        if honouring:
            here = (life == one) & (when == rotation)
            chosen[here] = np.array(honouring)[numbers[here] % len(honouring)]
    return chosen


def _count_life(
    drill: Drill,
    life: int,
    asked: _Requests,
    told: _Requests,
    show: Callable[[float], None],
) -> Floats:
    """(d, t) totals of what one process predicts and is told."""
    service, scrapes = drill.service(life), drill.scrapes[drill.spans[life]]
    times = drill.scenario.schedule.calendar(asked.due)
    new_hours = np.flatnonzero(np.diff(times // HOUR_S)) + 1
    until_asked = np.searchsorted(asked.due, scrapes, side="right")
    until_told = np.searchsorted(told.told, scrapes, side="right")
    segments = service.model.schema.segment_numbers(told.x)
    metrics = service.start()
    counted = np.zeros((service.width, len(scrapes)))
    steps = zip(
        scrapes.tolist(), pairwise([0, *until_asked]), pairwise([0, *until_told]), strict=True
    )
    for i, (time, of_rows, of_labels) in enumerate(steps):
        rows, labels = slice(*of_rows), slice(*of_labels)
        inside = new_hours[(new_hours > rows.start) & (new_hours < rows.stop)]
        for part in pairwise([rows.start, *inside, rows.stop]):
            of_hour = slice(*part)
            if asked.due[of_hour].size:
                metrics.observe(asked.x[of_hour], asked.score[of_hour], times[of_hour.start])
        metrics.observe_labels(told.score[labels], told.outcome[labels], segments[labels])
        for seconds in asked.latency[rows].tolist():
            metrics.observe_request("POST", "/predict", 200, seconds)
        counted[:, i] = metrics.state()
        if not i % _SHOWN_EVERY:
            show(time)
    return counted
