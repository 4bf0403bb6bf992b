from __future__ import annotations

import math

import pytest

from driftdrill.text import (
    alert_title,
    drift_title,
    printable,
    printable_lines,
    short_number,
    short_time,
)
from simulators.drifts import ConceptDrift, CovariateShift


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, "0s"),
        (2.54, "2.5s"),
        (59.6, "1m"),
        (750.0, "12m30s"),
        (3600.0, "1h"),
        (90_061.0, "1d1h1m1s"),
        (-30.0, "-30s"),
        (None, "-"),
        (math.nan, "-"),
        (math.inf, "-"),
    ],
)
def test_times_are_short_and_unknown_ones_are_a_dash(seconds: float | None, written: str) -> None:
    assert short_time(seconds) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0"), (0.05, "0.05"), (300.0, "300"), (1500.0, "1.5k"), (2e6, "2M"), (None, "-")],
)
def test_numbers_have_three_digits(value: float | None, written: str) -> None:
    assert short_number(value) == written


def test_control_and_bidirectional_characters_are_written_out() -> None:
    assert printable("a\x1b[2J\u202e\nü日") == r"a\x1b[2J\u202e\nü日"
    assert printable_lines("one\x07\ntwo") == "one\\x07\ntwo"


def test_an_alert_reads_as_in_prometheus_with_its_labels_in_order() -> None:
    assert alert_title("A", {"b": "2", "a": "1"}) == 'A{a="1", b="2"}'
    assert alert_title("A", {}) == "A"


def test_a_drift_is_named_as_in_its_scenario_file() -> None:
    assert drift_title(CovariateShift("income", -1.0)) == (
        "covariate-shift: feature income, shift -1"
    )
    assert drift_title(ConceptDrift(weights={"income": 1.6, "age": -0.5})) == (
        "concept-drift: weights income 1.6 and age -0.5"
    )
