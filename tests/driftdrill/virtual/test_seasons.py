"""Days that repeat: silent where the artifact knows the hours, loud where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from driftdrill.drill import RULES, virtual_drill
from driftdrill.models import Service, artifact
from driftdrill.verdict import Verdict
from driftdrill.virtual import observe
from driftdrill.virtual.exposed import families
from driftdrill.virtual.selectors import everything
from driftdrill.virtual.service import VirtualService
from driftdrill.virtual.world import simulate
from scenarios.spec import find, load
from target_service.builds import USUAL
from target_service.contract import HOUR_S
from target_service.model import load as load_model

MODEL = "seasonal-credit"
DRIFT_RULES = tuple(p for p in RULES if p.stem in ("score_drift", "feature_drift", "segments"))


def drill(path: Path, out: Path) -> Verdict:
    return virtual_drill(
        load(path),
        days=None,
        seed=0,
        out=out,
        rules=DRIFT_RULES,
        engine="blocks",
        console=Console(quiet=True),
    )


@pytest.fixture
def half_a_day(tmp_path: Path) -> Path:
    """The first twelve hours of the shipped scenario."""
    path = tmp_path / "daily-season.yaml"
    text = find("daily-season").path.read_text()
    assert "duration: 2d" in text
    path.write_text(text.replace("duration: 2d", "duration: 12h"))
    return path


def fired(verdict: Verdict) -> set[str]:
    return {
        alert.labels.get("feature", alert.alert)
        for alert in verdict.alerts
        if alert.firing_at is not None
    }


def test_a_cycle_of_half_a_standard_deviation_fires_without_the_hours_and_not_with_them(
    half_a_day, tmp_path, monkeypatch
):
    knowing = drill(half_a_day, tmp_path / "knowing")
    assert (knowing.outcome, fired(knowing)) == ("pass", set())

    pooled = msgspec.structs.replace(load_model(artifact(MODEL)), season=None)
    pooled.save(tmp_path / "pooled")
    monkeypatch.setattr(
        observe, "service", lambda drill: Service({USUAL: tmp_path / "pooled"}, drill.fleet)
    )
    without = drill(half_a_day, tmp_path / "without")
    assert without.outcome == "fail"
    assert {"age", "utilisation", "channel", "ScoreDrift"} <= fired(without)


def test_a_drift_among_the_hours_is_found(half_a_day, tmp_path):
    drifts, text = "    drifts:\n", half_a_day.read_text()
    usual = text.partition(drifts)[2]
    moved = "      - {kind: covariate-shift, feature: debt_ratio, shift: 0.8}\n"
    half_a_day.write_text(
        text.replace("duration: 12h", "duration: 9h")
        + "  - name: recession\n    duration: 3h\n" + drifts + usual + moved
        + "expect:\n"
        "  - {alert: FeatureDrift, labels: {feature: debt_ratio}, within: 20m}\n"
        "  - {alert: ScoreDrift, within: 30m}\n"
        "allow: [{alert: SegmentDrift}]\n"
    )  # fmt: skip
    verdict = drill(half_a_day, tmp_path / "out")
    assert (verdict.outcome, verdict.reasons) == ("pass", ())


def last_values(rows_drawn: float) -> tuple[VirtualService, Mapping[str, np.ndarray], np.ndarray]:
    """Every series at 02:00 and at the end, and what was counted, of a night's three hours."""
    scenario = find("daily-season")
    (phase,) = scenario.schedule.phases
    night = replace(
        scenario, schedule=replace(scenario.schedule, phases=(replace(phase, duration=3 * HOUR_S),))
    )
    service = VirtualService(artifact(MODEL))
    history = simulate(night, {USUAL: service}, 0, 15.0, lambda _: None, rows_drawn=rows_drawn)
    shown = {
        name: values
        for family in families(history, night.fleet, 0.0, 0, 0.0, everything)
        for name, _, values in family.series
    }
    return service, shown, history.processes[0].counted


@pytest.mark.parametrize("rows_drawn", [0, np.inf])
def test_each_row_is_weighed_by_its_hour_however_rows_are_counted(rows_drawn):
    service, _, counted = last_values(rows_drawn)
    scrapes = np.arange(7.5, 3 * HOUR_S, 15.0)
    again = np.diff(counted, axis=1, prepend=0.0)
    evidence = [place for key, place in service.positions.items() if key[0] == "evidence"]
    expected = again.copy()
    service.weigh(expected, service.slots(find("daily-season").schedule.calendar(scrapes - 7.5)))
    for place in evidence:
        # The rows of one scrape interval may lie on both sides of the hour.
        np.testing.assert_allclose(
            expected[place].sum(axis=1), again[place].sum(axis=1), rtol=0.005
        )


def test_the_reference_changes_with_the_hour():
    _, shown, _ = last_values(np.inf)
    name = next(
        n for n in shown if n.startswith("model_feature_reference_cdf") and 'ure="age"' in n
    )
    assert len(set(shown[name].tolist())) == 3
    constant = next(n for n in shown if n.startswith("model_score_reference_sd"))
    assert len(set(shown[constant].tolist())) == 1
