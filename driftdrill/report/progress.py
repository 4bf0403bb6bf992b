"""One live line for a running drill: where it is, what it sends, what has been raised."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from driftdrill.text import printable, short_number, short_time

PLAIN_INTERVAL = 5.0
"""Seconds of real time between two plain lines when nothing but numbers changed."""

_BAR = 16


class Progress(msgspec.Struct, frozen=True):
    """A running drill at one moment.

    Attributes:
        elapsed: Production seconds since the scenario began.
        duration: Production seconds of the whole scenario.
        phase: Name of the phase.
        rate_target: Requests/s that the schedule asks for.
        rate_achieved: Requests/s that were sent.
        intensity: Share of rows that drift, 0 to 1.
        alerts: What is pending or firing, a phrase each.
    """

    elapsed: float
    duration: float
    phase: str
    rate_target: float
    rate_achieved: float
    intensity: float
    alerts: tuple[str, ...] = ()


class ProgressLine:
    """Draws `Progress` in place on a terminal; elsewhere, in plain lines as things change.

    Args:
        console: Where to draw.
        clock: Real seconds, for the distance between plain lines.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._live = (
            Live(console=console, auto_refresh=False, transient=True)
            if console.is_terminal and not console.is_dumb_terminal
            else None
        )
        self._said: Progress | None = None
        self._said_at = 0.0

    def __enter__(self) -> Self:
        """Take the terminal's last line."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the line back, cleared."""
        if self._live:
            self._live.stop()

    def update(self, progress: Progress) -> None:
        """Show where the drill is now."""
        if self._live:
            self._live.update(_coloured(progress), refresh=True)
        elif self._worth_a_line(progress):
            self._said, self._said_at = progress, self._clock()
            self._console.print(_plain(progress), highlight=False, soft_wrap=True)

    def _worth_a_line(self, progress: Progress) -> bool:
        said = self._said
        if said is None or (said.phase, said.alerts) != (progress.phase, progress.alerts):
            return True
        return progress != said and self._clock() - self._said_at >= PLAIN_INTERVAL


def _coloured(progress: Progress) -> Text:
    share = min(max(progress.elapsed / progress.duration, 0.0), 1.0) if progress.duration else 0.0
    done = round(share * _BAR)
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(printable(progress.phase), style="bold")
    line.append("  " + "━" * done, style="cyan")
    line.append("─" * (_BAR - done), style="dim")
    line.append(f" {_position(progress)}  {_rate(progress)}  ")
    line.append(_drift(progress), style="yellow" if progress.intensity else "dim")
    for alert in progress.alerts:
        line.append(f"  {printable(alert)}", style="bold red" if "firing" in alert else "yellow")
    return line


def _plain(progress: Progress) -> Text:
    parts = (printable(progress.phase), _position(progress), _rate(progress), _drift(progress))
    return Text("  ".join((*parts, *map(printable, progress.alerts))))


def _position(progress: Progress) -> str:
    return f"{short_time(round(progress.elapsed))} of {short_time(progress.duration)}"


def _rate(progress: Progress) -> str:
    achieved, target = short_number(progress.rate_achieved), short_number(progress.rate_target)
    return f"{achieved} of {target} requests/s"


def _drift(progress: Progress) -> str:
    return f"drift {progress.intensity:.0%}" if progress.intensity else "no drift"
