"""What comes on top of a drill's traffic: hostile requests, and series by who asks."""

from __future__ import annotations

import numpy as np

from driftdrill.virtual.counting import Drill, Numbers, add_requests
from driftdrill.virtual.service import FAILED, PREDICT
from simulators.hostile import KINDS, Scan
from target_service.contract import Floats


def count_scan(drill: Drill, counted: list[Floats]) -> None:
    """Count the hostile requests of a drill into the (d, t) totals of its lives."""
    scan = Scan(drill.scenario.schedule, drill.seed)
    if not scan.total:
        return
    due, kinds = scan.due(0, scan.total), scan.kinds(0, scan.total)
    life = drill.scenario.fleet.route(np.arange(scan.total), due)
    for number, total in enumerate(counted):
        for kind, request in enumerate(KINDS):
            times = due[(life == number) & (kinds == kind)]
            key = ("request", request.method_counted, request.endpoint, str(request.status))
            add_requests(drill.service(number), total, key, drill.per_scrape(number, times))


def users(drill: Drill, life: int, counted: Floats) -> Numbers:
    """(t,) how many series a life has that carry who asks: one per request, where it has any."""
    service = drill.service(life)
    asked = counted[service.position(*PREDICT)] + counted[service.position(*FAILED)]
    series: Numbers = (asked * service.build.user_label).astype(np.int64)
    return series
