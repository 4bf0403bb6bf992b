"""The changes that detectors are tried on, and those that an informed chart knows."""

import numpy as np
import pytest

from benchmarks.detection_worlds import (
    CALM,
    FAMILIES,
    LABELS,
    MIRRORED,
    MIRRORED_LABELS,
)

GRID = np.linspace(-7.0, 8.0, 6001)


@pytest.mark.parametrize("known", [MIRRORED, MIRRORED_LABELS])
def test_every_change_that_may_come_is_a_distribution(known):
    for densities in known.values():
        for density in densities:
            assert np.trapezoid(density(GRID), GRID) == pytest.approx(1.0, abs=1e-4)


def test_an_informed_chart_knows_the_changes_that_it_is_tried_on():
    for title, family in FAMILIES.items():
        known = MIRRORED if family.calm is CALM else MIRRORED_LABELS
        np.testing.assert_allclose(known[title][0](GRID), family.changed.density(GRID))


def test_a_score_tells_how_likely_its_outcome_was():
    assert LABELS.chance is not None
    rate = np.trapezoid(LABELS.chance(GRID) * LABELS.density(GRID), GRID)
    assert rate == pytest.approx(0.2, abs=1e-4)
