"""A drill on real servers, kept: other rules are held against it without new traffic."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from driftdrill.drill import RULES
from driftdrill.rig.tools import find_tools

pytestmark = pytest.mark.live

SCENARIO = """
name: recorded
summary: Incomes halve, to be recorded.
model: credit
traffic:
  rate: 2
phases:
  - name: baseline
    duration: 10m
  - name: recession
    duration: 15m
    drifts:
      - kind: covariate-shift
        feature: income
        shift: -1
expect:
  - alert: FeatureDrift
    labels: {feature: income}
    within: 10m
allow:
  - alert: ScoreDrift
  - alert: SegmentDrift
  - alert: FeatureOutOfRange
"""

FEATURE_RULES = next(path for path in RULES if path.stem == "feature_drift")

NOISE_S = 60 + 15 + 60
"""How far apart the two delays may be: see docs/virtual.md."""


def driftdrill(folder: Path, *arguments: str | Path) -> int:
    command = [sys.executable, "-m", "driftdrill", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, check=False, timeout=240).returncode


def delay_of(verdict: Path) -> float:
    lines = json.loads(verdict.read_text())["expectations"]
    (delay,) = [line["delay_s"] for line in lines if line["kind"] == "fires"]
    return float(delay)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where a drill was recorded, as `recording`; what it left is in `runs`."""
    folder = tmp_path_factory.mktemp("record")
    (folder / "drill.yaml").write_text(SCENARIO)
    assert driftdrill(folder, "record", "drill.yaml", "recording", "--live", "--speed", "60") == 0
    return folder


def test_the_same_rules_say_of_the_recording_what_they_said_live(folder):
    assert driftdrill(folder, "run", "--replay", "recording", "--out", "same") == 0
    (live,) = folder.glob("runs/*/verdict.json")
    assert abs(delay_of(folder / "same/verdict.json") - delay_of(live)) <= NOISE_S


def test_a_rule_that_became_deaf_fails_on_the_recording(folder):
    deaf = folder / "deaf.yml"
    deaf.write_text(FEATURE_RULES.read_text().replace("threshold > 1", "threshold > 1e6"))
    assert driftdrill(folder, "run", "--replay", "recording", "--rules", deaf, "--out", "d") == 1


def test_promtool_reads_the_recording_without_us(folder):
    promtool = find_tools().promtool.path
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=800h"]
    metrics, data = folder / "recording" / "metrics.om", folder / "data"
    (data / "wal").mkdir(parents=True)  # without it `dump` of 2.53 sees no database
    subprocess.run([*command, metrics, data], check=True, capture_output=True, timeout=60)
    dumped = subprocess.run(
        [promtool, "tsdb", "dump"],
        cwd=folder, check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    assert 'feature="income"' in dumped
    assert "model_score_bucket" in dumped
