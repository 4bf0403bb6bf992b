"""From a CSV of one's own to a drill of one's own service."""

import csv
import math
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from driftdrill import checks
from driftdrill.init import RULES, Own, init
from driftdrill.rig.errors import UsageError
from driftdrill.rig.ports import lease_port
from scenarios.spec import load
from scenarios.target import load_target
from target_service.contract import DATA, load_dataset
from target_service.metrics import ModelMetrics
from target_service.model import load_reference

SCORER = Path(__file__).parents[1] / "peers" / "instrumented_scorer.py"
ROWS = 4000
START_LIMIT_S = 30.0


def write_rows(path: Path, count: int = ROWS) -> Path:
    """Rows as a company may have them: inputs, who it was, what the model said, what came true."""
    dataset = load_dataset(DATA / "credit.npz")[:count]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["customer", *dataset.schema.names, "risk", "defaulted"])
        writer.writeheader()
        rows = dataset.schema.decode(dataset.x)
        for number, (row, outcome) in enumerate(zip(rows, dataset.outcome.tolist(), strict=True)):
            score = 1 / (1 + math.exp(2 - 4 * row["debt_ratio"] - row["utilisation"]))
            told = {"customer": f"c-{number}", "risk": score, "defaulted": outcome}
            writer.writerow({**row, **told})
    return path


def own(rows: Path, url: str = "http://127.0.0.1:8000") -> Own:
    return Own("loans", rows, "risk", "defaulted", url)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("own")
    said = list(init(made / "drills", own(write_rows(made / "holdout.csv"))))
    assert any("left out" in line and "'customer' holds 4000" in line for line in said)
    return made / "drills"


def test_everything_that_is_written_is_valid(folder):
    target = load_target(folder / "service.yaml")
    scenarios = [load(path) for path in sorted((folder / "scenarios").iterdir())]
    assert [s.name for s in scenarios] == [
        "loans-age-shift", "loans-debt-ratio-shift", "loans-income-shift", "loans-steady",
    ]  # fmt: skip
    assert {scenario.model for scenario in scenarios} == {target.model}
    assert [path.name for path in target.rules] == list(RULES)
    checks.check_rules(target.rules, 60)


def test_the_reference_is_exposed_without_metrics_of_http(folder):
    reference = load_reference(folder / "reference.json")
    metrics = ModelMetrics(reference, None)
    metrics.observe_rows([{"age": 31, "home": "boat", "unknown": 1}], [0.5])
    text = metrics.expose()[0].decode()
    assert 'model_score_count{model="loans",version="1"} 1.0' in text
    assert 'model_feature_missing_total{feature="income",model="loans",version="1"} 1.0' in text
    assert "http_request" not in text
    assert "customer" not in text


def test_a_folder_in_use_and_rows_that_do_not_fit_are_refused(folder, tmp_path):
    few = write_rows(tmp_path / "few.csv", 20)
    with pytest.raises(UsageError, match="leftovers"):
        list(init(folder, own(folder.parent / "holdout.csv")))
    with pytest.raises(UsageError, match="20 rows; a reference takes 1000 or more"):
        list(init(tmp_path / "out", own(few)))
    with pytest.raises(ValueError, match="no column 'score'; it has: customer, age"):
        list(init(tmp_path / "out", Own("loans", few, "score", "defaulted", "http://x")))
    with pytest.raises(UsageError, match="words-joined-by-dashes"):
        list(init(tmp_path / "out", Own("My Loans", few, "risk", "defaulted", "http://x")))
    assert not (tmp_path / "out").exists()


@pytest.mark.live
def test_a_service_with_the_three_lines_is_drilled_for_drift(run, tmp_path, monkeypatch):
    rows = write_rows(tmp_path / "holdout.csv")
    with lease_port(8400) as lease, (tmp_path / "scorer.log").open("wb") as log:
        folder, url = tmp_path / "drills", f"http://{lease.address}"
        list(init(folder, own(rows, url)))
        (folder / "service.yaml").write_text(
            (folder / "service.yaml").read_text() + "metrics: /metrics/\n"
        )
        path = folder / "scenarios" / "loans-debt-ratio-shift.yaml"
        scenario = yaml.safe_load(path.read_text())
        scenario["traffic"]["rate"] = 1
        for phase, duration in zip(scenario["phases"], ("12m", "8m"), strict=True):
            phase["duration"] = duration
        scenario["expect"][0]["within"] = "6m"
        path.write_text(yaml.safe_dump(scenario))
        service = subprocess.Popen(
            [sys.executable, SCORER, str(lease.port), folder / "reference.json"],
            stdout=log,
            stderr=log,
        )
        try:
            await_answer(f"{url}/metrics/")
            monkeypatch.chdir(folder)  # and says it as the page does
            drill = run(str(path.relative_to(folder)), "--target", "service.yaml")
            code, verdict = drill.finish()
        finally:
            service.kill()
            service.wait()
    assert code == 0, verdict["reasons"]
    (fired,) = [line for line in verdict["expectations"] if line["kind"] == "fires"]
    assert fired["labels"] == {"feature": "debt_ratio"}


def await_answer(url: str) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"{url} was not ready")
