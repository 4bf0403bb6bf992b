"""Files as locks between processes; the system frees them when the holder dies, however it dies."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_HELD: dict[Path, int] = {}
"""Descriptors of the folders that this process holds: as a lock, each lasts until it ends."""


def hold(folder: Path) -> bool:
    """Be the one process that writes into a folder, to the end; false where another one is."""
    place = folder.resolve()
    if place in _HELD:
        return True
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        return error.errno not in {errno.EWOULDBLOCK, errno.EAGAIN}  # or a disk without locks
    _HELD[place] = descriptor
    return True


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only process that makes a folder, while the `with` block lasts; others wait."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_once(folder: Path, build: Callable[[Path], None]) -> None:
    """Have `build` fill a folder, unless it exists.

    Any number of processes may ask at a time: one builds, the others wait. The folder is moved to
    its place when it is complete, so a half-made one is never seen.
    """
    with locked(folder):
        if folder.exists():
            return
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as scratch:
            draft = Path(scratch, folder.name)
            draft.mkdir()
            build(draft)
            draft.rename(folder)
