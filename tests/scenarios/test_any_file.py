"""Whatever a file holds, it is a scenario or a target, or one error that says where it is wrong.

Files that are right are damaged in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from damage import damaged
from hypothesis import given
from hypothesis import strategies as st

from scenarios.spec import CATALOGUE, Scenario, load
from scenarios.target import Target, load_target
from scenarios.yamlfile import BadFileError

TARGET = """\
url: http://127.0.0.1:8000
model: credit
predict: {path: /score, request: {rows: ["{*row}"]}, score: rows.0.score, token: rows.0.token}
feedback: {path: /outcome, request: {id: "{token}", paid: "{outcome}"}}
metrics: /metrics
headers: {X-Team: risk}
tls: {verify: false}
"""


def read(reader: Callable[[Path], Any], path: Path, text: str) -> Any:
    """What a reader makes of a text; None where it refuses it with an error that names the file."""
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        return reader(path)
    except BadFileError as error:
        named = str(error).startswith(f"{path}:")
    assert named
    return None


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("any") / "any.yaml"


@given(st.sampled_from(sorted(CATALOGUE.glob("*.yaml"))), st.data())
def test_a_damaged_scenario_is_a_scenario_or_one_error(file, shipped, data):
    text = damaged(yaml.safe_load(shipped.read_text()), data)
    assert isinstance(read(load, file, text), Scenario | None)


@given(st.data())
def test_a_damaged_target_is_a_target_or_one_error(file, data):
    text = damaged(yaml.safe_load(TARGET), data)
    assert isinstance(read(load_target, file, text), Target | None)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_a_target_or_one_error(file, text):
    assert read(load_target, file, text) is None


def test_what_is_damaged_was_right(file):
    assert isinstance(read(load_target, file, TARGET), Target)


@pytest.mark.parametrize("reader", [load, load_target])
def test_a_file_without_an_end_is_refused(reader):
    with pytest.raises(BadFileError, match="larger than 1000000 bytes"):
        reader(Path("/dev/zero"))
