"""One drill of each group of the catalogue, live and virtually: as stated, and the same of both.

What happens and what is expected are the catalogue's. The phases are only as long as windows and
deadlines take, and the traffic is so light that two drills leave the machine time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from scenarios.spec import CATALOGUE

pytestmark = pytest.mark.live

DRILLS = {
    "rolling-restart": ("10m", "10m", "10m"),  # benign
    "concept-sudden": ("15m", "31m"),  # drift of outcomes
    "covariate-gradual": ("20m", "60m"),  # drift of inputs
    "feature-unit-change": ("15m", "31m"),  # broken data
    "score-collapse": ("15m", "11m"),  # broken deployment
    "service-down": ("10m", "10m", "8m"),  # operations
}
"""How long their phases are."""

RATE = 2
OWN_RATE = {"covariate-gradual"}
"""Where a statistic rises slowly: with fewer rows it crosses its threshold now or minutes later."""

SPEED = 60

NOISE_S = 60 + 15 + 60
"""How far the delays of one alert may be apart: an evaluation comes up to a minute later after the
same change, it sees up to one scrape more or less, and so a statistic that is close to its
threshold passes it an evaluation sooner or later."""

Verdicts = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("smoke")
    (folder / "drills").mkdir()
    for name, durations in DRILLS.items():
        document = yaml.safe_load((CATALOGUE / f"{name}.yaml").read_text())
        for phase, duration in zip(document["phases"], durations, strict=True):
            phase["duration"] = duration
        if name not in OWN_RATE:
            document["traffic"]["rate"] = RATE
        text = yaml.safe_dump(document, sort_keys=False)
        (folder / "drills" / f"{name}.yaml").write_text(text)
    return folder


def suite(folder: Path, mode: str, *arguments: str) -> tuple[int, str, Verdicts]:
    """Exit code, what was said, and the verdicts, once a suite has ended."""
    out = folder / mode
    own = ["--scenarios", str(folder / "drills"), "--out", str(out), f"--{mode}"]
    command = [sys.executable, "-m", "driftdrill", "suite", *own, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    files = sorted(out.glob("*/verdict.json"))
    verdicts = {file.parent.name: json.loads(file.read_text()) for file in files}
    return done.returncode, done.stdout + done.stderr, verdicts


@pytest.fixture(scope="module")
def live(folder) -> tuple[int, str, Verdicts]:
    return suite(folder, "live", "--speed", str(SPEED), "--jobs", "2")


@pytest.fixture(scope="module")
def virtual(folder) -> tuple[int, str, Verdicts]:
    return suite(folder, "virtual")


def test_a_drill_of_each_group_passes_on_real_servers(live):
    code, said, verdicts = live
    assert code == 0, said
    assert set(verdicts) == set(DRILLS)


def test_every_alert_is_marked_as_one_of_a_drill_and_labelled_as_in_a_virtual_one(live, virtual):
    seen, computed = (
        {
            (name, alert["alert"], *sorted(alert["labels"].items()))
            for name, verdict in verdicts.items()
            for alert in verdict["alerts"]
            if alert["firing_at"] is not None
        }
        for verdicts in (live[2], virtual[2])
    )
    assert all(("drill", "true") in labels for _, _, *labels in seen)
    expected = {("concept-sudden", "ModelQualityDegraded"), ("score-collapse", "ScoreCollapse")}
    assert expected < {(name, alert) for name, alert, *_ in seen & computed}


def test_a_virtual_drill_says_what_the_live_one_says_and_when(live, virtual):
    for name in DRILLS:
        seen, computed = live[2][name], virtual[2][name]
        assert seen["outcome"] == computed["outcome"]
        for one, other in zip(seen["expectations"], computed["expectations"], strict=True):
            assert (one["alert"], one["kind"]) == (other["alert"], other["kind"])
            if one["delay_s"] is not None:
                assert abs(one["delay_s"] - other["delay_s"]) <= NOISE_S, (name, one, other)
