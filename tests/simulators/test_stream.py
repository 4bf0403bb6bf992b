"""The stream: the same requests for the same seed, whoever asks for which part when."""

import numpy as np

from simulators.credit import CREDIT
from simulators.drifts import ConceptDrift, CovariateShift
from simulators.schedule import ActiveDrift, Phase, Ramp, Schedule
from simulators.stream import BLOCK, Stream


def schedule(drift=None) -> Schedule:
    drifts = (ActiveDrift(drift, Ramp(1, 1)),) if drift else ()
    return Schedule((Phase("calm", 1000, Ramp(5, 5)), Phase("drift", 1000, Ramp(5, 5), drifts)))


def test_a_block_is_the_same_whenever_it_is_drawn():
    stream = Stream(schedule(), CREDIT, seed=3)
    second, first = stream.block(1), stream.block(0)
    again = Stream(schedule(), CREDIT, seed=3)
    for block, same in ((first, again.block(0)), (second, again.block(1))):
        np.testing.assert_array_equal(block.x, same.x)
        np.testing.assert_array_equal(block.outcome, same.outcome)
    other = Stream(schedule(), CREDIT, seed=4).block(0)
    assert (other.x != first.x).any()


def test_the_stream_ends_with_the_schedule():
    stream = Stream(schedule(), CREDIT, seed=0)
    lengths = [len(stream.block(number)) for number in range(4)]
    assert lengths == [BLOCK, BLOCK, 10_000 - 2 * BLOCK, 0]


def test_a_drift_changes_its_own_phase_and_no_other():
    calm = Stream(schedule(), CREDIT, seed=0)
    moved = Stream(schedule(CovariateShift("income", -1.0)), CREDIT, seed=0)
    before, after = calm.block(1), moved.block(1)
    drifting = before.due >= 1000
    assert drifting.any()
    np.testing.assert_array_equal(after.x[~drifting], before.x[~drifting])
    income = CREDIT.schema.index("income")
    assert (after.x[drifting, income] < before.x[drifting, income]).all()


def test_a_concept_drift_leaves_every_input_of_the_stream_as_it_is():
    calm = Stream(schedule(), CREDIT, seed=0)
    moved = Stream(schedule(ConceptDrift(weights={"income": 1.6})), CREDIT, seed=0)
    np.testing.assert_array_equal(moved.block(2).x, calm.block(2).x)
    assert (moved.block(2).outcome != calm.block(2).outcome).any()


def test_coverage_is_the_share_of_outcomes_that_are_ever_reported():
    block = Stream(schedule(), CREDIT, seed=0, coverage=0.25).block(0)
    assert abs(block.labelled.mean() - 0.25) < 0.03
