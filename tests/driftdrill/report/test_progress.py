from __future__ import annotations

import io

import msgspec
from rich.console import Console

from driftdrill.report.progress import PLAIN_INTERVAL, Progress, ProgressLine

START = Progress(
    elapsed=750.0,
    duration=3600.0,
    phase="recession",
    rate_target=300.0,
    rate_achieved=299.5,
    intensity=0.8,
    alerts=("ScoreDrift pending",),
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_a_change_of_phase_or_alerts_makes_a_line_at_once() -> None:
    out, clock = io.StringIO(), Clock()
    with ProgressLine(Console(file=out, width=200), clock) as line:
        line.update(START)
        line.update(msgspec.structs.replace(START, elapsed=751.0))
        line.update(msgspec.structs.replace(START, elapsed=752.0, alerts=("ScoreDrift firing",)))
    assert out.getvalue().splitlines() == [
        "recession  12m30s of 1h  300 of 300 requests/s  drift 80%  ScoreDrift pending",
        "recession  12m32s of 1h  300 of 300 requests/s  drift 80%  ScoreDrift firing",
    ]


def test_without_a_terminal_numbers_alone_make_a_line_every_few_seconds() -> None:
    out, clock = io.StringIO(), Clock()
    with ProgressLine(Console(file=out, width=200), clock) as line:
        for second in range(11):
            clock.now = float(second)
            line.update(msgspec.structs.replace(START, elapsed=750.0 + second))
    assert len(out.getvalue().splitlines()) == 1 + 10 // PLAIN_INTERVAL


def test_on_a_terminal_one_line_is_drawn_in_place_and_cleared_at_the_end() -> None:
    out = io.StringIO()
    console = Console(
        file=out, width=120, force_terminal=True, color_system=None, _environ={"TERM": "xterm"}
    )
    with ProgressLine(console) as line:
        line.update(START)
        line.update(msgspec.structs.replace(START, elapsed=3600.0, intensity=0.0, alerts=()))
    text = out.getvalue()
    assert "recession  ━━━─────────────" in text
    assert "━" * 16 + " 1h of 1h" in text
    assert "no drift" in text
    assert text.endswith("\x1b[1A\x1b[2K"), "the line is taken away again"


def test_a_dumb_terminal_gets_plain_lines() -> None:
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=True, _environ={"TERM": "dumb"})
    with ProgressLine(console, Clock()) as line:
        line.update(START)
    assert out.getvalue().startswith("recession  12m30s of 1h")


def test_what_foreign_names_hold_cannot_steer_the_terminal() -> None:
    out = io.StringIO()
    with ProgressLine(Console(file=out, width=200), Clock()) as line:
        line.update(msgspec.structs.replace(START, phase="\x1b[2J[red]", alerts=("\x07",)))
    assert out.getvalue().startswith(r"\x1b[2J[red]  ")
    assert "\x07" not in out.getvalue()
