"""A drill under a Prometheus and an Alertmanager that run already, and are only read."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import yaml

from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.tools import find_tools

pytestmark = pytest.mark.live

PEERS = Path(__file__).parents[1] / "peers"
START_LIMIT_S = 30.0

SCENARIO = {
    "name": "lost",
    "summary": "Payment delays get lost on their way.",
    "model": "credit",
    "traffic": {"rate": 20},
    "phases": [
        {"name": "calm", "duration": "6s"},
        {
            "name": "lost",
            "duration": "12s",
            "drifts": [{"kind": "feature-missing", "feature": "payment_delay", "intensity": 0.5}],
        },
    ],
    "expect": [{"alert": "ScorerRefuses", "within": "10s"}],
    "allow": [{"alert": "Watchdog"}],
}
RULES = [
    {
        "alert": "ScorerRefuses",
        "expr": 'sum(increase(invocations_total{status="500"}[3s])) > 5',
    },
    {"alert": "Watchdog", "expr": "vector(1)"},
]


class Monitoring(NamedTuple):
    """Servers of somebody's."""

    prometheus: str
    target: Path
    env: dict[str, str]


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory) -> Iterator[Monitoring]:
    """A scorer, a Prometheus that scrapes it, and an Alertmanager, all in use."""
    out, tools = tmp_path_factory.mktemp("theirs"), find_tools()
    with lease_port(8300) as scorer, lease_port(9390) as prometheus, lease_port(9393) as manager:
        config = {
            "global": {
                "scrape_interval": "500ms",
                "scrape_timeout": "500ms",
                "evaluation_interval": "500ms",
                "external_labels": {"cluster": "theirs"},
            },
            "rule_files": [str(out / "rules.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager.address]}]}]},
            "scrape_configs": [
                {
                    "job_name": "scorer",
                    "metrics_path": "/metrics/",
                    "static_configs": [{"targets": [scorer.address]}],
                }
            ],
        }
        (out / "prometheus.yml").write_text(yaml.safe_dump(config))
        rules = {"groups": [{"name": "theirs", "rules": RULES}]}
        (out / "rules.yml").write_text(yaml.safe_dump(rules))
        (out / "alertmanager.yml").write_text(
            "route: {receiver: none}\nreceivers: [{name: none}]\n"
        )
        commands = {
            "scorer": [sys.executable, str(PEERS / "mlflow_scorer.py"), str(scorer.port)],
            "prometheus": [
                str(tools.prometheus.path),
                f"--config.file={out / 'prometheus.yml'}",
                f"--storage.tsdb.path={out / 'data'}",
                f"--web.listen-address={prometheus.address}",
            ],
            "alertmanager": [
                str(tools.alertmanager.path),
                f"--config.file={out / 'alertmanager.yml'}",
                f"--storage.path={out / 'alerts'}",
                f"--web.listen-address={manager.address}",
                "--cluster.listen-address=",
            ],
        }
        folders = {
            "prometheus": tools.prometheus.cwd,
            "alertmanager": tools.alertmanager.cwd,
            "scorer": None,
        }
        processes = [
            Process(name, command, cwd=folders[name], log=out / f"{name}.log")
            for name, command in commands.items()
        ]
        try:
            await_answer(f"http://{scorer.address}/metrics/")
            # Prometheus looks for Alertmanagers every 5 seconds, as one that runs already has done.
            found = f"http://{prometheus.address}/api/v1"
            await_answer(f"{found}/alertmanagers", manager.address)
            await_answer(f"{found}/alerts", '"firing"')
            await_answer(f"http://{manager.address}/-/ready")
            yield Monitoring(
                f"http://{prometheus.address}",
                PEERS / "mlflow.yaml",
                {"SCORER_PORT": str(scorer.port)},
            )
        finally:
            for process in processes:
                process.stop()


def await_answer(url: str, saying: str = "") -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(url, trust_env=False)
            if answer.is_success and saying in answer.text:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} was not ready")


def drilled(monitoring: Monitoring, tmp_path: Path, scenario: dict[str, object]):
    (tmp_path / "lost.yaml").write_text(yaml.safe_dump(scenario))
    command = [sys.executable, "-m", "driftdrill", "run", str(tmp_path / "lost.yaml")]
    command += ["--target", str(monitoring.target), "--prometheus", monitoring.prometheus]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")],
        env={**os.environ, **monitoring.env},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads((tmp_path / "out" / "verdict.json").read_text())


def test_an_alert_of_their_prometheus_is_read_and_its_arrival_at_their_alertmanager(
    monitoring, tmp_path
):
    code, verdict = drilled(monitoring, tmp_path, SCENARIO)
    assert code == 0, verdict["reasons"]
    (alert,) = [a for a in verdict["alerts"] if a["alert"] == "ScorerRefuses"]
    assert alert["notified_at"] >= alert["firing_at"] > 6
    assert alert["labels"] == {}  # theirs marks no drill, and nothing of it is ours to change
    assert verdict["speed"] == 1
    assert verdict["versions"]["prometheus"] == find_tools().prometheus.version


def test_what_fires_already_ends_the_drill_before_it_begins(monitoring, tmp_path):
    code, verdict = drilled(monitoring, tmp_path, {**SCENARIO, "allow": []})
    assert code == 3
    assert verdict["reasons"][0] == "not quiet before the drill: Watchdog fires already"
    assert verdict["requests"]["sent"] == 0


def test_what_is_no_prometheus_is_said_to_be_none(monitoring, tmp_path):
    wrong = monitoring._replace(prometheus="http://127.0.0.1:9")
    code, verdict = drilled(wrong, tmp_path, SCENARIO)
    assert code == 3
    assert verdict["reasons"][0].startswith("http://127.0.0.1:9 is no Prometheus to drill")
