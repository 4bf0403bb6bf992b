"""Which series a drill records for which rules."""

from __future__ import annotations

import pytest
import yaml

from driftdrill.rig.errors import UsageError
from driftdrill.virtual.selectors import everything, read_by


def wanted_by(tmp_path, *expressions: str):
    path = tmp_path / "rules.yml"
    rules = [{"alert": "X", "expr": expression} for expression in expressions]
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    return read_by([path])


def test_a_series_is_recorded_when_some_selector_takes_it(tmp_path):
    wanted = wanted_by(tmp_path, 'rate(a{x="1"}[5m]) / ignoring(x) a{x!~"2|3", y=~"p.*"} > c')
    assert wanted("a", {"x": "1"})
    assert wanted("a", {"x": "4", "y": "pq"})
    assert wanted("c", {})
    assert not wanted("a", {"x": "2", "y": "pq"})
    assert not wanted("a", {"x": "4"})
    assert not wanted("b", {})


def test_a_selector_may_name_its_metrics_by_a_pattern(tmp_path):
    wanted = wanted_by(tmp_path, '{__name__=~"model_.*"}')
    assert wanted("model_score_count", {})
    assert not wanted("up", {})


def test_what_no_alert_needs_is_not_recorded(tmp_path):
    path = tmp_path / "rules.yml"
    rules = [
        {"record": "shown", "expr": "a"},
        {"record": "read", "expr": "b"},
        {"record": "inner", "expr": "c"},
        {"record": "outer", "expr": "inner / d"},
        {"alert": "X", "expr": "read > 1 or outer > 1"},
    ]
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    assert [name for name in "abcd" if read_by([path])(name, {})] == ["b", "c", "d"]


def test_rules_that_are_not_understood_want_everything(tmp_path):
    assert wanted_by(tmp_path, "a{") is everything


def test_a_file_of_another_kind_is_named(tmp_path):
    path = tmp_path / "list.yml"
    path.write_text("[1, 2]")
    with pytest.raises(UsageError, match=r"list\.yml"):
        read_by([path])
