"""Counting alarms, delays and misses; and the chart that no rule can beat."""

import math

import numpy as np
import pytest

from driftdrill.certify.certificate import alarms, calm, curve, delays
from driftdrill.certify.oracle import oracle
from driftdrill.certify.trial import SENSITIVITIES, AlertLives, Trial, TrialResult, at_effect
from driftdrill.models import artifact
from driftdrill.virtual.service import VirtualService
from scenarios.spec import find

ONE = SENSITIVITIES.index(1.0)


def result(*firing: float, exceeded: tuple[float, ...] = (), **labels: str) -> TrialResult:
    curves = tuple(exceeded if number <= ONE else () for number in range(len(SENSITIVITIES)))
    lives = (AlertLives("A", labels, firing, curves if exceeded else ()),)
    return TrialResult(7200.0, {"mine": ("A",)}, {"mine": lives})


def test_without_an_alarm_the_run_length_has_a_lower_bound_alone():
    found = calm(0, 10_000, 60.0)
    assert found.arl_low == pytest.approx(10_000 / -math.log(0.05))
    assert math.isnan(found.arl)
    assert math.isnan(found.arl_high)


def test_the_bounds_hold_for_nineteen_in_twenty_poisson_counts():
    rng = np.random.default_rng(0)
    counts = rng.poisson(5.0, 2000)
    low = np.mean([calm(int(n), 5000, 60.0).arl_low <= 1000 for n in counts])
    high = np.mean([not calm(int(n), 5000, 60.0).arl_high < 1000 for n in counts])
    assert low >= 0.95
    assert high >= 0.95


def test_false_alarms_are_counted_per_30_days_over_all_instances():
    found = calm(alarms([result(60.0, 120.0), result(300.0)], "mine", "A"), 4320, 60.0)
    assert found.alarms == 3
    assert found.false_alarms_per_30d == pytest.approx(30.0)


def test_a_delay_counts_from_the_onset_and_an_alarm_before_it_is_early_not_fast():
    trials = [result(700.0), result(650.0, 2000.0), result(100.0, 700.0), result()]
    assert delays(trials, "mine", "A", {}, 600.0) == ([50.0, 100.0], 1, 1)


def test_only_the_instance_with_the_labels_counts():
    trials = [result(700.0, feature="income"), result(610.0, feature="age")]
    assert delays(trials, "mine", "A", {"feature": "income"}, 600.0) == ([100.0], 1, 0)


def test_a_higher_threshold_gives_fewer_false_alarms_and_more_misses():
    points = curve(
        [result(exceeded=(60.0, 120.0))], [result(exceeded=(900.0,))], "mine", "A", {}, 600.0
    )
    assert points[ONE].false_alarms_per_30d == pytest.approx(2 * 30 * 12)
    assert points[ONE].delay_mean == 300.0
    assert points[ONE + 1].false_alarms_per_30d == 0
    assert points[ONE + 1].missed == 1


def test_at_no_effect_the_world_is_calm_and_at_half_half_as_many_rows_change():
    scenario = find("covariate-sudden")
    quiet = at_effect(scenario, 0.0, 2.0).schedule
    assert quiet.duration == 2 * 86_400
    assert not any(phase.drifts for phase in quiet.phases)
    half = at_effect(scenario, 0.5, 2.0).schedule
    assert [d.intensity.start for p in half.phases for d in p.drifts] == [0.5]


@pytest.mark.parametrize("changed", ["rules.yml", "model/model.json"])
def test_a_trial_of_changed_rules_or_of_another_model_is_another_one(tmp_path, changed):
    rules, model = tmp_path / "rules.yml", tmp_path / "model"
    model.mkdir()
    rules.write_text("groups: []\n")
    (model / "model.json").write_text("{}")
    scenario = str(find("steady").path)
    one = Trial(scenario, 0.0, 1.0, 0, {"mine": (str(rules),)}, (str(model),))
    before = one.key
    assert before == one.key
    (tmp_path / changed).write_text("{} # changed\n")
    assert before != one.key


def test_the_oracle_finds_a_stronger_change_sooner_and_waits_for_rarer_alarms():
    service = VirtualService(artifact("credit"))
    scenario = find("covariate-sudden")
    weak, strong = (
        oracle(at_effect(scenario, effect, 0.0), service, "income") for effect in (0.25, 1.0)
    )
    onset, seeds = 1200.0, range(4)
    slow, fast = (np.mean(one.delays(seeds, onset, 1e5)) for one in (weak, strong))
    assert 0 < fast < slow < 600
    assert strong.threshold(1e8) == pytest.approx(strong.threshold(1e5) + math.log(1e3))


def test_the_oracle_alarms_as_seldom_as_it_is_told():
    chart = oracle(find("covariate-sudden"), VirtualService(artifact("credit")), "score")
    limit, rng = chart.threshold(1e4), np.random.default_rng(5)
    times = []
    for _ in range(100):
        nats = chart.calm[rng.integers(len(chart.calm), size=60_000)]
        total = np.cumsum(nats)
        level = total - np.minimum(np.minimum.accumulate(total), 0.0)
        times.append(int(np.argmax(level >= limit)) if level.max() >= limit else 60_000)
    assert np.mean(times) == pytest.approx(1e4, rel=0.3)
