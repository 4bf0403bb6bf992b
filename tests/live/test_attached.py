"""A drill under a Prometheus and an Alertmanager that run already, and are only read.

As in a company they ask for a password, and show a certificate of their own.
"""

import json
import os
import re
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import yaml

from driftdrill.monitoring import find_monitoring
from driftdrill.rig.attached import Attached
from driftdrill.rig.errors import RigError
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.tools import find_tools
from scenarios.target import load_target

pytestmark = pytest.mark.live

PEERS = Path(__file__).parents[1] / "peers"
START_LIMIT_S = 30.0

USER, PASSWORD = "drill", "hunter2"
HASH = "$2b$04$XugY6SuhORrM2wLaFxDOA.b2Y2jyEuZEbjhIp5BPd85CDS9Xfg0fu"  # of the password, by bcrypt
LOGIN = b64encode(f"{USER}:{PASSWORD}".encode()).decode()

THEIRS = """\
url: {prometheus}
headers: {{Authorization: "Basic ${{MONITORING_LOGIN}}"}}
tls: {{ca: {ca}}}
alertmanager:
  url: {alertmanager}
  headers: {{Authorization: "Basic ${{MONITORING_LOGIN}}"}}
  tls: {{ca: {ca}}}
"""

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
    file: Path
    target: Path
    env: dict[str, str]


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory, certificate) -> Iterator[Monitoring]:
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
            "alerting": {
                "alertmanagers": [
                    {
                        "scheme": "https",
                        "tls_config": {"ca_file": str(certificate.file)},
                        "basic_auth": {"username": USER, "password": PASSWORD},
                        "static_configs": [{"targets": [manager.address]}],
                    }
                ]
            },
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
        asks = {
            "tls_server_config": dict(
                zip(("cert_file", "key_file"), map(str, certificate), strict=True)
            ),
            "basic_auth_users": {USER: HASH},
        }
        (out / "web.yml").write_text(yaml.safe_dump(asks))
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
                f"--web.config.file={out / 'web.yml'}",
            ],
            "alertmanager": [
                str(tools.alertmanager.path),
                f"--config.file={out / 'alertmanager.yml'}",
                f"--storage.path={out / 'alerts'}",
                f"--web.listen-address={manager.address}",
                f"--web.config.file={out / 'web.yml'}",
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
            trust = ssl.create_default_context(cafile=certificate.file)
            with httpx.Client(auth=(USER, PASSWORD), verify=trust, trust_env=False) as client:
                await_answer(client, f"http://{scorer.address}/metrics/")
                # Prometheus looks for Alertmanagers every 5 seconds: one that runs already has.
                found = f"https://{prometheus.address}/api/v1"
                await_answer(client, f"{found}/alertmanagers", manager.address)
                await_answer(client, f"{found}/alerts", '"firing"')
                await_answer(client, f"https://{manager.address}/-/ready")
            theirs = THEIRS.format(
                prometheus=f"https://{prometheus.address}",
                alertmanager=f"https://{manager.address}",
                ca=certificate.file,
            )
            (out / "theirs.yaml").write_text(theirs)
            yield Monitoring(
                f"https://{prometheus.address}",
                out / "theirs.yaml",
                PEERS / "mlflow.yaml",
                {"SCORER_PORT": str(scorer.port), "MONITORING_LOGIN": LOGIN},
            )
        finally:
            for process in processes:
                process.stop()


def await_answer(client: httpx.Client, url: str, saying: str = "") -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        try:
            answer = client.get(url)
            if answer.is_success and saying in answer.text:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} was not ready")


def drilled(monitoring: Monitoring, tmp_path: Path, scenario: dict[str, object]):
    (tmp_path / "lost.yaml").write_text(yaml.safe_dump(scenario))
    command = [sys.executable, "-m", "driftdrill", "run", str(tmp_path / "lost.yaml")]
    command += ["--target", str(monitoring.target), "--prometheus", str(monitoring.file)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")],
        # Their Prometheus answers for their rules: none of our tools is asked.
        env={**os.environ, "PROMETHEUS": "none", "PROMTOOL": "none", **monitoring.env},
        capture_output=True,
        text=True,
        check=False,
    )
    left = [path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not any(LOGIN in text for text in [done.stdout, done.stderr, *left])
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
    # What a drill just before this one made fire may do so still.
    said = r"not quiet before the drill: (ScorerRefuses, )?Watchdog fires already"
    assert re.fullmatch(said, verdict["reasons"][0])
    assert verdict["requests"]["sent"] == 0


WRONG = {
    "none there": ("URL", "http://127.0.0.1:9", "is no Prometheus to drill: Prometheus did not an"),
    "no password": ("headers:", "# headers:", "answered 401 Unauthorized; look at its headers"),
    "not trusted": ("tls:", "# tls:", "certificate verify failed"),
    "none of ours": ("  headers:", "  # headers:", "Alertmanager does not answer"),
}


@pytest.mark.parametrize(("old", "new", "said"), WRONG.values(), ids=WRONG)
def test_monitoring_that_cannot_be_read_is_named_with_the_reason(
    monitoring, tmp_path, monkeypatch, old, new, said
):
    monkeypatch.setenv("MONITORING_LOGIN", LOGIN)
    monkeypatch.setenv("SCORER_PORT", monitoring.env["SCORER_PORT"])
    file = tmp_path / "theirs.yaml"
    text = monitoring.file.read_text().replace(monitoring.prometheus, "URL")
    file.write_text(text.replace(old, new, 1).replace("URL", monitoring.prometheus))
    stage = Attached(tmp_path / "out", find_monitoring(str(file)), 1.0)
    with stage, pytest.raises(RigError, match=said) as caught:
        stage.start(load_target(monitoring.target))
    assert LOGIN not in str(caught.value)
