"""Where the shipped routes send an alert, and what silences it, asked of a real Alertmanager."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from driftdrill.rig import readiness
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.tools import find_tools

CONFIG = Path(__file__).parents[2] / "prometheus" / "alertmanager.yml"
ANSWER_LIMIT_S = 20.0
SETTLE_S = 0.2


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, tool = tmp_path_factory.mktemp("alertmanager"), find_tools().alertmanager
    with lease_port(9093) as port:
        flags = [
            f"--config.file={CONFIG}",
            f"--storage.path={folder}",
            f"--web.listen-address={port.address}",
            "--cluster.listen-address=",
        ]
        command = [str(tool.path), *flags]
        running = Process("alertmanager", command, cwd=tool.cwd or folder, log=folder / "log")
        try:
            ready = readiness.answers(f"http://{port.address}/-/ready")
            readiness.wait([running], ready, 30.0, Interruption())
            yield f"http://{port.address}"
        finally:
            running.stop()


def told(url: str, *alerts: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What Alertmanager makes of alerts with these labels, by name; alone in their `model`."""
    sent = httpx.post(
        f"{url}/api/v2/alerts",
        json=[{"labels": dict(labels)} for labels in alerts],
        trust_env=False,
    )
    assert sent.status_code == 200, sent.text
    deadline, before = time.monotonic() + ANSWER_LIMIT_S, None
    while time.monotonic() < deadline:
        found = httpx.get(f"{url}/api/v2/alerts", trust_env=False).json()
        mine = {
            alert["labels"]["alertname"]: alert
            for alert in found
            if alert["labels"]["model"] == alerts[0]["model"]
        }
        states = {name: alert["status"] for name, alert in mine.items()}
        # What silences what it learns a moment after the alerts themselves.
        if len(mine) == len(alerts) and states == before and "unprocessed" not in str(states):
            return mine
        before = states
        time.sleep(SETTLE_S)
    raise AssertionError("Alertmanager did not process the alerts")


def receivers(alert: Mapping[str, Any]) -> list[str]:
    return [receiver["name"] for receiver in alert["receivers"]]


def silenced(alerts: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {name for name, alert in alerts.items() if alert["status"]["inhibitedBy"]}


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"severity": "page"}, "on-call"),
        ({"severity": "ticket"}, "tickets"),
        ({"severity": "info"}, "dashboards"),
        ({}, "tickets"),
        ({"severity": "page", "drill": "true"}, "drills"),
        ({"severity": "ticket", "drill": "true"}, "drills"),
    ],
    ids=str,
)
def test_an_alert_goes_where_its_severity_says_and_a_drill_s_to_nobody(
    url: str, labels: Mapping[str, str], receiver: str
) -> None:
    alert = {"alertname": "ScoreDrift", "model": f"routed {labels}", **labels}
    assert receivers(told(url, alert)["ScoreDrift"]) == [receiver]


def test_a_target_that_is_down_silences_what_follows_from_it_in_its_own_job(url: str) -> None:
    here = {"model": "down", "job": "down"}
    alerts = told(
        url,
        {**here, "alertname": "TargetDown"},
        {**here, "alertname": "NoTraffic"},
        {**here, "alertname": "HighLatency"},
        {**here, "alertname": "HighErrorRate", "job": "another"},
        {**here, "alertname": "CardinalityGrowth"},
    )
    assert silenced(alerts) == {"NoTraffic", "HighLatency"}


def test_a_collapsed_score_silences_the_drifts_of_its_own_model_and_version(url: str) -> None:
    here = {"model": "collapsed", "version": "2"}
    alerts = told(
        url,
        {**here, "alertname": "ScoreCollapse"},
        {**here, "alertname": "ScoreDrift"},
        {**here, "alertname": "SegmentDrift", "version": "1"},
        {**here, "alertname": "FeatureDrift"},
    )
    assert silenced(alerts) == {"ScoreDrift"}


def test_a_drill_silences_nothing_but_its_own_alerts(url: str) -> None:
    here = {"model": "drilled", "job": "drilled"}
    alerts = told(
        url,
        {**here, "alertname": "TargetDown", "drill": "true"},
        {**here, "alertname": "NoTraffic"},
    )
    assert silenced(alerts) == set()
