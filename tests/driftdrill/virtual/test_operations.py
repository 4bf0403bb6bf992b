"""What Prometheus has stored of replicas that start, stop, change and are scraped in vain."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from worlds import scenario

from driftdrill.models import service
from driftdrill.rig.configs import sample_limit
from driftdrill.virtual.exposed import families
from driftdrill.virtual.selectors import everything
from driftdrill.virtual.service import FAILED, PREDICT, VirtualService
from driftdrill.virtual.world import simulate
from simulators.fleet import NOBODY
from simulators.operations import Canary, Operation
from simulators.schedule import Phase, Ramp
from target_service.builds import BUILDS, USER_REQUESTS

RATE = 4.0
ROWS, POOLS = math.inf, 0


def drill(*operations: Operation, replicas: int = 2, lost: float = 0.0, seconds: float = 600.0):
    """One phase of ten minutes per operation."""
    phases = [
        Phase(f"{number}", seconds, Ramp(RATE, RATE), (), operation)
        for number, operation in enumerate(operations)
    ]
    return replace(scenario(*phases, delay=60.0), replicas=replicas, lost_scrapes=lost)


def simulated(made, rows_drawn: float = ROWS):
    services = {
        build: VirtualService(artifact, BUILDS[build])
        for build, artifact in service(made).artifacts.items()
    }
    return simulate(made, services, 0, 15.0, lambda _: None, rows_drawn)


def stored(made, *names: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Times and values of the named metrics' series, in production seconds."""
    history = simulated(made)
    shown = families(history, made.fleet, made.lost_scrapes, 0, 0.0, everything)
    return {
        title: (times, values)
        for family in shown
        for title, times, values in family.series
        if title.partition("{")[0] in names
    }


def of(series, *parts: str):
    """The one series whose labels hold all the parts."""
    (found,) = [value for title, value in series.items() if all(part in title for part in parts)]
    return found


def test_a_restart_is_a_counter_that_falls_while_the_target_stays_up():
    found = stored(
        drill(Operation(), Operation(restart=True), Operation()), "up", "model_score_count"
    )
    for port in ("8000", "8001"):
        times, up = of(found, "up{", port)
        assert (up == 1).all()
        assert len(times) == 120
        counts = of(found, "model_score_count", port)[1]
        assert [after < before for before, after in pairwise(counts)].count(True) == 1
        assert not np.isnan(counts).any()


def test_a_replica_that_is_down_shows_up_0_and_its_series_end_once():
    found = stored(drill(Operation(), Operation(down=1), Operation()), "up", "model_score_count")
    times, up = of(found, "up{", "8001")
    down = (times > 600) & (times < 1200)
    assert set(up[down]) == {0}
    assert set(up[~down]) == {1}
    times, counts = of(found, "model_score_count", "8001")
    assert times[np.isnan(counts)].tolist() == [607.5]
    assert not ((times > 610) & (times < 1200)).any()


def test_a_new_version_ends_the_series_of_the_old_one():
    found = stored(drill(Operation(), Operation(build="mislabelled")), "model_score_count")
    old = of(found, "8000", 'version="1.0.0"')
    new = of(found, "8000", 'version="1.1.0"')
    assert np.isnan(old[1][-1])
    assert old[0][-1] == new[0][0]
    assert new[1][0] == 0


def test_a_replica_that_is_taken_away_is_no_longer_listed():
    found = stored(drill(Operation(replicas=3), Operation()), "up")
    times, up = of(found, "8002")
    assert up[:-1].tolist() == [1.0] * (len(up) - 1)
    assert np.isnan(up[-1])
    assert times[-1] == 667.5


def test_a_lost_scrape_is_up_0_and_a_gap_in_every_series():
    found = stored(drill(*[Operation()] * 6, lost=0.1), "up", "model_score_count", "model_info")
    for port in ("8000", "8001"):
        times, up = of(found, "up{", port)
        assert (up == 0).mean() == pytest.approx(0.1, abs=0.05)
        for name in ("model_score_count", "model_info"):
            seen, values = of(found, name, port)
            ended = set(seen[np.isnan(values)])
            lost_after_seen = set(times[1:][(up[:-1] == 1) & (up[1:] == 0)])
            assert ended == lost_after_seen
            back = set(times[1:][(up[:-1] == 0) & (up[1:] == 1)])
            assert back <= set(seen[~np.isnan(values)])


