"""Scenario files: what they mean, and what is said of those that mean nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scenarios.expectations import Allow, Resolve
from scenarios.spec import CATALOGUE, catalogue, duration, find, load
from scenarios.yamlfile import BadFileError
from simulators.drifts import CovariateShift
from target_service.contract import DATA, RECIPES, load_dataset

GOOD = """\
name: my-drill
summary: Incomes fall.
model: credit
traffic: {rate: 5}
labels: {delay: 10m, coverage: 0.5}
phases:
  - name: baseline
    duration: 10m
  - name: recession
    duration: 20m
    rate: [5, 10]
    drifts:
      - kind: covariate-shift
        feature: income
        shift: -1
        intensity: [0, 1]
expect:
  - alert: FeatureDrift
    labels: {feature: income}
    within: 5m
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_a_scenario_is_what_its_file_says(tmp_path):
    scenario = load(write(tmp_path, GOOD))
    assert (scenario.name, scenario.label_delay, scenario.label_coverage) == ("my-drill", 600, 0.5)
    recession = scenario.schedule.phases[1]
    assert (recession.duration, recession.rate.start, recession.rate.end) == (1200, 5, 10)
    assert recession.drifts[0].drift == CovariateShift("income", -1)
    (expect,) = scenario.expects
    assert (expect.alert, expect.onset, expect.within) == ("FeatureDrift", 600, 300)


def test_an_alert_can_be_allowed_and_must_resolve_after_the_change(tmp_path):
    text = GOOD.replace("within: 5m", "within: 5m\n    resolves: 8m")
    calm = "  - name: calm\n    duration: 10m\nexpect:"
    text = text.replace("expect:", calm) + "allow:\n  - alert: ScoreDrift\n"
    late = "  - alert: NoTraffic\n    labels: {job: x}\n    after: calm\n"
    scenario = load(write(tmp_path, text + late))
    assert scenario.expects[0].resolve == Resolve(end=1800, within=480)
    assert scenario.allows == (
        Allow("ScoreDrift", {}, onset=600), Allow("NoTraffic", {"job": "x"}, onset=1800),
    )  # fmt: skip


def test_an_alert_that_follows_no_drift_must_resolve_after_its_phase(tmp_path):
    text = GOOD.replace("within: 5m", "within: 5m\n    after: baseline\n    resolves: 8m")
    assert load(write(tmp_path, text)).expects[0].resolve == Resolve(end=600, within=480)


def test_where_nothing_drifts_an_alert_is_allowed_from_the_start(tmp_path):
    calm = GOOD[: GOOD.index("  - name: recession")] + "allow:\n  - alert: ScoreDrift\n"
    assert load(write(tmp_path, calm)).allows == (Allow("ScoreDrift", {}, onset=0),)


def test_every_shipped_scenario_loads_under_its_own_name():
    scenarios = catalogue()
    assert {s.name for s in scenarios} >= {
        "steady", "covariate-sudden", "covariate-gradual", "concept-sudden",
    }  # fmt: skip
    assert [s.name for s in scenarios] == [path.stem for path in sorted(CATALOGUE.iterdir())]
    assert find("steady").expects == ()


