"""Rows of one's own: CSV and Parquet, what is inferred of them, and what is said of bad ones."""

import time
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from scenarios.rowsfile import describe, load_rows
from scenarios.spec import load
from scenarios.traffic import Traffic
from scenarios.yamlfile import BadFileError
from target_service.contract import Feature

CSV = """\
age,home,paid,known
31,own,1,30d
,rent,0,90s
47.5,own,1,0s
"""
DESCRIPTION = "rows: loans.csv\noutcome: paid\ndelay: known\n"
SCENARIO = """\
name: mine
summary: They grow older.
model: loans.yaml
traffic: {rate: 1}
phases:
  - {name: calm, duration: 1m}
  - name: older
    duration: 1m
    drifts: [{kind: covariate-shift, feature: age, shift: 1}]
"""


def write(folder: Path, description: str = DESCRIPTION, csv: str = CSV) -> Path:
    (folder / "loans.csv").write_text(csv)
    path = folder / "loans.yaml"
    path.write_text(description)
    return path


def test_a_schema_is_inferred_from_the_columns(tmp_path):
    rows = load_rows(write(tmp_path))
    assert rows.dataset.schema.features == (
        Feature("age", nullable=True),
        Feature("home", ("own", "rent")),
    )
    np.testing.assert_array_equal(rows.dataset.x, [[31, 0], [np.nan, 1], [47.5, 0]])
    assert rows.dataset.outcome.tolist() == [1, 0, 1]
    assert (rows.dataset.known - rows.dataset.time).tolist() == [30 * 86_400, 90, 0]


def test_a_schema_that_is_written_down_is_taken(tmp_path):
    features = "features: {home: [rent, own, boat], age: numeric}\n"
    rows = load_rows(write(tmp_path, "rows: loans.csv\n" + features))
    assert rows.dataset.schema.names == ("home", "age")
    np.testing.assert_array_equal(rows.dataset.x[:, 0], [1, 0, 1])


