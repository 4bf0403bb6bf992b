"""What is inlined says what Prometheus records; what would not is refused, with the reason."""

from pathlib import Path

import pytest

from driftdrill.rig.tools import find_tools
from driftdrill.virtual.inline import Inliner
from driftdrill.virtual.promql_text import scraped_selectors
from driftdrill.virtual.recorders import CannotInlineError, Recorders
from driftdrill.virtual.recording import START
from driftdrill.virtual.rules import Group, load_groups, needed_by

RULES = """
groups:
- name: recorded
  rules:
  - {record: rate, labels: {window: 5m}, expr: "sum by (job, le) (rate(x_bucket[5m]))"}
  - {record: rate, labels: {window: 1h}, expr: "sum by (job, le) (rate(x_bucket[1h]))"}
  - {record: n, expr: 'sum by (job, window) (rate{le="+Inf"})'}
  - {record: up_now, expr: up == 1}
  - {record: always, expr: vector(1)}
  - {record: top, expr: "topk(3, x)"}
- name: slow
  interval: 3m
  rules:
  - {record: slow, expr: up}
- name: limited
  limit: 5
  rules:
  - {record: limited, expr: up}
- name: alerts
  rules:
  - {alert: A, expr: "n > 1 and on (job) up_now"}
  - {record: after, expr: up}
"""

REFUSED = {
    "slow": "other times",
    "limited": "more than an interval",
    "after": "before it is recorded",
    "always offset 1m": "before the recording",
    "sum_over_time(always[5m])": "before the recording",
    "n offset -1m": "another time",
    "n @ end()": "another time",
    "up @ end()": "@",
    "absent(n)": "how a recorded series was selected",
    'top{job="a"}': "topk chooses",
    '{__name__="n"}': "__name__",
    "count by (__name__) (n)": "__name__",
    "ALERTS": "ALERTS",
    "max_over_time(n[10m:90s])": "other times",
}


@pytest.fixture(scope="module")
def groups(tmp_path_factory) -> tuple[Group, ...]:
    path = Path(tmp_path_factory.mktemp("rules"), "rules.yml")
    path.write_text(RULES)
    return load_groups([path], 60.0, find_tools().promtool)


@pytest.fixture
def inline(groups):
    """An expression in the place of the alert A."""
    inliner = Inliner(Recorders(groups, round(START * 1000)))
    return lambda expr, **options: inliner.inline(expr, 8, groups[-1], **options)


def test_matchers_reach_what_was_scraped(inline):
    found = inline('rate{window="5m", le=~"0.*", job!="b"} > 0')
    assert scraped_selectors(found) == ['x_bucket{le=~"0.*",job!="b"}']
    assert "[300000ms]" in found
    assert "[3600000ms]" not in found


def test_matchers_that_no_rule_can_meet_leave_nothing(inline):
    assert scraped_selectors(inline('rate{window="2h"}')) == ["driftdrill:nothing{}"]
    assert scraped_selectors(inline('n{le="1"}')) == ["driftdrill:nothing{}"]


def test_what_a_rule_recorded_is_read_where_it_is_kept_and_the_others_are_inlined(groups):
    inliner = Inliner(Recorders(groups, round(START * 1000), kept=groups[0].rules[:1]))
    told = {
        'rate{le="1"}': ['driftdrill:stored:rate{window="5m",le="1"}', 'x_bucket{le="1"}'],
        'rate{window="1h"}': ["x_bucket{}"],
        'rate{window!="1h"} offset 2m': ['driftdrill:stored:rate{window="5m"}'],
    }
    for expr, selectors in told.items():
        assert scraped_selectors(inliner.inline(expr, 8, groups[-1])) == selectors
    assert 'window="5m"} offset 120000ms' in inliner.inline("rate offset 2m", 8, groups[-1])


def test_selectors_are_told_from_what_stands_in_strings():
    query = r'label_replace(a{b="}\"c{"}[5ms] offset 9ms,"d","e{}","","") or on (f) a:g{} or a:g{}'
    assert scraped_selectors(query) == [r'a{b="}\"c{"}', "a:g{}"]


def test_a_label_that_tells_rules_apart_is_all_that_is_compared(inline, tmp_path):
    assert inline("rate").count(" or on (window) ") == 1
    path = tmp_path / "rules.yml"
    path.write_text(
        """
groups:
- name: g
  rules:
  - {record: r, labels: {k: a}, expr: x}
  - {record: r, labels: {k: b}, expr: y}
  - {record: r, labels: {k: b, l: c}, expr: z}
"""
    )
    groups = load_groups([path], 60.0, find_tools().promtool)
    found = Inliner(Recorders(groups, round(START * 1000))).inline("r > 1", 3, groups[0])
    assert found.count(" or ") == 2
    assert " or on " not in found


def test_a_range_of_a_recorded_metric_becomes_a_subquery_with_the_rules_interval(inline):
    assert "[600000ms:60000ms] offset 120000ms" in inline("max_over_time(n[10m] offset 2m)")


def test_an_offset_reaches_back_to_the_evaluation_before(inline):
    assert inline("up_now offset 61s").count("offset 120000ms") == 1
    assert inline("up offset 61s") == "up{} offset 61000ms"


def test_an_open_step_is_the_global_interval(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups: [{name: g, interval: 5m, rules: [{record: r, expr: 'avg_over_time(x[1h:])'}]}]"
    )
    (group,) = load_groups([path], 60.0, find_tools().promtool)
    assert group.rules[0].expr == "avg_over_time(x[1h:60000ms])"
    assert group.interval == 300_000


def test_relaxed_nothing_is_left_out(inline):
    assert "bool" not in inline("n > 1 and up")
    assert inline("up > 1 unless n", relaxed=True) == "(up{} > bool (1.0))"


@pytest.mark.parametrize(("expr", "reason"), REFUSED.items(), ids=REFUSED)
def test_what_would_not_always_say_the_same_is_refused(expr, reason, inline):
    with pytest.raises(CannotInlineError, match=reason):
        inline(expr)


def test_only_what_an_alert_needs_is_evaluated_with_it(groups):
    needed = needed_by(groups, {8})
    assert [[rule.name for rule in group.rules] for group in needed] == [
        ["rate", "rate", "n", "up_now"],
        ["A"],
    ]
    assert [len(group.document["rules"]) for group in needed] == [4, 1]