BAD = {
    "unknown key": ("shift: -1", "shfit: -1", 15, "phases[1].drifts[0].shfit", "known: kind"),
    "unknown top key": ("traffic:", "trafic:", 4, "trafic", "known: name, summary, model"),
    "wrong type": ("rate: 5}", "rate: fast}", 4, "traffic.rate", "Expected `int | float | array`"),
    "negative rate": ("rate: 5}", "rate: -5}", 4, "traffic.rate", "not negative"),
    "infinite rate": ("rate: 5}", "rate: .inf}", 4, "traffic.rate", "finite"),
    "nan rate": ("rate: 5}", "rate: .nan}", 4, "traffic.rate", "finite"),
    "bad duration": ("duration: 10m", "duration: 10 minutes", 8, "phases[0].duration", "30m"),
    "no duration": ("duration: 10m", "duration: 0s", 8, "phases[0].duration", "more than nothing"),
    "unknown model": ("model: credit", "model: debit", 3, "model", "known: credit, flights"),
    "unknown drift": ("covariate-shift", "voodoo", 13, "phases[1].drifts[0].kind", "known: cov"),
    "shift of nan": ("shift: -1", "shift: .nan", 15, "phases[1].drifts[0].shift", "up to"),
    "endless shift": ("shift: -1", "shift: .inf", 15, "phases[1].drifts[0].shift", "up to"),
    "shift in words": ("shift: -1", "shift: low", 15, "phases[1].drifts[0].shift", "`float`"),
    "rate with 400 digits": ("rate: 5}", f"rate: {'9' * 400}}}", 4, "traffic.rate", "large"),
    "duration with 400 digits": ("duration: 10m", f"duration: {'9' * 400}m", 8,
                                 "phases[0].duration", "large"),
    "a century": ("duration: 10m", "duration: 5200w", 6, "phases", "366 days"),
    "nested without end": ("model: credit", f"model: {'[' * 3000}{']' * 3000}", 3, "", "nested"),
    "unknown feature": ("feature: income\n        s", "feature: shoes\n        s", 14,
                        "phases[1].drifts[0].feature", "no numeric feature 'shoes'"),
    "intensity above one": ("[0, 1]", "[0, 2]", 16, "phases[1].drifts[0].intensity", "0 to 1"),
    "phase named twice": ("name: recession", "name: baseline", 9, "phases[1].name", "of its own"),
    "unknown phase": ("within: 5m", "within: 5m\n    after: never", 21, "expect[0].after", "known"),
    "deadline past the end": ("within: 5m", "within: 5h", 20, "expect[0].within", "up to 1200s"),
    "key given twice": ("model: credit", "model: credit\nmodel: credit", 4, "model", "twice"),
    "name with slashes": ("name: my-drill", "name: ../my", 1, "name", "words-joined-by-dashes"),
    "coverage above one": ("coverage: 0.5", "coverage: 5", 5, "labels.coverage", "0 to 1"),
    "alias": ("model: credit", "model: &a credit\nlabels: *a", 4, "", "aliases"),
    "tag": ("model: credit", "model: !!python/name:os.system x", 3, "", "not YAML"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "key", "hint"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_named_by_file_line_and_key(tmp_path, old, new, line, key, hint):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(BadFileError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: {key}"), message
    assert hint in message


def test_a_missing_key_is_named(tmp_path):
    with pytest.raises(BadFileError, match=r"mine\.yaml:1: Object missing required field `model`"):
        load(write(tmp_path, GOOD.replace("model: credit\n", "")))


def test_a_scenario_without_a_change_must_say_what_its_alerts_are_to_find(tmp_path):
    document = yaml.safe_load(GOOD)
    del document["phases"][1]["drifts"]
    with pytest.raises(BadFileError, match=r"expect\[0\].after: no phase drifts"):
        load(write(tmp_path, yaml.dump(document)))


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no scenario 'stedy'; known: .*covariate-sudden"):
        find("stedy")
    with pytest.raises(BadFileError, match="cannot be read"):
        find("nowhere/at-all.yaml")


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_a_scenario_or_one_clean_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "any.yaml"
    path.write_text(text)
    with pytest.raises(BadFileError):
        load(path)


def test_durations_are_those_of_prometheus():
    assert [duration(text) for text in ("500ms", "90s", "1h30m", "1w")] == [0.5, 90, 5400, 604_800]
    for text in ("", "5", "h", "1h 30m", "-5m", "1.5h"):
        with pytest.raises(ValueError, match="expected a duration"):
            duration(text)


def test_a_season_is_read_hour_by_hour_from_monday_s_first(tmp_path):
    season = "{rate: 5, season: {daily: {swing: 0.5, peak: 12}, weekly: [1, 1, 1, 1, 1, 0.5, 0]}}"
    schedule = load(write(tmp_path, GOOD.replace("{rate: 5}", season))).schedule
    factors = schedule.season.factors
    assert len(factors) == 168
    assert max(factors[:24]) == factors[11] == pytest.approx(factors[12])
    assert sum(factors[:24]) == pytest.approx(24)
    assert factors[5 * 24 + 11] == pytest.approx(factors[11] / 2)
    assert set(factors[6 * 24 :]) == {0}


def test_a_scenario_begins_on_the_weekday_that_it_says(tmp_path):
    season = "{rate: 5, season: {weekly: [1, 1, 1, 1, 1, 0.5, 0]}}\nbegins: friday"
    schedule = load(write(tmp_path, GOOD.replace("{rate: 5}", season))).schedule
    assert (
        datetime.fromtimestamp(schedule.calendar(np.zeros(1))[0], UTC).strftime("%a %T")
        == "Fri 00:00:00"
    )
    longer = replace(schedule, phases=(replace(schedule.phases[0], duration=4 * 86_400.0),))
    days = 86_400.0 * np.arange(4)
    np.testing.assert_allclose(longer.rate_at(days), [5, 2.5, 0, 5])
    assert longer.arrivals_until(3 * 86_400.0) == pytest.approx(7.5 * 86_400)
    with pytest.raises(BadFileError, match="begins"):
        load(write(tmp_path, GOOD.replace("{rate: 5}", season.replace("friday", "fri"))))


@pytest.mark.parametrize(
    ("season", "key", "hint"),
    [
        ("{daily: [1, 2]}", "traffic.season", "expected 24 numbers in daily, got 2"),
        ("{weekly: [1]}", "traffic.season", "expected 7 numbers in weekly, got 1"),
        ("{daily: {swing: 2, peak: 3}}", "traffic.season", "a swing from 0 to 1"),
        ("{daily: {swing: 1, peak: 24}}", "traffic.season", "below 24"),
        ("{daily: {swing: 1, top: 3}}", "traffic.season.daily.top", "known: swing, peak"),
        ("{weekly: [1, 1, 1, 1, 1, 1, -1]}", "traffic.season", "not negative"),
        ("{yearly: [1]}", "traffic.season.yearly", "known: daily, weekly"),
    ],
)
def test_a_season_that_is_none_is_named(tmp_path, season, key, hint):
    path = write(tmp_path, GOOD.replace("{rate: 5}", f"{{rate: 5, season: {season}}}"))
    with pytest.raises(BadFileError, match=hint) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}:4: {key}: ")


def test_the_season_of_a_drift_keeps_its_shares_below_one(tmp_path):
    season = "        season: {weekly: [1, 1, 1, 1, 1, 1, 1.5]}\n        intensity: [0, "
    with pytest.raises(BadFileError, match="after the season"):
        load(write(tmp_path, GOOD.replace("        intensity: [0, ", season)))
    text = GOOD.replace("        intensity: [0, 1]", season + "0.5]\n        harmless: true")
    path = write(tmp_path, text.partition("expect:")[0])
    ((active,),) = (phase.drifts for phase in load(path).schedule.phases[1:])
    assert active.harmless
    assert active.season.factors[-1] == 1.5


@pytest.mark.parametrize("source", ["reference", "following"])
def test_recorded_rows_come_one_after_the_other(tmp_path, source):
    head = GOOD.partition("phases:")[0].replace("credit", f"flights\nsource: {source}")
    path = write(tmp_path, head + "phases: [{name: all, duration: 1h}]\n")
    block = load(path).stream(0).block(0)
    dataset = load_dataset(DATA / "flights.npz")
    fitted_on, reference = RECIPES["flights"].split(dataset)
    first = len(fitted_on) + (len(reference) if source == "following" else 0)
    np.testing.assert_array_equal(block.x, dataset.x[first : first + len(block)])
    np.testing.assert_array_equal(block.outcome, dataset.outcome[first : first + len(block)])


def test_a_record_that_ends_with_its_reference_has_nothing_that_follows(tmp_path):
    text = GOOD.replace("model: credit", "model: credit\nsource: following")
    with pytest.raises(BadFileError, match=r":4: source: the record of credit ends"):
        load(write(tmp_path, text))


def test_a_folder_of_scenarios_takes_the_place_of_the_catalogue(tmp_path):
    (tmp_path / "my-drill.yaml").write_text(GOOD)
    assert [scenario.name for scenario in catalogue(tmp_path)] == ["my-drill"]
    assert find("my-drill", tmp_path).path == tmp_path / "my-drill.yaml"
    with pytest.raises(ValueError, match="no scenario 'steady'; known: my-drill; or"):
        find("steady", tmp_path)
    with pytest.raises(ValueError, match="nowhere is not a folder of scenarios"):
        catalogue(tmp_path / "nowhere")
