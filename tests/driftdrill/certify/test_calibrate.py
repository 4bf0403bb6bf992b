"""Calibrated thresholds: the run length that they promise, on traffic that they have not seen."""

from __future__ import annotations

import io
from math import log

import msgspec
import numpy as np
import pytest
from rich.console import Console

from driftdrill.certify import calibrate as calibration
from driftdrill.certify.calibrate import Traffic, calibrate, threshold
from driftdrill.certify.command import calibrate_model
from driftdrill.certify.statistic import SPARSE_WINDOWS, evidence
from driftdrill.models import artifact
from driftdrill.rig.errors import UsageError
from target_service.evidence import FEATURE_CHANGES, discounted, numeric_bank
from target_service.model import load, load_reference

RUN_LENGTH = 1000
COUNTS = (50, 200, 500, 1500, 2750, 2750, 1500, 500, 200, 50)
BANK = numeric_bank(COUNTS, FEATURE_CHANGES, alarms=1)


def least(values: int, reference: float = 1.0, run_length: int = RUN_LENGTH) -> float:
    counts = np.array(COUNTS) * reference
    return threshold(BANK, counts, SPARSE_WINDOWS, values, run_length, seed=[0])


def run_length_with(level: float, values: int) -> float:
    """Measured where nothing changes, with other draws than the threshold's."""
    rng = np.random.default_rng(1234)
    shares = np.array(COUNTS) / sum(COUNTS)
    watched = alarms = 0
    for _ in range(150):
        drawn = rng.multinomial(values, shares, size=3000 + 256)
        heights = evidence(np.array(BANK.weights) @ drawn.T, np.full(3256, values), SPARSE_WINDOWS)
        crossed = heights[256:] >= level
        alarms += bool(crossed.any())
        watched += int(crossed.argmax()) + 1 if crossed.any() else 3000
    return watched / alarms


@pytest.fixture(scope="module")
def least_at() -> dict[int, float]:
    return {values: least(values) for values in (5, 100)}


@pytest.mark.parametrize("values", [5, 100])
def test_the_run_length_is_at_least_the_one_asked_for_and_not_much_longer(values, least_at):
    found = run_length_with(least_at[values], values)

    assert RUN_LENGTH * 0.9 <= found <= RUN_LENGTH * 1.6
    assert run_length_with(log(len(BANK.alternatives) * RUN_LENGTH), values) > 1.5 * found


def test_more_traffic_needs_less_and_a_smaller_reference_more(least_at):
    assert least_at[100] < least_at[5] - 0.5
    assert least(100, reference=0.02) > least_at[100] + 0.5


def test_a_longer_run_length_costs_its_logarithm(monkeypatch, least_at):
    monkeypatch.setattr(calibration, "EVALUATIONS", RUN_LENGTH)
    monkeypatch.setattr(calibration, "STREAMS", 1500)

    assert least(100, run_length=100 * RUN_LENGTH) == pytest.approx(
        least_at[100] + log(100), abs=0.15
    )


def test_evidence_that_is_discounted_keeps_the_formula():
    model = load(artifact("credit"))
    banks = msgspec.structs.replace(model.banks, score=discounted(model.banks.score, 0.5))
    for one in (
        msgspec.structs.replace(model, banks=banks),
        load(artifact("seasonal-credit")),
    ):
        with pytest.raises(UsageError, match="thresholds stay those of the formula"):
            calibrate(one, Traffic(300, 300), 1000, 0, 1, lambda _done, _all: None)


@pytest.fixture
def few_draws(monkeypatch):
    monkeypatch.setattr(calibration, "STREAMS", 1)


@pytest.mark.usefixtures("few_draws")
def test_a_model_is_written_with_lower_thresholds_and_nothing_else_changed(tmp_path):
    said = io.StringIO()
    calibrate_model("credit", Traffic(300, 30), 1000, tmp_path / "new", 0, 1, Console(file=said))
    old, new = load(artifact("credit")), load(tmp_path / "new")

    for before, after in zip(
        (old.banks.score, *old.banks.features, old.banks.outcomes),
        (new.banks.score, *new.banks.features, new.banks.outcomes),
        strict=True,
    ):
        assert after.threshold < before.threshold
        assert msgspec.structs.replace(after, threshold=before.threshold) == before
    assert msgspec.structs.replace(new, banks=old.banks) == old
    assert all(name in said.getvalue() for name in ("score", *old.schema.names, "outcomes"))


@pytest.mark.usefixtures("few_draws")
def test_a_reference_alone_is_calibrated_like_a_model(tmp_path):
    model = load(artifact("credit"))
    fields = {name: getattr(model, name) for name in model.__struct_fields__}
    own = {name: value for name, value in fields.items() if name not in {"intercept", "terms"}}
    (tmp_path / "reference.json").write_bytes(msgspec.json.encode(own))
    named, out = str(tmp_path / "reference.json"), tmp_path / "new.json"
    calibrate_model(named, Traffic(300, 30), 1000, out, 0, 1, Console(file=io.StringIO()))

    assert load_reference(out).banks.score.threshold < model.banks.score.threshold
    with pytest.raises(UsageError, match="is there already"):
        calibrate_model(named, Traffic(300, 30), 1000, out, 0, 1, Console())


def test_what_is_no_model_is_refused_by_name(tmp_path):
    (tmp_path / "reference.json").write_text("{}")
    for named in (str(tmp_path / "reference.json"), str(tmp_path), "no-such-model"):
        with pytest.raises(UsageError, match=named.rpartition("/")[2]):
            calibrate_model(named, Traffic(300, 30), 1000, None, 0, 1, Console())
