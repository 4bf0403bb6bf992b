"""Where the shipped routes send an alert, and what silences it, asked of a real Alertmanager.

And whether that would be noticed: the shipped file is broken in one place at a time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml

from driftdrill.rig import readiness
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.tools import find_tools
from driftdrill.scaling import milliseconds

CONFIG = Path(__file__).parents[2] / "prometheus" / "alertmanager.yml"
ANSWER_LIMIT_S = 20.0
SETTLE_S = 0.1

Labels = Mapping[str, str]


NOBODY = "dashboards"
"""A receiver that informs nobody."""


class Case(NamedTuple):
    """Alerts that are alone in their `model`, and what becomes of them.

    Attributes:
        alerts: Their labels.
        receivers: Who is told of the first; those who inform nobody are left out.
        silenced: The names of those that others silence.
    """

    alerts: Sequence[Labels]
    receivers: Sequence[str]
    silenced: frozenset[str] = frozenset()


def drift(**labels: str) -> Labels:
    return {"alertname": "ScoreDrift", **labels}


HERE = {"job": "one"}
VERSION = {"version": "2"}
DRILL = {"drill": "true"}
CASES = {
    "a page wakes whoever is on call": Case([drift(severity="page")], ["on-call"]),
    "a ticket is for the next morning": Case([drift(severity="ticket")], ["tickets"]),
    "an information informs nobody": Case([drift(severity="info")], []),
    "what says nothing of its severity is a ticket": Case([drift()], ["tickets"]),
    "a page of a drill informs nobody": Case([drift(severity="page", **DRILL)], []),
    "a ticket of a drill informs nobody": Case([drift(severity="ticket", **DRILL)], []),
    "a target that is down silences what follows from it in its own job": Case(
        [
            {**HERE, "alertname": "TargetDown", "severity": "page"},
            {**HERE, "alertname": "NoTraffic"},
            {**HERE, "alertname": "HighLatency"},
            {**HERE, "alertname": "HighErrorRate", "job": "another"},
            {**HERE, "alertname": "CardinalityGrowth"},
        ],
        ["on-call"],
        frozenset({"NoTraffic", "HighLatency"}),
    ),
    "nothing but a target that is down silences them": Case(
        [{**HERE, "alertname": "MonitoringBlind"}, {**HERE, "alertname": "NoTraffic"}], ["tickets"]
    ),
    "a collapsed score silences the drifts of its own model and version": Case(
        [
            {**VERSION, "alertname": "ScoreCollapse"},
            {**VERSION, "alertname": "ScoreDrift"},
            {**VERSION, "alertname": "SegmentDrift", "version": "1"},
            {**VERSION, "alertname": "FeatureDrift"},
        ],
        ["tickets"],
        frozenset({"ScoreDrift"}),
    ),
    "nothing but a collapsed score silences them": Case(
        [
            {**VERSION, "alertname": "ModelQualityDegraded"},
            {**VERSION, "alertname": "ScoreDrift"},
        ],
        ["tickets"],
    ),
    "a drill silences nothing but its own alerts": Case(
        [{**HERE, **DRILL, "alertname": "TargetDown"}, {**HERE, "alertname": "NoTraffic"}], []
    ),
    "nor by a score that collapsed": Case(
        [{**VERSION, **DRILL, "alertname": "ScoreCollapse"}, {**VERSION, **drift()}], []
    ),
    "a model silences nothing but its own alerts": Case(
        [
            {**VERSION, "alertname": "ScoreCollapse"},
            {**VERSION, **drift(), "model": "another"},
        ],
        ["tickets"],
    ),
}


class Running(NamedTuple):
    """An Alertmanager, and the file that it reads."""

    url: str
    config: Path

    def reload(self, config: Mapping[str, Any]) -> None:
        self.config.write_text(yaml.safe_dump(config))
        answer = httpx.post(f"{self.url}/-/reload", trust_env=False)
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder, tool = tmp_path_factory.mktemp("alertmanager"), find_tools().alertmanager
    config = folder / "alertmanager.yml"
    config.write_bytes(CONFIG.read_bytes())
    with lease_port(9093) as port:
        flags = [
            f"--config.file={config}",
            f"--storage.path={folder}",
            f"--web.listen-address={port.address}",
            "--cluster.listen-address=",
        ]
        command = [str(tool.path), *flags]
        running = Process("alertmanager", command, cwd=tool.cwd or folder, log=folder / "log")
        try:
            ready = readiness.answers(f"http://{port.address}/-/ready")
            readiness.wait([running], ready, 30.0, Interruption())
            yield Running(f"http://{port.address}", config)
        finally:
            running.stop()


def became(running: Running, config: Mapping[str, Any], attempt: str) -> dict[str, Case]:
    """What Alertmanager makes of all cases under a configuration that it has read.

    Args:
        running: It.
        config: The configuration.
        attempt: Tells these alerts from those of other times.
    """
    models = {f"{attempt} {name}": name for name in CASES}
    sent = [
        _apart({"model": "one", **labels}, model)
        for model, name in models.items()
        for labels in CASES[name].alerts
    ]
    _post(running, sent, over=False)
    found = _settled(running, models, len(sent))
    _post(running, sent, over=True)
    informs = {one["name"] for one in config["receivers"] if one.get("webhook_configs")}
    return {
        name: Case(
            CASES[name].alerts,
            sorted(
                receiver["name"]
                for alert in found
                if alert["labels"]["case"] == model
                and alert["labels"]["alertname"] == CASES[name].alerts[0]["alertname"]
                for receiver in alert["receivers"]
                if receiver["name"] in informs
            ),
            frozenset(
                alert["labels"]["alertname"]
                for alert in found
                if alert["labels"]["case"] == model and alert["status"]["inhibitedBy"]
            ),
        )
        for model, name in models.items()
    }


def _apart(labels: Labels, case: str) -> Labels:
    """Labels that no alert of another case has a part of that matters for silencing."""
    own = {name: f"{case} {labels[name]}" for name in ("model", "job", "version") if name in labels}
    return {**labels, **own, "case": case}


def _post(running: Running, alerts: Sequence[Labels], *, over: bool) -> None:
    """Tell Alertmanager of alerts, or that they are over."""
    end = {"endsAt": datetime.now(UTC).isoformat()} if over else {}
    answer = httpx.post(
        f"{running.url}/api/v2/alerts",
        json=[{"labels": labels, **end} for labels in alerts],
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text


def _settled(running: Running, cases: Mapping[str, str], many: int) -> list[dict[str, Any]]:
    """The alerts of these cases, once Alertmanager no longer changes its mind about them."""
    deadline, before = time.monotonic() + ANSWER_LIMIT_S, None
    while time.monotonic() < deadline:
        found = httpx.get(f"{running.url}/api/v2/alerts", trust_env=False).json()
        mine = [alert for alert in found if alert["labels"].get("case") in cases]
        states = sorted(str((alert["labels"], alert["status"])) for alert in mine)
        # What silences what it learns a moment after the alerts themselves.
        if len(mine) == many and states == before and "unprocessed" not in str(states):
            return mine
        before = states
        time.sleep(SETTLE_S)
    raise AssertionError("Alertmanager did not process the alerts")


SHIPPED: Mapping[str, Any] = yaml.safe_load(CONFIG.read_text())


@pytest.fixture(scope="module")
def sound(alertmanager: Running) -> Mapping[str, Case]:
    """What becomes of the alerts with the shipped file."""
    return became(alertmanager, SHIPPED, "sound")


@pytest.mark.parametrize("name", CASES)
def test_the_shipped_routes(sound: Mapping[str, Case], name: str) -> None:
    assert sound[name] == CASES[name]


# Whoever is on call hears of a page within half an evaluation, of what joins it before long,
# and again while his shift lasts. A drill judges when an alert fires, and waits for its delivery.
LONGEST_S = {"group_wait": 30, "group_interval": 5 * 60, "repeat_interval": 4 * 3600}


def too_long(route: Mapping[str, Any]) -> set[str]:
    """The waits of a route, and of those below it, that keep somebody waiting too long."""
    own = {name for name, most in LONGEST_S.items() if seconds(route.get(name, "0s")) > most}
    return own.union(*map(too_long, route.get("routes", ())))


def seconds(text: str) -> float:
    return milliseconds(text) / 1000


def test_nobody_waits_too_long_and_twenty_times_as_long_would_be_noticed() -> None:
    route = SHIPPED["route"]
    assert too_long(route) == set()
    assert route.keys() >= LONGEST_S.keys()
    for name in LONGEST_S:
        longer = f"{seconds(route[name]) * 20:.0f}s"
        assert too_long({**route, name: longer}) == {name}
        for number in range(len(route["routes"])):
            below = deepcopy(route["routes"])
            below[number][name] = longer
            assert too_long({**route, "routes": below}) == {name}


def broken() -> Iterator[tuple[str, dict[str, Any]]]:
    """The shipped file with one thing wrong, and what that is."""

    def copy() -> tuple[dict[str, Any], list[Any], list[Any]]:
        config = deepcopy(dict(SHIPPED))
        return config, config["route"]["routes"], config["inhibit_rules"]

    for number, receiver in enumerate(SHIPPED["receivers"]):
        config, _, _ = copy()
        if config["receivers"][number].pop("webhook_configs", None):
            yield f"{receiver['name']} informs nobody", config
    config, _, _ = copy()
    config["route"]["receiver"] = NOBODY
    yield f"the last resort is {NOBODY}", config
    for number, route in enumerate(SHIPPED["route"]["routes"]):
        config, routes, _ = copy()
        del routes[number]
        yield f"no route to {route['receiver']}", config
        config, routes, _ = copy()
        routes[number]["matchers"] = [routes[number]["matchers"][0].replace('"', '"x', 1)]
        yield f"the route to {route['receiver']} mistyped", config
        config, routes, _ = copy()
        del routes[number]["matchers"]
        yield f"everything goes to {route['receiver']}", config
        config, routes, _ = copy()
        other = NOBODY if route["receiver"] == "on-call" else "on-call"
        routes[number]["receiver"] = other
        yield f"{other} gets what is for {route['receiver']}", config
    for number, rule in enumerate(SHIPPED["inhibit_rules"]):
        config, _, rules = copy()
        del rules[number]
        yield f"nothing is silenced by {rule['source_matchers'][0]}", config
        for label in rule["equal"]:
            config, _, rules = copy()
            rules[number]["equal"].remove(label)
            yield f"{rule['source_matchers'][0]} silences whatever its {label}", config
        for side in ("source_matchers", "target_matchers"):
            config, _, rules = copy()
            rules[number][side] = ['alertname =~ ".+"']
            yield f"any alert as {side} of {rule['source_matchers'][0]}", config


def test_each_break_of_the_routes_is_noticed(
    alertmanager: Running, sound: Mapping[str, Case]
) -> None:
    unnoticed, many = set(), 0
    for what, config in broken():
        alertmanager.reload(config)
        unnoticed |= {what} if became(alertmanager, config, what) == sound else set()
        many += 1
    assert many > 20
    assert unnoticed == set()