def test_parquet_gives_what_csv_gives(tmp_path):
    columns = {
        "age": [31, None, 47.5],
        "home": ["own", "rent", "own"],
        "paid": [True, False, True],
        "known": [2_592_000, 90, 0],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "loans.parquet")
    path = tmp_path / "loans.yaml"
    path.write_text(DESCRIPTION.replace("csv", "parquet"))
    ours, theirs = load_rows(path).dataset, load_rows(write(tmp_path)).dataset
    assert ours.schema == theirs.schema
    for name in ("x", "outcome", "known"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_categories_are_the_texts_of_the_file_numbers_or_not(tmp_path):
    csv = "zip,grade,y\n01234,1,true\n99999,2,False\n"
    features = "features: {zip: ['99999', '01234'], grade: ['2', '1']}\n"
    rows = load_rows(write(tmp_path, "rows: loans.csv\noutcome: y\n" + features, csv))
    assert rows.dataset.x.tolist() == [[1, 1], [0, 0]]
    assert rows.dataset.outcome.tolist() == [1, 0]
    parquet.write_table(pyarrow.table({"grade": [1, 2], "y": [1, 0]}), tmp_path / "own.parquet")
    path = tmp_path / "own.yaml"
    path.write_text("rows: own.parquet\nfeatures: {grade: ['2', '1']}\n")
    assert load_rows(path).dataset.x.tolist() == [[1], [0]]


def test_a_file_as_spreadsheets_write_it_is_read(tmp_path):
    path = write(tmp_path, "rows: loans.csv\noutcome: paid\n")
    text = '\ufeffage , note,paid\r\n 31,"line\nbreak, ""so""", 1\r\n40,plain,0\r\n'
    (tmp_path / "loans.csv").write_bytes(text.encode())
    rows = load_rows(path)
    assert rows.dataset.schema.features == (
        Feature("age", integer=True),
        Feature("note", ('line\nbreak, "so"', "plain")),
    )


def test_what_was_understood_is_told_as_the_file_can_hold_it(tmp_path):
    told = list(describe(load_rows(write(tmp_path))))
    assert told == [
        "3 rows, resampled; outcomes in paid, 66.7% 1",
        "features:",
        "  age: numeric  # 31 to 47.5, 1 missing",
        "  home: [own, rent]",
    ]
    written = DESCRIPTION + "\n".join(told[1:])
    assert load_rows(write(tmp_path, written)).dataset.schema.names == ("age", "home")
    odd = load_rows(write(tmp_path, "rows: loans.csv\n", '"a: b",k\nyes,5\nno,5\n'))
    assert list(describe(odd))[2:] == ["  'a: b': ['no', 'yes']", "  k: integer  # always 5"]


def test_whole_numbers_stay_whole_when_they_are_moved(tmp_path):
    write(tmp_path, "rows: loans.csv\norder: file\n", "age,fee\n31,1.5\n,2\n48,3\n")
    (tmp_path / "mine.yaml").write_text(SCENARIO)
    scenario = load(tmp_path / "mine.yaml")
    x = scenario.stream(0).block(0).x[60:63]
    assert x[0, 0] == 39.5
    sent = load_rows(tmp_path / "loans.yaml").dataset.schema.decode(x)
    assert [row["age"] for row in sent] == [40, None, 56]
    assert [type(row["age"]) for row in sent] == [int, type(None), int]
    assert [row["fee"] for row in sent] == [1.5, 2.0, 3.0]


def test_what_never_changes_is_not_moved_by_standard_deviations(tmp_path):
    write(tmp_path, "rows: loans.csv\n", "age\n40\n40\n")
    (tmp_path / "mine.yaml").write_text(SCENARIO)
    with pytest.raises(
        BadFileError, match=r"drifts\[0\]\.feature: .* is always 40 in the data set"
    ):
        load(tmp_path / "mine.yaml")


def drawn(folder: Path, seed: int):
    (folder / "mine.yaml").write_text(SCENARIO)
    return load(folder / "mine.yaml").stream(seed).block(0)


def test_rows_are_replayed_in_order_or_drawn_by_the_seed(tmp_path):
    write(tmp_path, DESCRIPTION + "order: file\n")
    assert drawn(tmp_path, 0).x[:60, 1].tolist() == [0, 1, 0] * 20
    assert drawn(tmp_path, 1).outcome[:60].tolist() == [1, 0, 1] * 20


def test_drawn_rows_keep_their_outcomes_and_delays(tmp_path):
    write(tmp_path)
    block = drawn(tmp_path, 3)
    recorded = {(1, 0, 90), (0, 1, 2_592_000), (0, 1, 0)}
    assert set(zip(block.x[:, 1], block.outcome, block.delay, strict=True)) == recorded
    assert drawn(tmp_path, 4).x[:, 1].tolist() != block.x[:, 1].tolist()


def test_drifts_are_injected_onto_the_rows(tmp_path):
    write(tmp_path, DESCRIPTION + "order: file\n")
    block = drawn(tmp_path, 0)
    np.testing.assert_array_equal(block.x[60:63, 0], [31 + 8.25, np.nan, 47.5 + 8.25])


def test_outcomes_are_told_when_they_are_known_whatever_their_order(tmp_path):
    write(tmp_path, DESCRIPTION + "order: file\n", CSV.replace("30d", "5s").replace("90s", "2s"))
    (tmp_path / "mine.yaml").write_text(SCENARIO)
    traffic = Traffic(load(tmp_path / "mine.yaml"), 1.0, 0, t0=time.time() - 10)
    for token in ("after 5 s", "after 3 s", "after 2 s"):
        arrival = traffic.next_arrival()
        assert arrival is not None
        traffic.answered(arrival, arrival.due, token)
    told = [label.token for label in traffic.due_labels(10)[0]]
    assert told == ["after 2 s", "after 3 s", "after 5 s"]


def test_a_request_of_many_rows_takes_those_of_its_phase_from_its_own_on(tmp_path):
    write(tmp_path, DESCRIPTION + "order: file\n")
    many = SCENARIO.replace("{name: calm, duration: 1m}", "{name: calm, duration: 1m, rows: 100}")
    (tmp_path / "mine.yaml").write_text(many)
    traffic = Traffic(load(tmp_path / "mine.yaml"), 1.0, 0, t0=0.0)
    asked = [arrival.rows for arrival in iter(traffic.next_arrival, None)]
    assert [len(rows) for rows in asked] == [100] * 60 + [1] * 60
    assert [rows[0]["home"] for rows in asked[:4]] == ["own", "rent", "own", "own"]
    assert {row["age"] for rows in asked[:60] for row in rows} == {31, None, 47.5}
    assert {row["age"] for rows in asked[60:] for row in rows} == {39.25, None, 55.75}


def test_without_a_column_of_outcomes_none_is_told(tmp_path):
    write(tmp_path, "rows: loans.csv\nfeatures: {age: numeric}\n")
    assert not drawn(tmp_path, 0).labelled.any()


BAD = {
    "no such file": ("loans.csv", "lones.csv", "", "", 1, "rows", "No such file"),
    "no such outcome": ("paid", "defaulted", "", "", 2, "outcome", "it has: age, home, paid"),
    "no such delay": ("known", "later", "", "", 3, "delay", "no column 'later'"),
    "no such feature": ("delay: known", "features: {income: numeric}", "", "", 3,
                        "features.income", "no column 'income'"),
    "unknown kind": ("delay: known", "features: {age: number}", "", "", 3, "features.age",
                     "expected numeric, integer or a list"),
    "a part of a number": ("delay: known", "features: {age: integer}", "", "", 3, "features.age",
                           "loans.csv:4: age: expected a whole number, got 47.5"),
    "unknown key": ("delay:", "dealy:", "", "", 3, "dealy", "known: rows, outcome"),
    "unknown order": ("delay: known", "order: any", "", "", 3, "order", "resampled or file"),
    "text for a number": ("delay: known", "features: {age: numeric}", "47.5", "old", 3,
                          "features.age", "loans.csv:4: age: expected a number, got 'old'"),
    "number that JSON lacks": ("delay: known", "features: {age: numeric}", "47.5", "inf", 3,
                               "features.age", "loans.csv:4: age: expected a number, got 'inf'"),
    "column of nothing": ("x", "x", CSV[20:], ",own,1,30d", 1, "features", "column 'age' is empty"),
    "blank lines count": ("x", "x", "31,own,1", "\n\n31,own,2", 2, "outcome", "loans.csv:4: paid"),
    "delay of nothing": ("outcome: paid\n", "", "", "", 2, "delay", "no outcome is named"),
    "outcome of two": ("x", "x", "31,own,1", "31,own,2", 2, "outcome", "loans.csv:2: paid: expec"),
    "no delay": ("x", "x", "90s", "soon", 3, "delay", "loans.csv:3: known: expected a duration"),
    "value too many": ("x", "x", "47.5", "47,5", 1, "rows", "loans.csv:4: 5 values for 4 columns"),
    "names twice": ("x", "x", "home", "age", 1, "rows", "loans.csv:1: column 'age' is there twice"),
    "no name": ("x", "x", "age,home", ",home", 1, "rows", "loans.csv:1: column 1 has no name"),
    "no line": ("x", "x", CSV, "", 1, "rows", "a line of column names, and it is empty"),
    "semicolons": ("x", "x", CSV, "age;paid\n31;1\n", 1, "rows", "separated by ';': expected com"),
    "open quote": ("x", "x", "own,1", '"own,1', 1, "rows", "loans.csv:4: not a CSV file"),
    "nothing but outcomes": ("\ndelay: known", "", CSV, "paid\n1\n", 1, "features",
                             "no column beside paid"),
    "one that is no number": ("x", "x", CSV[20:], "".join(f"{n},own,1,1s\n" for n in range(200))
                              + "36k,own,1,1s\n", 1, "features",
                              "loans.csv:202: age: '36k' is no number, as most values"),
    "yes of YAML": ("delay: known", "features: {home: [own, yes]}", "", "", 3, "features.home",
                    "got True: put it in quotes"),
    "category twice": ("delay: known", "features: {home: [own, own]}", "", "", 3, "features.home",
                       "listed twice: own, own"),
    "no outcome": ("x", "x", "31,own,1", "31,own,", 2, "outcome", "expected 0 or 1, got nothing"),
    "no rows": ("x", "x", CSV[20:], "", 1, "rows", "no rows in it"),
}  # fmt: skip


@pytest.mark.parametrize(("a", "b", "c", "d", "line", "key", "hint"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_named_by_file_line_and_key(tmp_path, a, b, c, d, line, key, hint):
    path = write(tmp_path, DESCRIPTION.replace(a, b), CSV.replace(c, d, 1))
    with pytest.raises(BadFileError) as caught:
        load_rows(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: {key}"), message
    assert hint in message


def test_a_column_declared_numeric_that_is_empty_is_refused(tmp_path):
    path = write(tmp_path, "rows: loans.csv\nfeatures: {age: numeric}\n", "age,home\n,own\n,rent\n")
    with pytest.raises(
        BadFileError, match=r"loans\.yaml:2: features\.age: .*column 'age' is empty"
    ):
        load_rows(path)


def test_a_csv_of_another_encoding_is_said_to_be_one(tmp_path):
    path = write(tmp_path)
    (tmp_path / "loans.csv").write_bytes(CSV.replace("rent", "Köln").encode("latin-1"))
    with pytest.raises(BadFileError, match=r"loans\.csv: not UTF-8, as a CSV file has to be"):
        load_rows(path)


def test_rows_without_an_end_are_not_read_to_it(tmp_path):
    path = write(tmp_path, "rows: /dev/zero\n")
    with pytest.raises(BadFileError, match="/dev/zero: cannot be read: a device or a pipe"):
        load_rows(path)


def test_a_column_of_names_is_no_category(tmp_path):
    names = "\n".join(f"person-{i},1" for i in range(200))
    path = write(tmp_path, "rows: loans.csv\noutcome: y\n", f"name,y\n{names}\n")
    with pytest.raises(BadFileError, match="column 'name' holds 200 different texts"):
        load_rows(path)


def test_a_scenario_names_the_fault_of_its_rows_where_it_stands(tmp_path):
    write(tmp_path, "rows: nowhere.csv\n")
    (tmp_path / "mine.yaml").write_text(SCENARIO)
    with pytest.raises(BadFileError, match=r"loans\.yaml:1: rows: .*nowhere\.csv: cannot be read"):
        load(tmp_path / "mine.yaml")
