"""Ports on the loopback address that no two drills of a user choose at once."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_TRIES = 200


class Lease:
    """A port that is ours until `close`; a context manager."""

    def __init__(self, port: int, file: int, path: Path) -> None:
        self.port = port
        self._file = file
        self._path = path

    @property
    def address(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        """Give the port back."""
        if self._file >= 0:
            # Removed while it is still locked, so that `_claim` can tell a stale file.
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def lease_port(preferred: int) -> Lease:
    """Lease the preferred port, or else the next free one above it.

    A free port is not ours until the server has it, and two drills may look at the same time: so
    each holds a locked file per port in the temporary folder. Ports are not left to the system to
    choose, since it may hand the same one to an outgoing connection meanwhile.

    Raises:
        OSError: None of the next 200 ports is free.
    """
    for port in range(preferred, preferred + _TRIES):
        lease = _claim(port)
        if lease and _is_free(port):
            return lease
        if lease:
            lease.close()
    raise OSError(errno.EADDRINUSE, f"no free port from {preferred} on")


def _claim(port: int) -> Lease | None:
    path = Path(tempfile.gettempdir(), f"driftdrill-{os.getuid()}-port-{port}.lock")
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The file that we locked may have been removed by its holder just before.
        if os.path.samestat(os.fstat(file), path.stat()):
            return Lease(port, file, path)
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(file)
    return None


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of a server that just stopped do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True
