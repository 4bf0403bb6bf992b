"""When the servers of a drill are ready: probes that say what is still missing, and the wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from driftdrill.rig.configs import JOB
from driftdrill.rig.errors import RigError
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.process import Process
from target_service.builds import STANDING_BY

Probe = Callable[[httpx.Client], str | None]
"""Asks a server; None when it is ready, else what it is waiting for."""

_POLL_S = 0.05


def wait(
    servers: Sequence[Process], probe: Probe, limit: float, interruption: Interruption
) -> None:
    """Wait until a probe of the last server is satisfied.

    Args:
        servers: Those that must not die meanwhile, in the order in which they were started.
        probe: The question to the last one.
        limit: Seconds to wait at most.
        interruption: Ends the wait.

    Raises:
        RigError: A server died, or the time is up; with its log's last lines.
        Interrupted: A signal arrived.
    """
    deadline = time.monotonic() + limit
    with _client() as client:
        while True:
            interruption.check()
            for server in servers:
                if not server.alive:
                    raise RigError(server.describe_exit())
            try:
                missing = probe(client)
            except httpx.HTTPError as error:
                missing = f"{type(error).__name__}: {error}"
            if missing is None:
                return
            if time.monotonic() > deadline:
                last = servers[-1]
                raise RigError(
                    f"{last.name} was not ready within {limit:.0f} s: {missing}\n"
                    f"{last.describe_exit()}"
                )
            time.sleep(_POLL_S)


def answers(url: str) -> Probe:
    """The URL answers 200."""

    def probe(client: httpx.Client) -> str | None:
        status = client.get(url).status_code
        return None if status == httpx.codes.OK else f"{url} answers {status}"

    return probe


def stands_by(process: Process) -> Probe:
    """A service that is to wait has loaded everything."""

    def probe(client: httpx.Client) -> str | None:
        del client
        return None if process.said(STANDING_BY) else "it has not said that it is standing by"

    return probe


def scrapes_target(prometheus: str) -> Probe:
    """Prometheus at this URL has scraped the service."""

    def probe(client: httpx.Client) -> str | None:
        targets = _data(client, f"{prometheus}/api/v1/targets?state=active")["activeTargets"]
        ours = [target for target in targets if target["labels"]["job"] == JOB]
        if ours and all(target["health"] == "up" for target in ours):
            return None
        return f"target {JOB} is not up: {[target['lastError'] for target in ours]}"

    return probe


def knows_alertmanager(prometheus: str, alertmanager: str) -> Probe:
    """Prometheus at this URL sends its alerts to the Alertmanager at the address."""

    def probe(client: httpx.Client) -> str | None:
        found = _data(client, f"{prometheus}/api/v1/alertmanagers")["activeAlertmanagers"]
        if any(alertmanager in active["url"] for active in found):
            return None
        return f"Alertmanager at {alertmanager} is not discovered"

    return probe


def evaluates_rules(prometheus: str) -> Probe:
    """Prometheus at this URL has evaluated every rule, without an error."""

    def probe(client: httpx.Client) -> str | None:
        for group in _data(client, f"{prometheus}/api/v1/rules")["groups"]:
            for rule in group["rules"]:
                if rule["health"] != "ok":
                    reason = rule.get("lastError") or "not evaluated yet"
                    return f"rule {rule['name']} of group {group['name']}: {reason}"
        return None

    return probe


def _client() -> httpx.Client:
    # Proxies of the environment are for the outside world.
    return httpx.Client(trust_env=False, timeout=5)


def _data(client: httpx.Client, url: str) -> dict[str, Any]:
    answer = client.get(url)
    answer.raise_for_status()
    data: dict[str, Any] = answer.json()["data"]
    return data
