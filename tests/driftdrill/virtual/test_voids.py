"""A join is left out where it has no value, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from recordings import hand_made, rule_file, states

from driftdrill.promapi import Prometheus, PrometheusError
from driftdrill.rig.tools import find_tools
from driftdrill.virtual import queries, voids
from driftdrill.virtual.engine import evaluate
from driftdrill.virtual.inline import Inliner
from driftdrill.virtual.recorders import Recorders
from driftdrill.virtual.recording import START
from driftdrill.virtual.rules import Group, load_groups
from driftdrill.virtual.voids import NOTHING, Voids

RULES = """
groups:
- name: windows
  rules:
  - record: llr
    labels: {window: short}
    expr: max by (m) (sum_over_time(x[5m])) - on (m) (sum_over_time(n[5m]) <= 100)
  - record: llr
    labels: {window: long}
    expr: (max by (m) (sum_over_time(x[4h])) - on (m) (sum_over_time(n[4h]) <= 200)) + 1.5
  - record: llr
    labels: {window: open}
    expr: max by (m) (sum_over_time(x[2h])) - on (m) sum_over_time(n[2h])
  - alert: Llr
    expr: max by (m) (llr) > 5
  - alert: Unless
    expr: (sum by (m) (sum_over_time(x[4h])) unless on (m) (sum_over_time(n[4h]) <= 200)) > 5
"""

SHORT, LONG = "sum_over_time(n{}[300000ms])", "sum_over_time(n{}[14400000ms])"
DAY = range(0, 86_400_000, 60_000)


class Answering:
    """A Prometheus for which some filters have values at some of the instants."""

    def __init__(self, values: Mapping[str, range]) -> None:
        self.asked: list[str] = []
        self._values = values

    def arrays(self, query: str, start: float, end: float, step: float) -> list[str]:
        self.asked.append(query)
        instants = range(round(start * 1000), round(end * 1000) + 1, round(step * 1000))
        found = [there for text, there in self._values.items() if text in query]
        return ["series"] if any(set(instants) & set(there) for there in found) else []


class Failing:
    """A Prometheus that answers nothing."""

    def arrays(self, *_: object) -> list[str]:
        raise PrometheusError("no")


@pytest.fixture(scope="module")
def group(tmp_path_factory) -> Group:
    path = rule_file(Path(tmp_path_factory.mktemp("rules"), "rules.yml"), RULES)
    return load_groups([path], 60.0, find_tools().promtool)[0]


@pytest.fixture
def inlined(group):
    """An expression behind the rules, without what a Prometheus has no values for."""

    def inline(expr: str, prometheus: object, instants: range = DAY, **options: bool) -> str:
        recorders = Recorders((group,), round(START * 1000))
        return Inliner(recorders, Voids(prometheus, instants)).inline(expr, 9, group, **options)

    return inline


def test_a_window_whose_filter_has_no_value_is_not_asked(inlined):
    found = inlined("llr", Answering({SHORT: DAY}))
    assert "[14400000ms]" not in found
    assert found.count(" or ") == 1


@pytest.mark.parametrize("there", [DAY[:1], DAY[700:701], DAY[-1:]], ids=["first", "one", "last"])
def test_a_single_value_keeps_it(there, inlined):
    found = inlined("llr", Answering({LONG: there}))
    assert found.count("[14400000ms]") == 2


def test_short_windows_and_few_evaluations_are_not_worth_the_question(inlined):
    nothing = Answering({})
    assert "[300000ms]" in inlined("llr", nothing)
    assert all("14400000ms" in query for query in nothing.asked)
    nothing.asked.clear()
    assert "[14400000ms]" in inlined("llr", nothing, DAY[:249])
    assert not nothing.asked


def test_it_is_kept_where_it_is_read_at_other_instants(inlined):
    for expr in ("max_over_time(llr[10m])", "max_over_time(llr[10m:1m])", "llr offset 1m"):
        assert "[14400000ms]" in inlined(expr, Answering({}))


def test_relaxed_no_filter_leaves_anything_out(inlined):
    assert "[14400000ms]" in inlined("llr", Answering({}), relaxed=True)


def test_a_question_without_an_answer_leaves_nothing_out(inlined):
    assert inlined("llr", Failing()).count("[14400000ms]") == 2


def test_what_is_taken_away_keeps_what_it_is_taken_from(inlined):
    expr = "sum by (m) (sum_over_time(x[3h])) unless on (m) (sum_over_time(n[2h]) <= 9)"
    assert inlined(expr, Answering({})) == "sum by (m) (sum_over_time(x{}[10800000ms]))"
    other = "(sum_over_time(n[2h]) <= 9) unless on (m) sum by (m) (sum_over_time(x[3h]))"
    assert inlined(other, Answering({})) == NOTHING


@pytest.mark.parametrize(
    "other",
    ["x / on (m) sum_over_time(y[2h])", 'label_replace(sum_over_time(y[2h]), "m", "a", "", "")'],
)
def test_an_operation_that_may_fail_is_asked_all_the_same(other, inlined):
    expr = f"({other}) - on (m) (n <= 9)"
    assert "[7200000ms]" in inlined(expr, Answering({}))


def test_with_and_without_the_timelines_are_the_same(tmp_path, monkeypatch):
    tools, rng = find_tools(), np.random.default_rng(3)
    # Six hours of scrapes, busy but for a pause: the long window's filter holds now and then.
    busy = np.where(np.arange(1440) % 900 < 500, 2.0, 0.0)
    series = {
        'x{m="1",a="up"}': busy * rng.normal(1.0, 0.5, 1440),
        'x{m="1",a="down"}': busy * rng.normal(0.9, 0.5, 1440),
        'n{m="1"}': busy,
    }
    recording = hand_made(tmp_path / "recording", series)
    rules = [rule_file(tmp_path / "rules.yml", RULES)]
    monkeypatch.setattr(queries, "_WHOLE", 10)
    whole = evaluate(recording, rules, tools, tmp_path / "whole")
    asked = []
    arrays = Prometheus.arrays

    def noted(self: Prometheus, query: str, *when: float) -> object:
        asked.append(query)
        return arrays(self, query, *when)

    monkeypatch.setattr(Prometheus, "arrays", noted)
    monkeypatch.setattr(voids, "_WORTH_ASKING", 10_000_000)
    narrowed = evaluate(recording, rules, tools, tmp_path / "narrowed")
    windows = {q.count("[14400000ms]") for q in asked if "count(" not in q and "300000ms" in q}
    assert windows == {0, 2}, "the long window in some parts, and not in others"
    assert states(narrowed) == states(whole)
    assert {series.labels["alertname"] for series in whole.samples} == {"Llr", "Unless"}
