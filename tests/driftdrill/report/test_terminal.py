from __future__ import annotations

import io
from dataclasses import replace

import pytest
from report_examples import Drill
from rich.console import Console

from driftdrill.report.drawing import draw
from driftdrill.report.terminal import list_table, print_verdict
from scenarios.expectations import Expect


def console(*, width: int = 120, colour: bool = False) -> Console:
    system = "standard" if colour else None
    return Console(file=io.StringIO(), width=width, force_terminal=colour, color_system=system)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_verdict_is_a_table_with_delays_and_one_line_of_outcome(passed: Drill) -> None:
    screen = console()
    print_verdict(passed.scenario, passed.verdict, screen)
    lines = [line.split() for line in written(screen).splitlines()]
    assert ['FeatureDrift{feature="income"}', "fires", "10m", "2m", "2m30s", "38m", "pass"] in lines
    assert written(screen).splitlines()[-1].startswith("PASS  covariate-sudden: 2 of 2")


def test_reasons_stand_above_the_outcome(died: Drill) -> None:
    screen = console()
    print_verdict(died.scenario, died.verdict, screen)
    *_, reason, first, second, outcome = (line.strip() for line in written(screen).splitlines())
    assert reason == "Prometheus was killed by SIGKILL; its last lines:"
    assert (first, second) == ("level=info", "level=warn <b>&")
    assert outcome.startswith("INCONCLUSIVE")


def test_foreign_strings_neither_steer_the_terminal_nor_become_markup(failed: Drill) -> None:
    screen = console(width=2000)
    print_verdict(failed.scenario, failed.verdict, screen)
    draw(failed.scenario, screen)
    list_table([failed.scenario], screen)
    assert r"[bold red]\"'&".replace("\\", "") in written(screen)
    assert not {"\x1b", "\x00", "\u202e"} & set(written(screen))


def test_the_outcome_is_coloured_on_a_terminal_and_plain_with_no_color(
    failed: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = console(colour=True)
    print_verdict(failed.scenario, failed.verdict, screen)
    assert "\x1b[1;31mFAIL" in written(screen)

    monkeypatch.setenv("NO_COLOR", "1")
    plain = Console(file=io.StringIO(), width=120, force_terminal=True)
    print_verdict(failed.scenario, failed.verdict, plain)
    assert "31m" not in written(plain)


def test_a_drawn_drill_shows_when_what_drifts_and_where_alerts_must_fire(passed: Drill) -> None:
    screen = console(width=64)
    draw(passed.scenario, screen)
    lines = written(screen).splitlines()
    # 60 columns for an hour: the drift lasts from minute 20 to 50, its alert has minutes 20 to 30.
    start = next(i for i, line in enumerate(lines) if "covariate-shift" in line)
    assert lines[start + 1].rstrip() == "  " + " " * 20 + "█" * 30
    window = next(line for line in lines if "━" in line)
    assert (window.index("━"), window.count("━")) == (22, 10)
    assert any("│baseline" in line and "│recession" in line for line in lines)
    assert any(line.split() == ["ScoreDrift", "20m", "15m"] for line in lines)


def test_a_title_without_room_behind_its_window_stands_before_it(passed: Drill) -> None:
    late = replace(passed.scenario, expects=(Expect("ScoreDrift", {}, 3000.0, 600.0),))
    screen = console(width=64)
    draw(late, screen)
    window = next(line for line in written(screen).splitlines() if "━" in line)
    assert window.strip() == "ScoreDrift " + "━" * 10
    assert window.index("━") == 52


def test_the_catalogue_lists_name_length_and_what_must_fire(passed: Drill) -> None:
    screen = console()
    list_table([passed.scenario], screen)
    assert "covariate-sudden  1h" in written(screen)
    assert 'FeatureDrift{feature="income"}' in written(screen)
    assert "Income drops." in written(screen)
