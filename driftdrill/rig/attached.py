"""A drill under somebody's own Prometheus and Alertmanager: only read, never written to."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from driftdrill.monitoring import Monitoring
from driftdrill.promapi import Clock, Prometheus, PrometheusError
from driftdrill.rig.configs import DRILL_LABELS
from driftdrill.rig.errors import RigError, UsageError
from driftdrill.rig.process import Process
from driftdrill.rig.replicas import Service
from driftdrill.rig.rig import new_folder
from driftdrill.rig.webhook import Notification
from scenarios.endpoint import Endpoint
from scenarios.target import Target

ASK_INTERVAL_S = 2.0
"""Between two questions to servers that have other work to do, production seconds."""

_SHORTEST_PAUSE_S = 0.25


class Attached:
    """What `Rig` is, where all servers run already; a context manager.

    Args:
        out: Folder of this drill; new or empty.
        monitoring: The Prometheus that scrapes the target, and its Alertmanagers.
        speed: Production seconds per second, for which that Prometheus is configured.

    Raises:
        UsageError: `out` holds something already.

    Attributes, from `start` on:
        receiver: Where alerts are looked for that reached Alertmanager.
        prometheus_url: As given.
        alertmanager_url: As given, or of the Alertmanagers that Prometheus knows.
        service_urls: Of the target.
        added_labels: Those of a drill, where that Prometheus adds them to the alerts that it sends.
        versions: Of Prometheus and of an Alertmanager.
        evaluated: Per rule group, name and interval, the unix times of evaluations that were seen.
    """

    def __init__(self, out: Path, monitoring: Monitoring, speed: float) -> None:
        new_folder(out)
        self._out = out.resolve()
        self._pause = max(ASK_INTERVAL_S / speed, _SHORTEST_PAUSE_S)
        self._stack = ExitStack()
        self._asked_at = 0.0
        self._monitoring = monitoring
        self._trust = monitoring.prometheus.tls.context()
        self.prometheus_url = monitoring.prometheus.url
        self.evaluated: dict[tuple[str, float], set[float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def start(self, served: Service | Target) -> None:
        """Look whether Prometheus is there, evaluates its rules, and tells an Alertmanager.

        Raises:
            UsageError: The service is the shipped one, which that Prometheus cannot know.
            RigError: Something is not so.
        """
        if not isinstance(served, Target):
            raise UsageError(f"{self.prometheus_url} scrapes no service of ours: name a --target")
        (self._out / "logs").mkdir(parents=True)
        self.service_urls = (served.url,)
        self._prometheus = self.prometheus()
        self._stack.callback(self._prometheus.close)
        try:
            broken = [rule for rule in self._prometheus.rules() if rule.error]
            known = self._prometheus.get("alertmanagers")["activeAlertmanagers"]
            config = yaml.safe_load(self._prometheus.get("status/config")["yaml"]) or {}
            version = self._prometheus.get("status/buildinfo")["version"]
        except PrometheusError as error:
            raise RigError(f"{self.prometheus_url} is no Prometheus to drill: {error}") from error
        except (LookupError, TypeError, ValueError, yaml.YAMLError) as error:
            raise RigError(
                f"{self.prometheus_url} is no Prometheus to drill: what it says of its rules,"
                f" Alertmanagers and configuration is not what Prometheus says: {error!r}"
            ) from error
        if broken:
            raise RigError(f"rule {broken[0].name} cannot be evaluated: {broken[0].error}")
        if not known:
            raise RigError(f"{self.prometheus_url} tells its alerts to no Alertmanager")
        given = self._monitoring.alertmanager
        urls = [given.url] if given else [each["url"].partition("/api/")[0] for each in known]
        self.alertmanager_url = ", ".join(urls)
        external = config.get("global", {}).get("external_labels") or {}
        asked = [given] if given else [Endpoint(url) for url in urls]
        # Others, such as a replica's name, its Alertmanager need never see: they may be dropped.
        self.added_labels = dict(external.items() & DRILL_LABELS.items())
        ignored = external.keys() - self.added_labels.keys()
        self.receiver = AlertmanagerReader(asked, frozenset(ignored), self._pause)
        self._stack.callback(self.receiver.close)
        self.versions = {"prometheus": version, "alertmanager": self.receiver.version()}

    def prometheus(self) -> Prometheus:
        """A client of Prometheus, for whoever asks to close."""
        headers = self._monitoring.prometheus.headers
        return Prometheus(self.prometheus_url, headers=headers, trust=self._trust)

    def watch(self) -> None:
        """Nothing: what runs already is ready."""

    def conduct(self, clock: Clock) -> None:
        """Nothing: who runs the service conducts it."""

    def locust(
        self, arguments: Sequence[str], env: Mapping[str, str], name: str = "locust"
    ) -> Process:
        """Start Locust; see `Rig.locust`."""
        process = Process(
            name,
            [sys.executable, "-m", "locust", *arguments],
            env={**os.environ, **env},
            log=self._out / "logs" / f"{name}.log",
        )
        self._stack.callback(process.stop)
        return process

    def dead(self) -> Process | None:
        """No server is ours; looks, now and then, when the rules were evaluated.

        Raises:
            PrometheusError: Prometheus does not answer.
        """
        if time.monotonic() - self._asked_at >= self._pause:
            self._asked_at = time.monotonic()
            for group in self._prometheus.get("rules")["groups"]:
                at = datetime.fromisoformat(group["lastEvaluation"]).timestamp()
                name = f"{group['file']}: {group['name']}", float(group["interval"])
                self.evaluated.setdefault(name, set()).add(at)
        return None


class AlertmanagerReader:
    """The alerts that Alertmanagers hold, as far as they have been looked for.

    Args:
        alertmanagers: What one of them has, has arrived.
        ignored: Names of labels that Prometheus adds on the way and that nobody looks for.
        pause: Real seconds from one question to the next.
    """

    def __init__(
        self, alertmanagers: Sequence[Endpoint], ignored: frozenset[str], pause: float
    ) -> None:
        self._clients = [_client(each) for each in alertmanagers]
        self._pause = pause
        self._ignored = ignored
        self._seen: dict[tuple[str, str], Notification] = {}
        self._asked_at = 0.0

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            client.close()

    def version(self) -> str:
        """Of the first that answers; RigError where none does."""
        status = self._asked("status")[0]
        try:
            return str(status["versionInfo"]["version"])
        except (LookupError, TypeError) as error:
            raise RigError(f"what answers for Alertmanager is none: {error!r}") from error

    def notifications(self) -> list[Notification]:
        """Every alert that was seen so far, with the time at which it was seen first.

        Raises:
            RigError: No Alertmanager answers.
        """
        if time.monotonic() - self._asked_at >= self._pause:
            self._asked_at = time.monotonic()
            held = [alert for alerts in self._asked("alerts") for alert in alerts]
            for alert in held:
                self._seen.setdefault((alert["fingerprint"], alert["startsAt"]), self._told(alert))
        return list(self._seen.values())

    def _asked(self, endpoint: str) -> list[Any]:
        """What those answer that do."""
        failures, answers = [], []
        for client in self._clients:
            try:
                answers.append(client.get(f"/api/v2/{endpoint}").raise_for_status().json())
            except (httpx.HTTPError, ValueError) as error:
                failures.append(f"{client.base_url}: {error}")
        if not answers:
            raise RigError(f"Alertmanager does not answer: {'; '.join(failures)}")
        return answers

    def _told(self, alert: dict[str, Any]) -> Notification:
        labels = {k: v for k, v in alert["labels"].items() if k not in self._ignored}
        return Notification(
            alert=labels.pop("alertname"),
            labels=labels,
            starts_at=datetime.fromisoformat(alert["startsAt"]).timestamp(),
            received_at=time.time(),
            status="firing",
        )


def _client(server: Endpoint) -> httpx.Client:
    return httpx.Client(
        base_url=server.url,
        headers=server.headers,
        verify=server.tls.context(),
        timeout=5.0,
        trust_env=False,
    )
