"""Several processes that send one drill's traffic: Locust's master and its workers."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Console

from driftdrill.rig import PROJECT
from driftdrill.rig.errors import UsageError
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.ports import lease_port
from driftdrill.rig.rig import locust_command
from driftdrill.text import short_time
from scenarios.spec import FOLDER
from scenarios.status import Status

PORT = 5557
"""Where workers join their master, unless said otherwise: Locust's own choice."""

LOCUSTFILE = str(FOLDER / "locustfile.py")

_LOOPBACK = "127.0.0.1"
_POLL_S = 0.2


@dataclass(frozen=True)
class Crew:
    """Who sends the traffic.

    Attributes:
        workers: Processes on this machine beside the master; with none, and nobody to listen for,
            one process does everything.
        listen: Address at which workers of other machines may join; None admits none.
        port: Where workers join.
    """

    workers: int = 0
    listen: str | None = None
    port: int = PORT

    @property
    def is_divided(self) -> bool:
        """Whether a master divides the traffic among workers."""
        return bool(self.workers or self.listen)

    def master(self) -> list[str]:
        """What makes Locust a master, which begins once workers are there; nothing when alone."""
        if not self.is_divided:
            return []
        return [
            "--master",
            "--master-bind-host", self.listen or _LOOPBACK,
            "--master-bind-port", str(self.port),
            "--expect-workers", str(max(self.workers, 1)),
        ]  # fmt: skip

    def worker(self) -> list[str]:
        """What Locust is started with as a worker on this machine."""
        return _worker(_LOOPBACK, self.port)


ALONE = Crew()
"""One process sends everything."""


@contextmanager
def gathered(workers: int, listen: str | None, console: Console) -> Iterator[Crew]:
    """The crew of the drills of one command, at a port that no other has."""
    if not workers and not listen:
        yield ALONE
        return
    if listen:
        _require_own(listen)
    with lease_port(PORT) as lease:
        if listen:
            console.print(f"Workers join at {listen}, port {lease.port}", highlight=False)
        yield Crew(workers, listen, lease.port)


def _require_own(address: str) -> None:
    """UsageError where this machine cannot listen there."""
    require_host("--listen", address)
    try:
        with socket.create_server((address, 0)):
            pass
    except OSError as error:
        raise UsageError(f"--listen: {address} is no address of this machine: {error}") from error


def _worker(host: str, port: int) -> list[str]:
    return [
        "--locustfile", LOCUSTFILE,
        "--worker",
        "--master-host", host,
        "--master-port", str(port),
        "--loglevel", "WARNING",
    ]  # fmt: skip


def require_host(option: str, host: str) -> None:
    """UsageError where a name is that of no machine, now; it would be looked for for minutes."""
    expected = f"{option}: expected a host's name or address, such as 10.0.0.1, got {host!r}"
    if not host:
        raise UsageError(expected)
    try:
        socket.getaddrinfo(host, PORT)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{expected}: {error}") from error


def join(host: str, port: int, interruption: Interruption) -> bool:
    """Send a share of the traffic of somebody's drill until it ends.

    Returns:
        Whether the master ended it; else this worker never found it, or failed.

    Raises:
        Interrupted: A signal arrived.
    """
    command = locust_command(_worker(host, port))
    worker = subprocess.Popen(command, cwd=PROJECT, start_new_session=True)
    try:
        while worker.poll() is None:
            interruption.check()
            time.sleep(_POLL_S)
    finally:
        worker.terminate()
        worker.wait()
    return worker.returncode == 0


def problem(status: Status) -> str | None:
    """Why a drill cannot go on, as far as its load generators are concerned."""
    if status.problem:
        return status.problem
    return None if status.workers else "no worker is left to send the traffic"


def notes(statuses: Sequence[Status], speed: float) -> Iterator[str]:
    """Who came and went, a sentence each; whether that did harm is for the rate to say."""
    for before, after in pairwise(statuses):
        came, when = after.workers - before.workers, short_time(after.elapsed * speed)
        if came > 0:
            joined = f"{came} worker{'s' * (came > 1)} joined at {when}"
            yield f"{joined}: {after.workers} share the traffic from then on"
        elif came < 0:
            yield f"{-came} of {before.workers} workers went at {when}: the others took over"
