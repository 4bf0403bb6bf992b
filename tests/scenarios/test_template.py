"""Templates and paths: rows on the wire and scores back."""

import json

import pytest

from scenarios.presets import PRESETS
from scenarios.template import Template, follow, parse_path, row_fillers, value_of, write_path
from target_service.contract import Feature, Schema

SCHEMA = Schema((Feature("age"), Feature("home", ("own", "rent"))))
ROW = {"age": None, "home": 'r"ent'}


def rendered(document, rows=(ROW,)):
    return json.loads(Template(document, row_fillers(SCHEMA)).render(rows))


def test_a_template_without_a_hole_is_itself():
    document = {"a": [1, 2.5, None, True, "{", "age", "{a b"], "b": {}, "c": []}
    assert rendered(document) == document


def test_a_hole_takes_the_name_of_any_column_and_a_text_of_json_is_none():
    document = {"spend": "{spend ($)}", "nested": '{"a": 1}'}
    text = Template(document, {"spend ($)": value_of("spend ($)")}).render({"spend ($)": 2.5})
    assert json.loads(text) == {"spend": 2.5, "nested": '{"a": 1}'}


def test_every_placeholder_stands_for_its_part_of_the_row():
    assert rendered("{*row}") == ROW
    assert rendered({"one": "{age}", "two": ["{home}"]}) == {"one": None, "two": ['r"ent']}
    assert rendered("{*values}") == [None, 'r"ent']
    assert rendered({"shape": [1, "{*width}"], "names": "{*names}"}) == {
        "shape": [1, 2], "names": ["age", "home"],
    }  # fmt: skip
    assert rendered(["{*rows}", "{*matrix}", "{*count}"]) == [[ROW], [[None, 'r"ent']], 1]
    assert rendered("{*columns}") == [
        {"name": "age", "shape": [1], "datatype": "FP64", "data": [None]},
        {"name": "home", "shape": [1], "datatype": "BYTES", "data": ['r"ent']},
    ]


def test_several_rows_fill_what_is_for_several():
    rows = [ROW, {"age": 3.5, "home": "own"}]
    assert rendered("{*rows}", rows) == rows
    assert rendered(["{*count}", "{*width}"], rows) == [2, 2]
    assert rendered("{*matrix}", rows) == [[None, 'r"ent'], [3.5, "own"]]
    assert rendered("{*columns}", rows)[0] == {
        "name": "age", "shape": [2], "datatype": "FP64", "data": [None, 3.5],
    }  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_fits_any_schema_and_its_score_path_reads(name):
    preset = PRESETS[name]
    text = json.dumps(rendered(preset["request"]))
    assert "{" + "*" not in text
    assert 'r\\"ent' in text
    assert name == "json" or parse_path(preset["score"])


def test_a_placeholder_that_no_feature_fills_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no such placeholder: \{agee\}; known: \{age\}, \{home"):
        Template(["{agee}"], row_fillers(SCHEMA))


@pytest.mark.parametrize("text", ["[0]", "a", "outputs[0].data[1]", "a[1][2].b-c"])
def test_a_path_is_written_as_it_is_read(text):
    assert write_path(parse_path(text)) == text


@pytest.mark.parametrize("text", ["", ".", "a..b", "a[", "a[x]", "a[-1]", "a.", "[0]x"])
def test_what_is_no_path_is_refused(text):
    with pytest.raises(ValueError, match="expected a path such as"):
        parse_path(text)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("b", "nothing at b: there is an object with 'a'"),
        ("a[2]", r"nothing at a\[2\]: there is a list of 2"),
        ("a[0].x", r"nothing at a\[0\].x: there is 1"),
        ("a.x", "nothing at a.x: there is a list of 2"),
    ],
)
def test_a_path_that_leads_nowhere_says_how_far_it_goes(path, said):
    with pytest.raises(ValueError, match=said):
        follow({"a": [1, 2]}, parse_path(path))
