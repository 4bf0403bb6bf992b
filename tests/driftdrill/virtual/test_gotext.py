"""Text that promtool prints is read whole, whatever stands in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftdrill.virtual.gotext import labels, samples, series

VALUES = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(st.sampled_from(["a", "b_1", "le"]), VALUES))
def test_what_is_written_is_read_again(chosen):
    named = {"__name__": "x:y", **chosen}
    assert labels(series(named)) == named


def test_gos_escapes_are_undone():
    text = r'{__name__="ALERTS", odd="a\"b\\c\nd, {e=\"f\"} \x07\u2028\U0001f600\a"} 1E+00, {} NaN'
    assert list(samples(text)) == [
        (
            {"__name__": "ALERTS", "odd": 'a"b\\c\nd, {e="f"} \x07\u2028\U0001f600\a'},
            "1E+00",
        ),
        ({}, "NaN"),
    ]


def test_anything_else_is_refused():
    with pytest.raises(ValueError, match="not a list of samples"):
        list(samples('{a="b} 1'))
