"""How many parts of a long piece of work are done, on a terminal's last line."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


def counting_bar(console: Console, *, auto_refresh: bool = True) -> Progress:
    """A bar, "3/10", the time it took, and a description; nothing where there is no terminal.

    Args:
        console: Where to draw.
        auto_refresh: Whether a thread redraws it; without one it is drawn at every update.
    """
    return Progress(
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=console,
        auto_refresh=auto_refresh,
        transient=True,
        disable=not console.is_terminal,
    )
