"""A scenario drawn in the terminal: traffic, drifts and expectations over one time axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from driftdrill.report.axis import edge_times, time_ticks
from driftdrill.text import alert_title, drift_title, printable, short_number, short_time
from scenarios.spec import Scenario
from target_service.contract import Floats

_BLOCKS = " ▁▂▃▄▅▆▇█"
_INDENT = (0, 0, 0, 2)
_WIDEST = 100


def draw(scenario: Scenario, console: Console) -> None:
    """The scenario's summary, its picture, and the table of what it expects."""
    title = Text(printable(scenario.name), style="bold")
    title.append(f"  lasts {short_time(scenario.schedule.duration)}", style="not bold dim")
    console.print(title)
    console.print(Padding(Text(printable(scenario.summary)), _INDENT))
    for line in _picture(scenario, min(console.width - 4, _WIDEST)):
        line.no_wrap, line.overflow = True, "ellipsis"
        console.print(Padding(line, _INDENT))
    console.print()
    console.print(_expectations(scenario))


def _picture(scenario: Scenario, width: int) -> Iterator[Text]:
    schedule = scenario.schedule
    # Each column stands for the middle of its share of the time.
    times = (np.arange(width) + 0.5) * schedule.duration / width
    rates = schedule.rate_at(times)
    yield Text()
    yield Text(f"traffic, up to {short_number(float(rates.max()))} requests/s", style="dim")
    yield from _bars(rates, float(rates.max()), height=2, style="cyan")
    peaks = schedule.intensity(edge_times(schedule))
    for (drift, share), (_, peak) in zip(schedule.intensity(times), peaks, strict=True):
        yield Text(f"{drift_title(drift)}, up to {peak.max():.0%} of rows", style="dim")
        yield from _bars(share, 1.0, height=2, style="yellow")
    yield from _axis(scenario, width)
    for expect in scenario.expects:
        start, end = (
            round(time / schedule.duration * width)
            for time in (expect.onset, expect.onset + expect.within)
        )
        yield _window(start, max(end, start + 1), alert_title(expect.alert, expect.labels), width)


def _window(start: int, end: int, title: str, width: int) -> Text:
    """A bar from column to column, its title where there is room: after it, else before it."""
    bar = ("━" * (end - start), "green")
    before = end + 1 + len(title) > width and start > len(title)
    return (
        Text.assemble(f"{title} ".rjust(start), bar)
        if before
        else Text.assemble(" " * start, bar, f" {title}")
    )


def _bars(values: Floats, top: float, height: int, style: str) -> Iterator[Text]:
    """Values as columns of block characters, `height` lines tall, the highest line first."""
    eighths = np.rint(np.clip(values / (top or 1.0), 0.0, 1.0) * height * 8).astype(int)
    for line in reversed(range(height)):
        yield Text("".join(_BLOCKS[i] for i in np.clip(eighths - line * 8, 0, 8)), style=style)


def _axis(scenario: Scenario, width: int) -> Iterator[Text]:
    schedule = scenario.schedule
    rule, labels, phases = ["─"] * width, [" "] * width, [" "] * width
    cut = []
    for tick in time_ticks(schedule.duration, width // 10):
        column = min(round(tick / schedule.duration * width), width - 1)
        rule[column] = "┴"
        label = short_time(tick)
        _write(labels, min(column, width - len(label)), label)
    for phase, start in zip(schedule.phases, schedule.starts, strict=False):
        column = round(float(start) / schedule.duration * width)
        end = round((float(start) + phase.duration) / schedule.duration * width)
        name = f"│{printable(phase.name)}"
        room = max(end - column, 1)
        _write(phases, column, name[:room])
        if len(name) > room:
            cut.append(f"{name[1:]} at {short_time(float(start))}")
    yield Text("".join(rule), style="dim")
    yield Text("".join(labels).rstrip(), style="dim")
    yield Text("".join(phases).rstrip())
    if cut:
        yield Text(f"in full: {', '.join(cut)}", style="dim")


def _write(line: list[str], column: int, text: str) -> None:
    line[column : column + len(text)] = text


def _expectations(scenario: Scenario) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("Expected alert", "Counts from", "Fires within"):
        table.add_column(column, overflow="fold")
    for expect in scenario.expects:
        title = Text(alert_title(expect.alert, expect.labels))
        table.add_row(title, short_time(expect.onset), short_time(expect.within))
        if expect.resolve:
            over = Text(f"resolves within {short_time(expect.resolve.within)}")
            table.add_row(title, short_time(expect.resolve.end), over)
    for allow in scenario.allows:
        title = Text(alert_title(allow.alert, allow.labels))
        table.add_row(title, short_time(allow.onset), Text("may fire", style="dim"))
    table.add_row(Text("every other alert", style="dim"), "", Text("stays silent", style="dim"))
    return table
