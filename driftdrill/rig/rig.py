"""The servers of one drill: started, waited for, watched, and stopped whatever happens."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from driftdrill.promapi import Clock, Prometheus
from driftdrill.rig import PROJECT, readiness
from driftdrill.rig.configs import (
    DRILL_LABELS,
    ScrapeJob,
    write_alertmanager_config,
    write_prometheus_config,
    write_rules,
    write_targets,
)
from driftdrill.rig.errors import UsageError
from driftdrill.rig.flags import alertmanager_flags, node_exporter_flags, prometheus_flags
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.locks import hold
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.readiness import Probe
from driftdrill.rig.replicas import Replicas, Service
from driftdrill.rig.scrape import scrape_address, scrape_settings
from driftdrill.rig.tools import Tool, Tools
from driftdrill.rig.webhook import NotificationReceiver
from scenarios.target import Target

_START_LIMIT_S = 30.0


class Rig:
    """Service, Prometheus, Alertmanager and receiver of one drill; a context manager.

    Everything that `start` and `locust` start is stopped in reverse order at the end of the `with`
    block. Configurations, logs and Prometheus' data stay in `out`.

    Args:
        out: Folder of this drill; new or empty.
        speed: Production seconds per second.
        tools: The programs.
        rules: Rule files, in production time.
        interruption: Ends the waits of `start`.
        beside: What Prometheus is to scrape beside the service; for those who look at everything,
            so it then scrapes itself, too, and node-exporter where there is one.

    Raises:
        UsageError: `out` holds something already: results of two drills must not mix.

    Attributes, from `start` on:
        receiver: What Alertmanager notifies.
        service_urls: Base URL of each place of a replica, without a slash at the end, like the
            next two; not every place has a replica all the time.
        addresses: What Prometheus calls them.
        prometheus_url: Base URL of Prometheus.
        alertmanager_url: Base URL of Alertmanager.
        added_labels: What Prometheus adds to the labels of an alert that it sends.
    """

    added_labels = DRILL_LABELS

    def __init__(
        self,
        out: Path,
        speed: float,
        tools: Tools,
        rules: Sequence[Path],
        interruption: Interruption,
        beside: Sequence[ScrapeJob] = (),
    ) -> None:
        new_folder(out)
        self._out = out.resolve()
        self._speed = speed
        self._tools = tools
        self._rules = rules
        self._interruption = interruption
        self._beside = beside
        self._stack = ExitStack()
        self._servers: list[Process] = []
        self._replicas: Replicas | None = None
        self.service_urls: tuple[str, ...] = ()
        self.addresses: tuple[str, ...] = ()

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
        """Start everything but Locust and Prometheus; the service only where it is ours.

        Args:
            served: What our replicas are to be, or a service that runs elsewhere.

        Raises:
            UsageError: A rule file is not valid.
            RigError: A server died or was not ready in time.
            Interrupted: A signal arrived meanwhile.
        """
        prometheus, alertmanager = (
            self._stack.enter_context(lease_port(port)) for port in (9090, 9093)
        )
        self._prometheus = prometheus.address
        self.prometheus_url = f"http://{prometheus.address}"
        self.alertmanager_url = f"http://{alertmanager.address}"
        self.receiver = self._stack.enter_context(NotificationReceiver())
        scrape = None
        if isinstance(served, Target):
            secrets = Path(self._stack.enter_context(TemporaryDirectory(prefix="driftdrill-")))
            scrape = scrape_settings(served, secrets)
        (self._out / "logs").mkdir(parents=True)
        self._write_configs(alertmanager.address, scrape, self._look_around())

        if isinstance(served, Target):
            self.service_urls, self.addresses = (served.url,), (scrape_address(served),)
            write_targets(self._targets, self.addresses)
        else:
            self._start_replicas(served)
        flags = alertmanager_flags(self._out, alertmanager.address)
        self._serve_tool(self._tools.alertmanager, flags)
        self._wait(readiness.answers(f"{self.alertmanager_url}/-/ready"))

    def watch(self) -> None:
        """Start Prometheus; return when it scrapes, evaluates every rule and knows Alertmanager.

        From here on a service without traffic is on its way to an alert.

        Raises:
            RigError: A server died or was not ready in time.
            PrometheusError: Prometheus was ready and then did not answer.
            Interrupted: A signal arrived meanwhile.
        """
        flags = prometheus_flags(self._out, self._prometheus, self._speed)
        self._serve_tool(self._tools.prometheus, flags)
        self._wait(readiness.answers(f"{self.prometheus_url}/-/ready"))
        self._wait(readiness.scrapes_target(self.prometheus_url))
        address = self.alertmanager_url.removeprefix("http://")
        self._wait(readiness.knows_alertmanager(self.prometheus_url, address))
        # Prometheus spreads first evaluations over one interval.
        with closing(self.prometheus()) as prometheus:
            slowest = max((rule.interval for rule in prometheus.rules()), default=0.0)
        self._wait(readiness.evaluates_rules(self.prometheus_url), 2 * slowest)

    def prometheus(self) -> Prometheus:
        """A client of Prometheus, for whoever asks to close."""
        return Prometheus(self.prometheus_url)

    def conduct(self, clock: Clock) -> None:
        """Change the replicas as the drill goes on; nothing for a service that is not ours."""
        if self._replicas:
            self._stack.callback(self._replicas.conduct(clock))

    def locust(
        self, arguments: Sequence[str], env: Mapping[str, str], name: str = "locust"
    ) -> Process:
        """Start Locust.

        Args:
            arguments: What follows `python -m locust`.
            env: Variables to add to our environment.
            name: What messages and its log call it.

        Returns:
            The process, for the caller to watch: unlike a server it may end by itself.
        """
        return self._start(name, locust_command(arguments), env={**os.environ, **env})

    def dead(self) -> Process | None:
        """A server that has died since it was started, if one has; Locust is none.

        Raises:
            RigError: A replica could not be changed.
        """
        dead = next((server for server in self._servers if not server.alive), None)
        return dead or (self._replicas.dead() if self._replicas else None)

    @property
    def _targets(self) -> Path:
        return self._out / "targets.json"

    def _look_around(self) -> list[ScrapeJob]:
        """What else is scraped for those who look at everything; the machine, if it can be told."""
        if not self._beside:
            return []
        jobs = [*self._beside, ScrapeJob("prometheus", self._prometheus)]
        if self._tools.node_exporter:
            node = self._stack.enter_context(lease_port(9100)).address
            self._serve_tool(self._tools.node_exporter, node_exporter_flags(node))
            jobs.append(ScrapeJob("node", node))
        return jobs

    def _start_replicas(self, service: Service) -> None:
        self.addresses = tuple(
            self._stack.enter_context(lease_port(8000)).address for _ in range(service.fleet.places)
        )
        self.service_urls = tuple(f"http://{address}" for address in self.addresses)
        self._replicas = Replicas(service, self.addresses, self._speed, self._targets, self._start)
        self._replicas.load()
        for url, process in self._replicas.serving.items():
            probe = readiness.answers(f"{url}/healthz")
            readiness.wait([process], probe, _START_LIMIT_S, self._interruption)
        for process in self._replicas.waiting:
            probe = readiness.stands_by(process)
            readiness.wait([process], probe, _START_LIMIT_S, self._interruption)

    def _write_configs(
        self, alertmanager: str, scrape: Mapping[str, Any] | None, beside: Sequence[ScrapeJob]
    ) -> None:
        rules = self._out / "rules"
        write_rules(self._rules, self._speed, rules, self._tools.promtool)
        write_prometheus_config(
            self._out / "prometheus.yml",
            self._speed,
            rules,
            self._targets,
            alertmanager,
            scrape,
            beside,
        )
        write_alertmanager_config(self._out / "alertmanager.yml", self._speed, self.receiver.url)

    def _serve_tool(self, tool: Tool, flags: Sequence[str]) -> None:
        command = [str(tool.path), *flags]
        self._servers.append(self._start(tool.name, command, cwd=tool.cwd or PROJECT))

    def _start(
        self,
        name: str,
        command: Sequence[str],
        *,
        cwd: Path = PROJECT,
        env: Mapping[str, str] | None = None,
        gated: bool = False,
    ) -> Process:
        log = self._out / "logs" / f"{name}.log"
        process = Process(name, command, cwd=cwd, env=env, log=log, gated=gated)
        self._stack.callback(process.stop)
        return process

    def _wait(self, probe: Probe, longer: float = 0.0) -> None:
        """Wait for the server that was started last."""
        readiness.wait(self._servers, probe, _START_LIMIT_S + longer, self._interruption)


def locust_command(arguments: Sequence[str]) -> list[str]:
    """The command that runs Locust with the arguments, in a process of its own: it patches."""
    return [sys.executable, "-m", "locust", *arguments]


def refuse_leftovers(out: Path) -> None:
    """UsageError unless a folder is new or empty: results of two drills must not mix."""
    try:
        leftovers = out.exists() and any(out.iterdir())
    except OSError as error:
        raise UsageError(f"{out} cannot be the folder of a drill: {error}") from error
    if leftovers:
        raise UsageError(f"{out} has leftovers in it; name a new or an empty folder")


def new_folder(out: Path) -> None:
    """Make a folder that is new or empty, for this process; UsageError where that cannot be."""
    refuse_leftovers(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        held = hold(out)
    except OSError as error:
        raise UsageError(f"{out} cannot be the folder of a drill: {error}") from error
    if not held:
        raise UsageError(f"{out} is the folder of another drill that runs; name a new one")
    refuse_leftovers(out)  # of a drill that was faster, and over by now
