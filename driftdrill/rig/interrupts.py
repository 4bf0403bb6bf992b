"""Ctrl-C, SIGTERM and a closed terminal: handlers record, the loop acts."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):  # noqa: N818  no error: somebody asked for it
    """A signal asked the drill to end."""


class Interruption:
    """The signal that asked the drill to end, if one has."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def check(self) -> None:
        """Raise `Interrupted` when a signal has arrived."""
        if self.signal is not None:
            raise Interrupted(f"interrupted by {self.signal.name}")


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Record SIGINT, SIGTERM and SIGHUP instead of dying of them; main thread only.

    At the end the handlers are restored. The caller looks at `signal` for whether to go on.
    """
    found = Interruption()

    def record(number: int, _frame: FrameType | None) -> None:
        found.signal = found.signal or signal.Signals(number)

    previous = {number: signal.signal(number, record) for number in _SIGNALS}
    try:
        yield found
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
