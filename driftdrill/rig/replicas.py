"""The service's replicas in a live drill: each process at its place, from its start to its end.

Loading one takes a second, a minute of production time at speed 60. So all are loaded before the
drill begins; those whose time has not come wait for a line on their standard input.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from driftdrill.promapi import Clock
from driftdrill.rig.configs import write_targets
from driftdrill.rig.errors import RigError
from driftdrill.rig.process import Process
from simulators.fleet import Fleet, Life
from target_service.builds import USUAL

DISCOVERY_S = 12.0
"""Real seconds within which Prometheus knows of a change of its targets: it looks at them every 5 s
at most, twice."""

DRAIN_S = 10.0
"""Real seconds that a replica may take to answer what is under way, before it is killed."""


@dataclass(frozen=True)
class Service:
    """What the replicas are to be.

    Attributes:
        artifacts: Build -> the model that it serves.
        fleet: Which replica runs what, and when.
        lost_scrapes: Share of the scrapes that fail.
    """

    artifacts: Mapping[str, Path]
    fleet: Fleet
    lost_scrapes: float = 0.0


class Start(Protocol):
    """How a process is started."""

    def __call__(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], gated: bool
    ) -> Process:
        """Start one; a gated one waits for `Process.release`."""


@dataclass(frozen=True)
class _Change:
    """Something to do at a moment, in production seconds; equal moments go by `order`."""

    time: float
    order: int
    act: Callable[[], None]


class Replicas:
    """The processes of a drill's service.

    Args:
        service: What they are to be.
        addresses: `host:port` of each place.
        speed: Production seconds per real second.
        targets: File in which Prometheus finds whom to scrape.
        start: Starts a process.
    """

    def __init__(
        self,
        service: Service,
        addresses: Sequence[str],
        speed: float,
        targets: Path,
        start: Start,
    ) -> None:
        self._service = service
        self._addresses = addresses
        self._speed = speed
        self._targets = targets
        self._start = start
        self._processes: dict[int, Process] = {}
        self._released: set[int] = set()
        self._ended: set[int] = set()
        self._listed: set[int] = set()
        self._changes: list[_Change] = []
        self._halted = threading.Event()
        self._error: Exception | None = None

    def load(self) -> None:
        """Start every process, and let those of the beginning serve."""
        # Replicas honour each other's tokens; those of one drill are worth nothing in the next.
        env = {**os.environ, "DRIFTDRILL_TOKEN_KEY": secrets.token_hex(32)}
        lives = self._service.fleet.lives
        for number, life in enumerate(lives):
            name = "service" if len(lives) == 1 else f"service-{number}"
            command = service_command(self._service, life, self._addresses[life.replica])
            gated = self._from(life) > 0
            if gated:
                command.append("--standby")
            self._processes[number] = self._start(name, command, env=env, gated=gated)
        self._changes = sorted(self._plan(), key=lambda change: (change.time, change.order))
        while self._changes and self._changes[0].time <= 0:
            self._changes.pop(0).act()

    @property
    def serving(self) -> Mapping[str, Process]:
        """Those that serve when the drill begins, by their base URL."""
        return {
            f"http://{self._addresses[life.replica]}": self._processes[number]
            for number, life in enumerate(self._service.fleet.lives)
            if number in self._released
        }

    @property
    def waiting(self) -> tuple[Process, ...]:
        """Those whose time has not come."""
        return tuple(p for number, p in self._processes.items() if number not in self._released)

    def dead(self) -> Process | None:
        """A process that has ended, but was not to.

        Raises:
            RigError: A change could not be made.
        """
        if self._error is not None:
            raise RigError(f"the service could not be changed: {self._error}") from self._error
        for number, process in self._processes.items():
            # Asked in this order: one that we are ending counts as ended before it is.
            if not process.alive and number not in self._ended:
                return process
        return None

    def conduct(self, clock: Clock) -> Callable[[], None]:
        """Make every change when its time comes, from a thread; returns what ends that."""
        thread = threading.Thread(target=self._conduct, args=(clock,), name="replicas")
        thread.start()

        def halt() -> None:
            self._halted.set()
            thread.join()

        return halt

    def _conduct(self, clock: Clock) -> None:
        try:
            for change in self._changes:
                if self._halted.wait(max(clock.unix(change.time) - time.time(), 0.0)):
                    return
                change.act()
        except Exception as error:  # the drill's loop tells, see `dead`
            self._error = error

    def _plan(self) -> list[_Change]:
        fleet, lead = self._service.fleet, DISCOVERY_S * self._speed
        until = fleet.schedule.duration
        changes = []
        for number, life in enumerate(fleet.lives):
            changes.append(_Change(self._from(life), 2, partial(self._release, number)))
            if life.end >= until:
                continue
            unlisted = any(p.replica == life.replica and p.end == life.end for p in fleet.presences)
            # It answers until Prometheus has heard that it is gone.
            end = life.end + lead if unlisted and not life.crashes else life.end
            if end < until:
                changes.append(_Change(end, 1, partial(self._end, number)))
        for presence in fleet.presences:
            place, start = presence.replica, presence.start
            listed = start if start == 0 else start - lead
            changes.append(_Change(listed, 3, partial(self._list, place)))
            if presence.end < until:
                changes.append(_Change(presence.end, 0, partial(self._unlist, place)))
        return changes

    def _from(self, life: Life) -> float:
        """When a life is let in: a new replica as early as Prometheus has to hear of it."""
        new = any(
            p.replica == life.replica and p.start == life.start > 0
            for p in self._service.fleet.presences
        )
        earliest = max(
            [
                other.end
                for other in self._service.fleet.lives
                if other.replica == life.replica and other.end <= life.start
            ],
            default=0.0,
        )
        return max(life.start - DISCOVERY_S * self._speed, earliest) if new else life.start

    def _release(self, number: int) -> None:
        """Let a process serve, once whoever has its place is gone."""
        lives = self._service.fleet.lives
        for earlier in range(number):
            if lives[earlier].replica == lives[number].replica and earlier not in self._ended:
                self._end(earlier)
        self._released.add(number)
        self._processes[number].release()

    def _end(self, number: int) -> None:
        self._ended.add(number)
        crashes = self._service.fleet.lives[number].crashes
        self._processes[number].stop(0.0 if crashes else DRAIN_S)

    def _list(self, place: int) -> None:
        self._listed.add(place)
        self._write_targets()

    def _unlist(self, place: int) -> None:
        self._listed.discard(place)
        self._write_targets()

    def _write_targets(self) -> None:
        write_targets(self._targets, [self._addresses[place] for place in sorted(self._listed)])


def service_command(service: Service, life: Life, address: str) -> list[str]:
    """The command of one process; what is not usual is for drills, and its options say so."""
    host, _, port = address.rpartition(":")
    model = service.artifacts[life.build].resolve()
    command = [sys.executable, "-m", "target_service", "serve", "--model", str(model)]
    command += ["--host", host, "--port", port, "--drill-clock"]
    if life.build != USUAL:
        command += ["--drill-build", life.build]
    if service.lost_scrapes:
        command += ["--drill-lost-scrapes", repr(service.lost_scrapes)]
    return command