def test_a_label_gone_wild_ends_in_scrapes_that_prometheus_refuses():
    made = drill(Operation(), Operation(build="user-label"), replicas=1, seconds=1800.0)
    found = stored(made, "up", "scrape_samples_scraped", USER_REQUESTS)
    times, sizes = of(found, "scrape_samples_scraped")
    up = of(found, "up{")[1]
    assert sizes[times < 1800].max() < sample_limit() < sizes[-1]
    assert set(up[sizes <= sample_limit()]) == {1}
    assert set(up[sizes > sample_limit()]) == {0}
    users = [title for title in found if title.startswith(USER_REQUESTS)]
    assert sample_limit() / 2 < len(users) < sample_limit()


@pytest.mark.parametrize("rows_drawn", [ROWS, POOLS], ids=["rows", "pools"])
@pytest.mark.parametrize(
    "operation",
    [
        Operation(restart=True),
        Operation(down=1),
        Operation(down=2),
        Operation(replicas=5),
        Operation(canary=Canary("mislabelled", 0.05)),
        Operation(build="erroring"),
    ],
    ids=["restart", "one down", "all down", "more", "canary", "errors"],
)
def test_each_process_counts_the_requests_that_are_routed_to_it(operation, rows_drawn):
    made = drill(Operation(), operation, Operation())
    history = simulated(made, rows_drawn)
    count = made.schedule.total_arrivals
    due = made.schedule.arrival_times(0, count)
    routed = made.fleet.route(np.arange(count), due)
    errors = 0
    for number, process in enumerate(history.processes):
        last = history.scrapes[process.scrapes][-1]
        answered = process.counted[process.service.position(*PREDICT), -1]
        failed = process.counted[process.service.position(*FAILED), -1]
        # Whether a request due at the very scrape is in it is all that rows and pools differ in.
        assert abs(answered + failed - ((routed == number) & (due <= last)).sum()) <= 1
        assert bool(failed) == (process.life.build == "erroring")
        errors += failed
    assert history.sent == count
    assert history.failed >= (routed == NOBODY).sum() + errors
    assert history.failed <= (routed == NOBODY).sum() + errors + 2 * 0.2 * RATE * 15


@pytest.mark.parametrize("rows_drawn", [ROWS, POOLS], ids=["rows", "pools"])
def test_labels_reach_the_version_that_predicted_or_are_lost(rows_drawn):
    made = drill(Operation(canary=Canary("mislabelled", 0.25)), Operation())
    history = simulated(made, rows_drawn)
    told = {
        process.life.build: process.counted[process.service.position("feedback", "accepted"), -1]
        for process in history.processes
        if process.life.build == "mislabelled"
    }
    assert told["mislabelled"] == pytest.approx(0.25 * RATE * 540, rel=0.15)
    usual = sum(
        process.counted[process.service.position("feedback", "accepted"), -1]
        for process in history.processes
        if process.life.build == "usual"
    )
    assert usual == pytest.approx(RATE * (0.75 * 600 + 530), rel=0.05)


@pytest.mark.parametrize("rows_drawn", [ROWS, POOLS], ids=["rows", "pools"])
def test_an_outage_of_ground_truth_is_one_of_its_phase(rows_drawn):
    history = simulated(drill(Operation(), Operation(label_coverage=0.0), replicas=1), rows_drawn)
    (process,) = history.processes
    accepted = process.counted[process.service.position("feedback", "accepted")]
    assert accepted[-1] == pytest.approx(RATE * 600, rel=0.05)
    assert accepted[history.scrapes > 690].min() == accepted[-1]


def test_a_slow_build_is_slow_and_a_scan_is_counted_as_the_service_counts_it():
    made = drill(Operation(build="slow"), Operation(build="slow", scan=2.0), replicas=1)
    (process,) = simulated(made).processes
    latency = process.counted[process.service.positions["latency", "/predict"], -1]
    assert latency[-1] > 0.6 * RATE * 1190
    refused = {
        key: process.counted[place.start, -1]
        for key, place in process.service.positions.items()
        if key[0] == "request" and key[3] in {"400", "404", "405", "415", "422"}
    }
    assert sum(refused.values()) == pytest.approx(2.0 * 600, abs=20)
    assert refused["request", "unmatched", "unmatched", "404"] > 0
