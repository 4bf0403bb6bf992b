"""A long recording in parts: each evaluation once, and as if there were no parts."""

from pathlib import Path

import numpy as np
import pytest
from recordings import hand_made, rule_file

from driftdrill.rig.tools import find_tools
from driftdrill.virtual import promtool_engine
from driftdrill.virtual.rules import Group, GroupRule, load_groups
from driftdrill.virtual.slices import slices
from driftdrill.virtual.timelines import Span

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_684_868_400_000


def group(*exprs: str, hold: int = 0, keep: int = 0, plain: bool = True) -> Group:
    """The rules r0, r1, … of these expressions, the last one an alert."""
    last = len(exprs) - 1
    rules = tuple(
        GroupRule(f"r{n}", n == last, expr, {}, hold if n == last else 0, keep if n == last else 0)
        for n, expr in enumerate(exprs)
    )
    return Group(Path("rules.yml"), "g", MINUTE, rules, plain, {})


def ahead(*exprs: str, **alert: int) -> int:
    """Minutes that the second part of a day is evaluated before it counts."""
    _, second = slices([group(*exprs, **alert)], Span(START, 24 * HOUR), 2)
    return (second.told - second.span.start) // MINUTE


def test_a_part_begins_as_much_earlier_as_its_rules_look_back():
    # An evaluation, and the five minutes in which a selector finds a sample.
    assert ahead("x > 1") == 6
    assert ahead("rate(x[1h]) > 1") == 66
    assert ahead("rate(x[1h] offset 30m) > rate(x[2h])") == 126
    assert ahead("max_over_time(rate(x[10m])[1h:5m]) > 1") == 1 + 60 + 5 + 10 + 5 + 4  # whole steps
    assert ahead("rate(x[1h]) > 1", hold=10 * MINUTE, keep=5 * MINUTE) == 81


def test_windows_of_rules_that_read_each_other_add_up():
    assert ahead("rate(x[1h])", "avg_over_time(r0[2h])", "r1 > r0") == 66 + 126 + 6


@pytest.mark.parametrize("minutes", [1440, 1439, 1441, 1500, 7777])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_every_evaluation_is_in_one_part(minutes, count):
    span = Span(START, minutes * MINUTE)
    parts = slices([group("rate(x[7m]) > 1")], span, count)
    assert 1 < len(parts) <= count
    told = [time for part in parts for time in part.instants(MINUTE)]
    assert told == list(span.instants(MINUTE))
    for part in parts:
        assert span.start <= part.span.start <= part.told


@pytest.mark.parametrize("count", [2, 3, 7])
def test_all_parts_take_the_same_time(count):
    parts = slices([group("rate(x[5h]) > 1")], Span(START, 30 * 24 * HOUR), count)
    lengths = {part.span.duration // MINUTE for part in parts[:-1]}
    assert len(parts) == count
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) - count <= parts[-1].span.duration // MINUTE <= max(lengths)


@pytest.mark.parametrize(
    "of_all_time",
    [
        group("x or r0 + 1", "r0 > 5"),
        group("ALERTS > 0"),
        group("count({__name__=~'x.*'}) > 1"),
        group("x @ 5 > 1"),
        group("x offset -5m > 1"),
        group("rate(x[20h]) > 1"),
        group("x > 1", plain=False),
    ],
    ids=["itself", "alerts", "pattern", "at", "future", "too long to pay", "limit"],
)
def test_what_may_depend_on_all_of_the_past_is_not_divided(of_all_time):
    span = Span(START, 24 * HOUR)
    (whole,) = slices([of_all_time], span, 2)
    assert (whole.span, whole.told) == (span, START)


def test_parts_say_what_the_whole_does(tmp_path, monkeypatch):
    rng = np.random.default_rng(5)
    levels = np.repeat(rng.integers(0, 9, 120), 12)
    x = np.cumsum(rng.poisson(levels)).astype(float)
    x[700:] -= x[700]  # a restart
    x[900:990] = np.nan  # and an outage
    recording = hand_made(tmp_path / "recording", {'x{k="a"}': x, 'x{k="b"}': np.cumsum(levels)})
    file = rule_file(
        tmp_path / "rules.yml",
        """
groups:
- name: fast
  rules:
  - {record: "x:rate", expr: "rate(x[5m])"}
  - {record: "x:mean", expr: "avg_over_time(x:rate[10m])"}
  - {alert: Above, expr: "x:rate > 1.2 * x:mean", for: 3m, keep_firing_for: 4m}
  - {alert: Gone, expr: "x:mean offset 7m unless x:mean", keep_firing_for: 2m}
- name: slow
  interval: 2m
  rules:
  - {alert: Lately, expr: "max_over_time(x:mean[12m:4m]) > 0.3", for: 4m}
""",
    )
    tools = find_tools()
    groups = load_groups([file], 60.0, tools.promtool)
    span = Span(START, 15_000 * len(x))

    def found(parts: int) -> tuple:
        monkeypatch.setattr(promtool_engine, "_PARALLEL", parts)
        work = tmp_path / str(parts)
        series = promtool_engine.evaluate(groups, recording, span, tools.promtool, work)
        assert len(list(work.glob("promtool-*/*/test.yml"))) == 2 * parts
        return sorted(series, key=lambda one: sorted(one.labels.items()))

    whole = found(1)
    assert {series.labels["alertname"] for series in whole} == {"Above", "Gone", "Lately"}
    assert found(3) == whole
