"""Virtual drills from the command line's side, on the real engines."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from driftdrill.cli import app
from driftdrill.drill import RULES, replay, virtual_drill
from driftdrill.recordings import export_drill, record_drill
from driftdrill.rig.errors import UsageError
from driftdrill.virtual.engine import EngineName
from driftdrill.virtual.recording import read_recording, recorded_scenario
from scenarios.spec import find

QUIET = Console(quiet=True)
SCORE_RULES = tuple(path for path in RULES if path.stem == "score_drift")


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recording") / "covariate-sudden"
    record_drill(find("covariate-sudden"), folder, days=None, seed=0, console=QUIET)
    return folder


def run(
    name: str,
    out: Path,
    rules=RULES,
    seed: int = 0,
    days: float | None = None,
    engine: EngineName = "promtool",
):
    return virtual_drill(
        find(name), days=days, seed=seed, out=out, rules=rules, engine=engine, console=QUIET
    )


def deaf(tmp_path: Path) -> Path:
    """A rule file whose alert has lost its hearing."""
    path = tmp_path / "deaf.yml"
    path.write_text(SCORE_RULES[0].read_text().replace("threshold > 1", "threshold > 100"))
    return path


def test_a_virtual_drill_has_no_clock_and_nobody_to_notify(tmp_path):
    verdict = run("covariate-sudden", tmp_path / "out", engine="blocks")
    assert (verdict.outcome, verdict.reasons) == ("pass", ())
    assert (verdict.mode, verdict.speed) == ("virtual", 0.0)
    assert {alert.notified_at for alert in verdict.alerts} == {None}


def test_equal_seeds_give_equal_bytes_and_other_seeds_others(tmp_path):
    for out, seed in (("a", 3), ("b", 3), ("c", 4)):
        run("covariate-gradual", tmp_path / out, SCORE_RULES, seed)
    a, b, c = ((tmp_path / out / "verdict.json").read_bytes() for out in "abc")
    assert a == b
    assert a != c


def test_days_stretch_the_calm_before_the_drift(tmp_path):
    verdict = run("covariate-sudden", tmp_path / "out", SCORE_RULES, days=0.25)
    (alert,) = verdict.alerts
    assert verdict.requests.sent == 0.25 * 86_400 * 5
    assert alert.firing_at > 0.25 * 86_400 - 2400
    assert [line.outcome for line in verdict.expectations if line.alert == "ScoreDrift"] == ["pass"]


def test_a_recording_judges_other_rules_without_new_traffic(recording, tmp_path):
    def held_against(rules, out):
        return replay(recording, out=tmp_path / out, rules=rules, engine="promtool", console=QUIET)

    lines = {line.alert: line for line in held_against(SCORE_RULES, "as-shipped").expectations}
    assert (lines["ScoreDrift"].outcome, lines["FeatureDrift"].outcome) == ("pass", "fail")
    assert "ScoreDrift did not fire" in held_against((deaf(tmp_path),), "deaf").reasons[-1]


def test_a_replay_says_what_the_drill_itself_said(recording, tmp_path):
    drilled = run("covariate-sudden", tmp_path / "drilled")
    replayed = replay(
        recording, out=tmp_path / "replayed", rules=RULES, engine="promtool", console=QUIET
    )
    assert replayed == drilled


def test_a_recording_remembers_its_drill(recording, tmp_path):
    about = read_recording(recording)
    assert (about.scenario, about.seed, about.duration) == ("covariate-sudden", 0, 3600.0)
    folder = tmp_path / "longer"
    record_drill(find("covariate-sudden"), folder, days=0.1, seed=0, console=QUIET)
    assert recorded_scenario(folder).schedule.duration == read_recording(folder).duration == 8640


def test_what_is_no_recording_and_what_is_in_use_are_refused(recording, tmp_path):
    with pytest.raises(UsageError, match="is not a recording"):
        read_recording(tmp_path)
    with pytest.raises(UsageError, match="has leftovers in it"):
        record_drill(find("steady"), recording, days=None, seed=0, console=QUIET)


def test_exported_tests_pass_on_promtool_alone_and_notice_a_deaf_rule(tools, tmp_path):
    def promtool(rules) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "drill_test.yml"
        export_drill(find("covariate-sudden"), path, seed=0, rules=rules, console=QUIET)
        return subprocess.run(
            [tools.promtool.path, "test", "rules", path], capture_output=True, text=True
        )

    assert promtool(RULES).returncode == 0
    others = tuple(path for path in RULES if path not in SCORE_RULES)
    failed = promtool((*others, deaf(tmp_path)))
    assert failed.returncode == 1
    assert (failed.stdout + failed.stderr).count("got: nil") == 1


def test_the_command_line_runs_records_and_replays(tmp_path):
    def driftdrill(*arguments: str | Path) -> int:
        return (
            CliRunner().invoke(app, list(map(str, arguments)), standalone_mode=False).return_value
        )

    rules = ("--rules", SCORE_RULES[0], "--engine", "promtool")
    assert driftdrill("record", "steady", tmp_path / "steady", "--seed", "1") == 0
    assert driftdrill("run", "--replay", tmp_path / "steady", "--out", tmp_path / "a", *rules) == 0
    assert driftdrill("run", "steady", "--virtual", "--out", tmp_path / "b", *rules) == 0
    verdict = msgspec.json.decode((tmp_path / "b/verdict.json").read_bytes())
    assert (verdict["mode"], verdict["outcome"]) == ("virtual", "pass")
    assert (tmp_path / "b/report.html").exists()
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        "drill.json", "junit.xml", "report.html", "rules", "summary.md", "verdict.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "steady", "--live", "--virtual"],
        ["run", "steady", "--days", "2"],
        ["run", "steady", "--replay", "x"],
        ["record", "steady", "x", "--live", "--days", "2"],
    ],
    ids=" ".join,
)
def test_options_that_exclude_each_other_are_refused(arguments):
    result = CliRunner().invoke(app, arguments, standalone_mode=False)
    assert isinstance(result.exception, UsageError)
