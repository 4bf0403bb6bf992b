from __future__ import annotations

import promql_parser as promql
import pytest
import yaml

from driftdrill.drill import RULES
from driftdrill.mutate.expressions import changes, rewritten


def of(expr: str, operator: str) -> set[str]:
    """The expressions that one kind of change makes."""
    return {change.expr for change in changes(expr) if change.operator == operator}


def shipped() -> list[str]:
    documents = [yaml.safe_load(path.read_text()) for path in RULES]
    return [r["expr"] for d in documents for group in d["groups"] for r in group["rules"]]


@pytest.mark.parametrize("expr", shipped(), ids=range(len(shipped())))
def test_a_shipped_expression_that_is_written_again_is_the_same(expr):
    assert promql.parse(rewritten(expr)).prettify() == promql.parse(expr).prettify()


@pytest.mark.parametrize("expr", shipped(), ids=range(len(shipped())))
def test_every_change_is_promql_and_differs(expr):
    sound = promql.parse(expr).prettify()
    found = list(changes(expr))
    assert found
    for change in found:
        assert promql.parse(change.expr).prettify() != sound, change


def test_a_threshold_becomes_ten_times_as_large_and_as_small():
    assert of("a > 2", "threshold") == {"a{} > 20.0", "a{} > 0.2"}


def test_a_comparison_is_turned_round_softened_and_dropped():
    assert of("a > b", "comparator") == {"a{} < b{}", "a{} >= b{}"}
    assert of("a > b", "guard removed") == {"a{}"}


def test_a_window_becomes_twenty_times_as_long_and_as_short():
    assert of("delta(a[1h])", "window") == {"delta(a{}[72000000ms])", "delta(a{}[180000ms])"}
    assert of("max_over_time(a[1h:1m])", "window") == {
        "max_over_time(a{}[72000000ms:60000ms])",
        "max_over_time(a{}[180000ms:60000ms])",
    }


def test_each_label_goes_missing():
    assert of("sum by (a, b) (c)", "missing label") == {"sum by (b) (c{})", "sum by (a) (c{})"}
    assert of("c / on (a) group_left () d", "missing label") == {"c{} / on () group_left () d{}"}


def test_metrics_and_label_values_are_mistyped():
    assert of('a{b="c"}', "wrong metric") == {'ax{b="c"}'}
    assert of('a{b="c"}', "wrong matcher") == {'a{b="cx"}'}


def test_sets_are_mixed_up_and_their_guards_forgotten():
    assert of("a or b", "set operator") == {"a{} and b{}"}
    assert of("a or absent(b)", "guard removed") == {"a{}", "absent(b{})"}
    assert of("a unless b", "set operator") == {"a{} and b{}"}


def test_rates_and_references_are_mistaken_for_others():
    assert of("rate(a[1m])", "rate for increase") == {"increase(a{}[60000ms])"}
    assert of("x_reference_cdf", "reference swapped") == {"x_reference_mass{}"}


def test_an_expression_that_cannot_be_written_again_is_refused():
    with pytest.raises(ValueError, match="read with @"):
        list(changes("a @ 5"))
