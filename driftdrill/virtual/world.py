"""What a service has counted at every scrape of a drill, computed instead of waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from driftdrill.virtual.counting import Drill, Numbers
from driftdrill.virtual.extras import count_scan, users
from driftdrill.virtual.pooled import count_pools
from driftdrill.virtual.rows import count_rows
from driftdrill.virtual.service import VirtualService
from scenarios.spec import Scenario
from simulators.fleet import Life
from target_service.contract import Floats

ROWS_DRAWN = 300_000
"""Up to this many requests in all, each is drawn, scored and counted; beyond, a pool is cheaper."""


@dataclass(frozen=True)
class Process:
    """One process of the service, and what it had counted at each scrape while it lived.

    Attributes:
        scrapes: Which of the drill's scrapes those are.
        counted: (d, t) the service's vector.
        slots: (t,) which slot of the model's season it was; see `VirtualService.slots`.
        users: (t,) series that carry who asks for a label; none in a sound build.
    """

    life: Life
    service: VirtualService
    scrapes: slice
    counted: Floats
    slots: Numbers
    users: Numbers


@dataclass(frozen=True)
class History:
    """What the service had counted at each scrape.

    Attributes:
        scrapes: (t,) production seconds, half an interval off the evaluations: no sample lies on
            the edge of a window, where Prometheus 2 and 3 differ.
        processes: In the order of the fleet's lives.
        sent: Requests in all.
        failed: Those of them that got no prediction.
    """

    scrapes: Floats
    processes: tuple[Process, ...]
    sent: int
    failed: int


def simulate(
    scenario: Scenario,
    services: Mapping[str, VirtualService],
    seed: int,
    scrape_interval: float,
    show: Callable[[float], None],
    rows_drawn: int = ROWS_DRAWN,
) -> History:
    """Run a drill's traffic through a service.

    Args:
        scenario: The drill.
        services: Its builds, by name.
        seed: Of the traffic; the rows are those of a live drill with this seed.
        scrape_interval: Production seconds.
        show: Called with the production time reached, many times.
        rows_drawn: Up to how many requests each row is drawn.
    """
    duration, sent = scenario.schedule.duration, scenario.schedule.total_arrivals
    scrapes = np.arange(scrape_interval / 2, duration, scrape_interval)
    drill = Drill(scenario, services, seed, scrapes)
    each = scenario.population.in_order or sent <= rows_drawn
    count = count_rows if each else count_pools
    counted, failed = count(drill, show)
    count_scan(drill, counted)
    processes = tuple(
        Process(
            life=life,
            service=drill.service(number),
            scrapes=drill.spans[number],
            counted=total,
            slots=drill.slots(number),
            users=users(drill, number, total),
        )
        for number, (life, total) in enumerate(zip(drill.lives, counted, strict=True))
    )
    show(duration)
    return History(scrapes, processes, sent, failed)
