"""The study without a live service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from driftdrill.cli import app
from driftdrill.overhead import virtual


def test_a_thousand_times_the_traffic_has_the_same_series_and_about_the_same_disk(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(virtual, "_QUERY_ROUNDS", 2)  # how long they take is not looked at here
    file = tmp_path / "figures.json"
    arguments = ["--virtual", "--factors", "1,1000", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["overhead", *arguments, "--json", str(file)])
    figures = json.loads(file.read_text())

    assert done.exception is None, done.output
    assert figures["series_ratio"] == figures["head_series_ratio"] == 1
    assert 1 <= figures["scrape_bytes_ratio"] <= 1.15
    assert 1 <= figures["tsdb_bytes_per_hour_ratio"] <= 2
    assert figures["log_bytes_per_hour_ratio"] == 1000
    assert 0.5 < figures["scrape_cpu_seconds_ratio"] < 2
    assert len(figures["steps"]) == 2


def test_arguments_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    def said(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["overhead", "--out", str(tmp_path / "out"), *arguments])
        return str(done.exception)

    assert "expected at least two, ascending, above 0 and up to 1e+09" in said("--factors", "10,1")
    assert "expected numbers such as 1,10,100" in said("--factors", "one")
    assert "--target is a service that runs" in said("--virtual", "--target", "x.yaml")
