"""What the summaries of the shipped scenarios say of their worlds, held against their rows."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from driftdrill.datasets import seasonal_credit
from scenarios.spec import catalogue, find
from simulators.credit import CREDIT
from simulators.stream import BLOCK
from target_service.contract import DATA, RECIPES, Floats, Schema, load_dataset
from target_service.training import train


class Traffic(NamedTuple):
    """The requests of one phase, or of a whole scenario."""

    schema: Schema
    due: Floats
    x: Floats
    outcome: Floats

    def __getitem__(self, feature: str) -> Floats:  # type: ignore[override]
        return self.x[:, self.schema.index(feature)]

    def where(self, feature: str, category: str) -> Traffic:
        """Those of one category, `unseen` included."""
        names = (*self.schema.features[self.schema.index(feature)].categories, "unseen")
        return self.of(self[feature] == names.index(category))

    def of(self, chosen) -> Traffic:
        return Traffic(self.schema, self.due[chosen], self.x[chosen], self.outcome[chosen])

    def share(self, feature: str, category: str) -> float:
        return len(self.where(feature, category).due) / len(self.due)


@cache
def everything(name: str) -> Traffic:
    scenario = find(name)
    stream = scenario.stream(0)
    numbers = range(-(-scenario.schedule.total_arrivals // BLOCK))
    blocks = [stream.block(number) for number in numbers]
    due, x, outcome = (
        np.concatenate([getattr(block, part) for block in blocks])
        for part in ("due", "x", "outcome")
    )
    return Traffic(scenario.population.schema, due, x, outcome)


def phase(name: str, wanted: str) -> Traffic:
    schedule, traffic = find(name).schedule, everything(name)
    start = schedule.phase_start(wanted)
    end = start + next(phase.duration for phase in schedule.phases if phase.name == wanted)
    return traffic.of((traffic.due >= start) & (traffic.due < end))


def moved(name: str, feature: str, after: str) -> float:
    """By how many standard deviations a feature's mean is off in a phase."""
    return float((phase(name, after)[feature].mean() - CREDIT.mean(feature)) / CREDIT.sd(feature))


