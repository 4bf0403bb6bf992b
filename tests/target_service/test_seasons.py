"""A reference that goes by the hour of the week."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
import numpy as np
import pytest
from exposition import select, value
from service_client import Client

from target_service.app import create_app
from target_service.clock import drill_clock, wall_clock
from target_service.contract import (
    CATEGORY,
    DATA,
    DRILL_TIME,
    EVIDENCE,
    FEATURE,
    HOUR_S,
    RECIPES,
    REFERENCE_CDF,
    SCORE,
    SEGMENT_SCORE,
    Dataset,
    Floats,
    load_dataset,
)
from target_service.evidence import CLIP, reference_masses
from target_service.evidence_counters import bank_counters
from target_service.feedback import Tokens
from target_service.metrics import ModelMetrics
from target_service.model import Model, Season, hour_of_week
from target_service.seasons import MOST_VALUES, at_slot, measure_season
from target_service.training import train

MONDAY = 1_704_067_200.0
NIGHT, NOON = MONDAY + 2 * HOUR_S, MONDAY + 12 * HOUR_S


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_dataset(DATA / "seasonal-credit.npz")


@pytest.fixture(scope="module")
def model(data: Dataset) -> Model:
    return train(data, "seasonal-credit", "1.0.0")


@pytest.fixture
def counting(model: Model) -> ModelMetrics:
    return ModelMetrics(model, "test")


def season_of(model: Model) -> Season:
    assert model.season is not None
    return model.season


def nats(metrics: ModelMetrics, feature: str) -> Mapping[str, float]:
    """What was gathered for each alternative."""
    found = {
        labels["alternative"]: v
        for labels, v in select(metrics, FEATURE + EVIDENCE, feature=feature)
    }
    return {name: v - found["none"] for name, v in found.items()}


def weights(model: Model, slot: int, feature: str) -> Floats:
    banks = {one.keys[0]: one for one in bank_counters(at_slot(model, slot))}
    return banks["feature", feature].weights


def test_the_week_begins_on_monday():
    assert [hour_of_week(MONDAY + h * HOUR_S) for h in (0, 23.99, 24, 167, 168)] == [
        0,
        23,
        24,
        167,
        0,
    ]


def test_the_slots_share_out_the_reference_and_nothing_else(model: Model):
    slots = season_of(model).slots
    assert len(slots) == 48
    assert np.sum([slot.scores for slot in slots], axis=0).tolist() == list(model.scores.counts)
    for number, whole in enumerate(model.features):
        parts = [slot.features[number] for slot in slots]
        assert np.sum(parts, axis=0).tolist() == list(whole.counts)
    for number, whole in enumerate(model.segments):
        parts = [slot.segments[number] for slot in slots]
        assert np.sum(parts, axis=0).tolist() == list(whole.counts)


def test_weekends_have_slots_of_their_own(model: Model):
    season = season_of(model)
    monday, friday, saturday, sunday = (
        season.slot_at(NOON + day * 24 * HOUR_S) for day in (0, 4, 5, 6)
    )
    assert (monday, saturday) == (friday, sunday)
    assert monday != saturday


def test_a_slot_without_rows_is_refused(model: Model, data: Dataset):
    _, reference = RECIPES["seasonal-credit"].split(data)
    some = reference[:100]
    with pytest.raises(ValueError, match="seasonal-credit: the reference has no rows in slot"):
        measure_season(model, some, model.score(some.x), tuple(range(168)))


def test_values_are_weighed_by_the_reference_of_their_own_hour(
    model: Model, data: Dataset, counting: ModelMetrics
):
    season, column = season_of(model), model.schema.index("age")
    edges = model.features[column].edges
    expected = np.zeros(len(weights(model, 0, "age")))
    # Back and forth: late requests of the hour before count in that one.
    for turn, at in enumerate((NIGHT, NOON, NIGHT, NOON)):
        rows = data.x[100 * turn : 100 * (turn + 1)]
        counting.observe(rows, model.score(rows), at)
        buckets = np.bincount(np.searchsorted(edges, rows[:, column]), minlength=len(edges) + 1)
        expected += weights(model, season.slot_at(at), "age") @ buckets
    shown = [v for _, v in select(counting, FEATURE + EVIDENCE, feature="age")]
    np.testing.assert_array_equal(shown, expected)


def test_who_comes_by_night_is_usual_by_night_and_unusual_at_noon(model: Model, data: Dataset):
    season = season_of(model)
    night = np.array([season.slot_at(t) == season.slot_at(NIGHT) for t in data.time.tolist()])
    rows = data.x[night][:600]
    at_night, at_noon = (ModelMetrics(model, "test") for _ in range(2))
    at_night.observe(rows, model.score(rows), NIGHT)
    at_noon.observe(rows, model.score(rows), NOON)
    for feature in ("age", "channel"):
        threshold = value(at_noon, "model_feature_evidence_threshold", feature=feature)
        assert max(nats(at_night, feature).values()) < threshold / 3
        assert max(nats(at_noon, feature).values()) > threshold


def test_evidence_never_falls_when_the_hour_changes(model: Model, data: Dataset):
    counting = ModelMetrics(model, "test")
    before = np.zeros(1)
    for hour in range(30):
        rows = data.x[50 * hour : 50 * (hour + 1)]
        counting.observe(rows, model.score(rows), MONDAY + hour * HOUR_S)
        now = np.array([v for _, v in select(counting, FEATURE + EVIDENCE)])
        assert np.all(now >= before)
        before = now
    assert value(counting, SCORE + EVIDENCE, alternative="none") == CLIP * 50 * 30


def test_the_reference_that_is_shown_is_the_hour_s(model: Model, data: Dataset):
    counting, one = ModelMetrics(model, "test"), data.x[:1]

    def shown(name: str, **labels: str) -> list[float]:
        return [v for _, v in select(counting, name, **labels)]

    found = {}
    for at in (NIGHT, NOON):
        counting.observe(one, model.score(one), at)
        hour = at_slot(model, season_of(model).slot_at(at))
        assert shown(FEATURE + REFERENCE_CDF, feature="age") == hour.features[0].cdf.tolist()
        assert shown(SCORE + REFERENCE_CDF) == hour.scores.cdf.tolist()
        assert len(shown(SEGMENT_SCORE + REFERENCE_CDF, segment="west")) == len(model.bands) + 1
        found[at] = value(
            counting, "model_category_reference_mass", feature="channel", category="branch"
        )
    assert found[NIGHT] == 0
    assert found[NOON] == pytest.approx(0.3, abs=0.03)


def test_an_hour_of_few_values_is_trusted_little_and_its_bound_holds(model: Model):
    season = season_of(model)
    for slot, hour in enumerate(season.slots):
        bank = at_slot(model, slot).banks.score
        mean = np.exp(np.array(bank.weights)) @ reference_masses(hour.scores)
        assert np.all(mean <= 1 + 1e-12)
    few, many = sorted(range(48), key=lambda slot: sum(season.slots[slot].scores))[::47]
    samples = [sum(season.slots[slot].scores) for slot in (few, many)]
    strongest = [np.abs(at_slot(model, slot).banks.score.weights).max() for slot in (few, many)]
    trust = [m / (m + MOST_VALUES) for m in samples]
    assert strongest[0] <= CLIP * trust[0] + 0.001
    assert strongest[0] / strongest[1] < 3 * trust[0] / trust[1]


def test_a_state_goes_on_in_another_process(model: Model, data: Dataset, counting: ModelMetrics):
    counting.observe(data.x[:50], model.score(data.x[:50]), NIGHT)
    counting.observe(data.x[50:90], model.score(data.x[50:90]), NOON)
    other = ModelMetrics(model, "test")
    other.restore(counting.state())
    for metrics in (counting, other):
        metrics.observe(data.x[90:99], model.score(data.x[90:99]), NIGHT)
    assert select(other, FEATURE + EVIDENCE) == select(counting, FEATURE + EVIDENCE)
    assert select(other, CATEGORY) == select(counting, CATEGORY)


def test_without_a_season_the_hour_does_not_matter(model: Model, data: Dataset):
    plain = msgspec.structs.replace(model, season=None)
    rows = data.x[:300]
    found = []
    for at in (NIGHT, NOON, None):
        metrics = ModelMetrics(plain, "test")
        metrics.observe(rows, plain.score(rows), at)
        found.append(select(metrics, FEATURE + EVIDENCE))
    assert found[0] == found[1] == found[2]


# --- What time it is -----------------------------------------------------------------------------


def test_without_a_word_it_is_the_machine_s_time(model: Model, data: Dataset):
    counting, one = ModelMetrics(model, "test"), data.x[:1]
    counting.observe(one, model.score(one))
    said = ModelMetrics(model, "test")
    said.observe(one, model.score(one), time.time())
    assert select(counting, FEATURE + REFERENCE_CDF) == select(said, FEATURE + REFERENCE_CDF)


@pytest.mark.parametrize("text", ["", "noon", "nan", "inf", "1e999"])
def test_a_time_that_is_none_is_the_machine_s(text):
    assert drill_clock({DRILL_TIME: text}) == pytest.approx(time.time(), abs=5)


def test_a_drill_says_what_time_it_is_and_a_client_of_the_usual_service_cannot(
    model: Model, data: Dataset
):
    row = model.schema.decode(data.x[:1])
    night = at_slot(model, season_of(model).slot_at(NIGHT))
    ages = {}
    for clock in (drill_clock, wall_clock, lambda _: NOON):
        counting = ModelMetrics(model, "test")
        app = create_app(model, counting, Tokens(b"k", model.name, model.version), clock=clock)
        answer = Client(app).post(
            "/predict", json={"rows": row}, headers={DRILL_TIME: f"{NIGHT:.0f}"}
        )
        assert answer.status_code == 200
        ages[clock] = [v for _, v in select(counting, FEATURE + REFERENCE_CDF, feature="age")]
    assert ages.pop(drill_clock) == night.features[0].cdf.tolist()
    now = at_slot(model, season_of(model).slot_at(time.time()))
    assert ages.pop(wall_clock) == now.features[0].cdf.tolist()
    (noon,) = ages.values()
    assert noon != night.features[0].cdf.tolist()
