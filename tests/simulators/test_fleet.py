"""Operations become processes: who runs what when, and who gets which request."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.fleet import JOIN_S, LEAVE_S, NOBODY, ROLL_S, WARM_UP_S, Fleet
from simulators.operations import Canary, Operation
from simulators.schedule import Phase, Ramp, Schedule

CANARY = Canary("mislabelled", 0.05)


def fleet(*operations: Operation, replicas: int = 3, seconds: float = 1000.0) -> Fleet:
    """One phase of 1000 s per operation, at 7 requests/s."""
    rate = Ramp(7.0, 7.0)
    phases = [Phase(f"{n}", seconds, rate, (), op) for n, op in enumerate(operations)]
    return Fleet(Schedule(tuple(phases)), replicas)


def routed(drill: Fleet) -> tuple[np.ndarray, np.ndarray]:
    """When each request is due, and the life that gets it."""
    count = drill.schedule.total_arrivals
    times = drill.schedule.arrival_times(0, count)
    return times, drill.route(np.arange(count), times)


def builds(drill: Fleet, time: float) -> list[str]:
    return sorted(life.build for life in drill.lives if life.start <= time < life.end)


def test_nothing_special_is_one_life_that_gets_everything():
    drill = fleet(Operation(), replicas=1)
    (life,) = drill.lives
    assert (life.start, life.joins, life.leaves, life.end) == (0, 0, 1000, 1000)
    assert set(routed(drill)[1]) == {0}


def test_a_rolling_restart_replaces_one_after_the_other_and_never_sends_to_one_that_is_not_there():
    drill = fleet(Operation(), Operation(restart=True), Operation())
    before, after = drill.lives[:3], drill.lives[3:]
    assert [new.start for new in after] == [1000 + LEAVE_S + n * ROLL_S for n in range(3)]
    for old, new in zip(before, after, strict=True):
        assert (old.replica, old.end) == (new.replica, new.start)
        assert (old.leaves, new.joins) == (old.end - LEAVE_S, new.start + JOIN_S)
    assert {len(rotation.lives) for rotation in drill.rotations} == {2, 3}


def test_new_replicas_warm_up_before_their_phase_and_old_ones_stay_for_a_while():
    drill = fleet(Operation(), Operation(replicas=5), Operation())
    added = [life for life in drill.lives if life.replica >= 3]
    assert {(x.start, x.joins, x.leaves, x.end) for x in added} == {
        (1000 - WARM_UP_S, 1000, 2000, 2000 + WARM_UP_S)
    }
    listed = {(p.start, p.end) for p in drill.presences if p.replica >= 3}
    assert listed == {(1000 - WARM_UP_S, 2000 + WARM_UP_S)}


def test_a_replica_that_is_down_stays_listed_and_gets_nothing():
    drill = fleet(Operation(), Operation(down=1), Operation())
    times, lives = routed(drill)
    assert [p.end for p in drill.presences] == [3000] * 3
    assert {drill.lives[life].replica for life in lives[(times > 1000) & (times < 2000)]} == {0, 1}
    (crashed,) = [life for life in drill.lives if life.crashes]
    assert (crashed.replica, crashed.end) == (2, 1000)


def test_when_all_are_down_nobody_gets_the_requests():
    drill = fleet(Operation(), Operation(down=3), Operation())
    times, lives = routed(drill)
    nobody = times[lives == NOBODY]
    assert nobody[0] == pytest.approx(1000, abs=0.2)
    assert nobody[-1] == pytest.approx(2000 + JOIN_S, abs=0.2)
    assert drill.honouring(0, 1500.0) == ()


def test_a_deployment_changes_the_build_of_every_replica():
    drill = fleet(Operation(), Operation(build="mislabelled"))
    assert builds(drill, 999) == ["usual"] * 3
    assert builds(drill, 1999) == ["mislabelled"] * 3


def test_a_single_replica_is_replaced_on_the_spot():
    drill = fleet(Operation(), Operation(build="slow"), replicas=1)
    assert [life.start for life in drill.lives] == [0, 1000]
    assert set(routed(drill)[1]) == {0, 1}


def test_a_canary_gets_its_share_to_the_request_and_the_others_the_rest_in_turn():
    drill = fleet(Operation(), Operation(canary=CANARY))
    times, lives = routed(drill)
    during = lives[times >= 1000]
    (canary,) = [n for n, life in enumerate(drill.lives) if life.build == "mislabelled"]
    assert abs((during == canary).sum() - 0.05 * len(during)) < 1
    others = np.bincount(during, minlength=3)[:3]
    assert others.max() - others.min() <= 1


def test_ground_truth_goes_to_a_replica_of_the_version_that_predicted():
    drill = fleet(Operation(canary=CANARY), Operation())
    (canary,) = [n for n, life in enumerate(drill.lives) if life.build == "mislabelled"]
    assert drill.honouring(canary, 500.0) == (canary,)
    assert drill.honouring(canary, 1500.0) == ()
    restarted = fleet(Operation(), Operation(restart=True), Operation())
    assert restarted.honouring(0, 500.0) == (0,)
    assert restarted.honouring(0, 2500.0) == (3, 4, 5)


@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        ([Operation(), Operation(down=4)], "phase 1: expected at most 3 replicas down"),
        ([Operation(replicas=11)], "phase 0: expected 1 to 10 replicas, got 11"),
        ([Operation(replicas=1), Operation(replicas=1, restart=True)], "expected 2 replicas or"),
        ([Operation(restart=True)], "up in the phase before"),
        ([Operation(replicas=9)] + [Operation(replicas=9, restart=True)] * 4, "at most 40"),
    ],
)
def test_what_cannot_be_done_is_refused_by_the_name_of_its_phase(operations, reason):
    with pytest.raises(ValueError, match=reason):
        fleet(*operations)


def test_a_deployment_that_its_phase_leaves_no_time_for_is_refused():
    with pytest.raises(ValueError, match="phase 1: expected 270s or more"):
        fleet(Operation(), Operation(build="slow"), seconds=200)


OPERATIONS = st.builds(
    Operation,
    replicas=st.integers(2, 5),
    down=st.integers(0, 2),
    build=st.sampled_from(["usual", "slow", "mislabelled"]),
    canary=st.none() | st.builds(Canary, st.just("mislabelled"), st.floats(0, 1)),
)


@given(st.lists(OPERATIONS, min_size=1, max_size=4))
def test_counting_a_stretch_at_once_is_counting_its_requests(operations):
    drill = fleet(*operations)
    times, lives = routed(drill)
    for rotation in drill.rotations:
        here = np.flatnonzero((times >= rotation.start) & (times < rotation.end))
        if not len(here):
            continue
        first, last = np.array([here[0]]), np.array([here[-1] + 1])
        at_once = {life: int(n[0]) for life, n in rotation.counts(first, last) if n[0]}
        found, numbers = np.unique(lives[here], return_counts=True)
        assert at_once == dict(zip(found.tolist(), numbers.tolist(), strict=True))


@given(st.lists(OPERATIONS, min_size=1, max_size=4))
def test_a_place_holds_one_process_at_a_time_and_only_while_it_is_listed(operations):
    drill = fleet(*operations)
    for place in range(drill.places):
        lives = [life for life in drill.lives if life.replica == place]
        for one, next_one in pairwise(lives):
            assert one.end <= next_one.start
        for life in lives:
            assert life.start <= life.joins <= life.leaves <= life.end
            assert any(
                p.replica == place and p.start <= life.start and life.end <= p.end
                for p in drill.presences
            )