def ks(first: Floats, second: Floats) -> float:
    edges = np.unique(np.concatenate([first, second]))
    shares = [np.searchsorted(np.sort(x), edges, "right") / len(x) for x in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


# --- Drift ---------------------------------------------------------------------------------------


def test_incremental_steps_go_down_one_by_one():
    steps = ("baseline", "first-step", "second-step", "third-step", "last-step")
    means = [moved("covariate-incremental", "income", step) for step in steps]
    assert means == pytest.approx([0, -0.1, -0.3, -0.6, -1.0], abs=0.03)


def test_a_campaign_recurs_and_ends_each_time():
    phases = ("first-campaign", "between", "second-campaign", "afterwards")
    means = [moved("covariate-recurring", "debt_ratio", phase) for phase in phases]
    assert means == pytest.approx([1.2, 0, 1.2, 0], abs=0.04)


def test_a_spread_halves_about_its_mean():
    now = phase("variance-shift", "new-limit")["utilisation"]
    assert now.mean() == pytest.approx(CREDIT.mean("utilisation"), rel=0.01)
    assert now.std() == pytest.approx(0.5 * CREDIT.sd("utilisation"), rel=0.03)


def test_dependence_changes_and_no_feature_does():
    before, now = (phase("correlation-shift", name) for name in ("baseline", "debt-trap"))
    for feature in ("income", "debt_ratio", "utilisation", "payment_delay"):
        chance = 2.2 * np.sqrt(1 / len(before.due) + 1 / len(now.due))  # 1 in 8000
        assert ks(before[feature], now[feature]) < chance
    assert abs(np.corrcoef(before["income"], before["debt_ratio"])[0, 1]) < 0.05
    assert np.corrcoef(now["income"], now["debt_ratio"])[0, 1] < -0.7


def test_one_segment_moves_and_the_total_hardly_does():
    now = phase("segment-shift", "closure")
    west = now.where("region", "west")["income"].mean() - CREDIT.mean("income")
    east = now.where("region", "east")["income"].mean() - CREDIT.mean("income")
    assert west / CREDIT.sd("income") == pytest.approx(-0.24, abs=0.06)
    assert east / CREDIT.sd("income") == pytest.approx(0, abs=0.05)
    assert moved("segment-shift", "income", "closure") == pytest.approx(-0.036, abs=0.02)


def test_every_second_defaults_in_hard_times():
    assert phase("prior-shift", "hard-times").outcome.mean() == pytest.approx(0.5, abs=0.01)
    assert phase("prior-shift", "baseline").outcome.mean() == pytest.approx(CREDIT.prior, abs=0.02)


def test_a_hidden_concept_shows_by_region_and_nowhere_in_the_total():
    before, now = (phase("concept-hidden", name) for name in ("baseline", "factories"))
    rates = {
        region: now.where("region", region).outcome.mean()
        - before.where("region", region).outcome.mean()
        for region in ("north", "south", "east")
    }
    assert rates["north"] > 0.08
    assert rates["south"] < -0.08
    assert abs(rates["east"]) < 0.03
    assert now.outcome.mean() == pytest.approx(CREDIT.prior, abs=0.006)


def test_those_who_would_be_declined_are_gone_in_the_end():
    def risky(name: str) -> float:
        rows = phase("feedback-loop", name)
        p = CREDIT.with_inputs(CREDIT.draw(np.random.default_rng(0), len(rows.due)), rows.x).p
        return float((p > CREDIT.risk(0.9)).mean())

    assert risky("baseline") == pytest.approx(0.1, abs=0.01)
    assert risky("word-spreads") == pytest.approx(0.05, abs=0.01)
    assert risky("only-the-others") == 0


def test_a_new_channel_brings_the_young_and_the_poorer():
    now = phase("campaign", "campaign")
    new, old = now.where("channel", "unseen"), now.where("channel", "web")
    assert len(new.due) / len(now.due) == pytest.approx(0.3, abs=0.01)
    for feature, by in (("age", -0.8), ("income", -0.6)):
        difference = (new[feature].mean() - old[feature].mean()) / CREDIT.sd(feature)
        assert difference == pytest.approx(by, abs=0.06)


# --- Broken data ---------------------------------------------------------------------------------

FAULTS = [
    ("feature-missing", "unreachable"), ("feature-stuck", "stuck"), ("feature-swap", "exchanged"),
    ("feature-unit-change", "cents"), ("category-unseen", "translated"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "broken"), FAULTS)
def test_broken_data_leave_the_truth_as_it_is(name, broken):
    assert phase(name, broken).outcome.mean() == pytest.approx(CREDIT.prior, abs=0.01)


def test_data_break_as_the_summaries_say():
    assert np.isnan(phase("feature-missing", "unreachable")["payment_delay"]).all()
    assert set(phase("feature-stuck", "stuck")["utilisation"]) == {0.35}
    cents = phase("feature-unit-change", "cents")["income"]
    assert cents.mean() == pytest.approx(100 * CREDIT.mean("income"), rel=0.02)
    swapped = phase("feature-swap", "exchanged")
    assert swapped["loan_amount"].mean() == pytest.approx(CREDIT.mean("income"), rel=0.02)
    translated = phase("category-unseen", "translated")
    assert translated.share("home", "rent") == 0
    assert translated.share("home", "unseen") == pytest.approx(0.35, abs=0.01)
    before, now = (phase("timezone-shift", name) for name in ("baseline", "universal-time"))
    assert (before["hour"] >= 5).all()
    assert ((now["hour"] >= 10) | (now["hour"] < 5)).all()


# --- Ordinary days -------------------------------------------------------------------------------


def test_the_reference_s_rows_come_once_each():
    _, reference = RECIPES["credit"].split(load_dataset(DATA / "credit.npz"))
    sent = everything("a-vs-a")
    np.testing.assert_array_equal(sent.x, reference.x[: len(sent.x)])
    assert len(sent.x) > 0.99 * len(reference)


def test_a_season_brings_traffic_by_day_and_other_people_at_night():
    days = everything("daily-season")
    hour = days.due // 3600 % 24
    per_hour = np.bincount(hour.astype(int)) / 2
    assert per_hour[14] / per_hour[2] == pytest.approx(9, rel=0.1)
    night, day = days.of((hour < 8) | (hour >= 20)), days.of((hour >= 8) & (hour < 20))
    assert day.share("channel", "branch") == pytest.approx(0.3, abs=0.005)
    assert night.share("channel", "branch") == 0
    two_at_night, at_two = days.of(hour // 1 == 2), days.of(hour // 1 == 14)
    younger = (at_two["age"].mean() - two_at_night["age"].mean()) / CREDIT.sd("age")
    assert younger == pytest.approx(0.9 * 0.97, abs=0.1)


def test_the_seasonal_model_has_seen_the_weeks_of_its_scenarios():
    shipped = load_dataset(DATA / "seasonal-credit.npz")
    made = seasonal_credit()
    np.testing.assert_allclose(shipped.x, made.x, rtol=1e-6)
    np.testing.assert_array_equal(shipped.time, made.time)
    np.testing.assert_array_equal(shipped.outcome, made.outcome)
    weekend, *others = (
        find(name).schedule.phases for name in ("weekend", "daily-season", "holiday")
    )
    usual = set(weekend[0].drifts)
    assert all(usual <= set(phase.drifts) for phases in others for phase in phases)


def test_weekends_and_holidays_are_quiet():
    per_day = np.bincount((everything("weekend").due // 86_400).astype(int))
    assert per_day / per_day[0] == pytest.approx([1, 0.45, 0.3, 1], rel=0.01)
    friday, saturday = (
        everything("weekend").of(everything("weekend").due // 86_400 == day) for day in (0, 1)
    )
    larger = (saturday["loan_amount"].mean() - friday["loan_amount"].mean()) / CREDIT.sd(
        "loan_amount"
    )
    assert larger == pytest.approx(0.6, abs=0.05)
    per_day = np.bincount((everything("holiday").due // 86_400).astype(int))
    assert per_day / per_day[0] == pytest.approx([1, 0.1, 1], rel=0.01)


def test_traffic_leaps_and_dries_up():
    schedule = find("traffic-spike").schedule
    rise = schedule.phase_start("rise")
    assert schedule.rate_at(np.array([rise - 1, rise + 60])).tolist() == [1, 10]
    final = phase("traffic-lull", "final")
    assert len(final.due) / 3 == pytest.approx(7, abs=0.5)


def test_most_owners_have_a_mortgage_and_the_world_does_not_mind():
    before, now = (phase("harmless-drift", name) for name in ("baseline", "low-interest"))
    assert before.share("home", "own") == pytest.approx(0.25, abs=0.01)
    assert now.share("home", "own") == pytest.approx(0.05, abs=0.01)
    assert now.outcome.mean() == pytest.approx(CREDIT.prior, abs=0.015)


def test_every_summary_is_two_sentences_at_most():
    for scenario in catalogue():
        sentences = scenario.summary.count(". ") + scenario.summary.count("? ") + 1
        assert sentences <= 2, scenario.name


def test_what_is_allowed_of_real_flights_is_true_of_them():
    """What the file's comments say of the weeks, and that what may not fire has not moved."""
    dataset = load_dataset(DATA / "flights.npz")
    _, reference = RECIPES["flights"].split(dataset)
    sent = everything("real-flights")
    first = sum(map(len, RECIPES["flights"].split(dataset)))
    model = train(dataset, "flights", "1.0.0")
    week = (dataset.time[first:][: len(sent.x)] - dataset.time[first]) // (7 * 86_400)
    weeks = [week == number for number in range(36)]

    usual, scores = model.score(reference.x), model.score(sent.x)
    moved = [(scores[one].mean() - usual.mean()) / usual.std() for one in weeks]
    assert min(map(abs, moved)) > 0.34
    gaps = [(sent.outcome[one] - scores[one]).mean() for one in weeks]
    off = np.abs(np.array(gaps) - (reference.outcome - usual).mean()) > 0.02
    assert off.sum() == 27
    for feature in ("carrier", "origin"):
        then, now = (rows[:, sent.schema.index(feature)] for rows in (reference.x, sent.x))
        shares = [np.bincount(x.astype(int), minlength=17) / len(x) for x in (then, now)]
        assert np.abs(shares[0] - shares[1]).sum() / 2 < 0.03
    hours = [rows[:, sent.schema.index("hour")] for rows in (reference.x, sent.x)]
    assert abs(hours[0].mean() - hours[1].mean()) < 0.02 * hours[0].std()


def test_flights_follow_the_reference_in_their_order():
    dataset = load_dataset(DATA / "flights.npz")
    first = sum(map(len, RECIPES["flights"].split(dataset)))
    sent = everything("real-flights")
    np.testing.assert_array_equal(sent.x, dataset.x[first : first + len(sent.x)])
    weeks = (dataset.time[first + len(sent.x)] - dataset.time[first]) / (7 * 86_400)
    assert weeks == pytest.approx(36, abs=0.3)
