"""Whatever a rule file holds, it can be drilled or is refused with one error that names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from damage import damaged
from hypothesis import given, settings
from hypothesis import strategies as st

from driftdrill.checks import check_rules
from driftdrill.drill import RULES
from driftdrill.rig.errors import UsageError
from driftdrill.rig.tools import find_tools
from driftdrill.virtual.rules import load_groups

SMALL = """\
groups:
  - name: own
    interval: 30s
    limit: 10
    rules:
      - record: traffic
        labels: {team: risk}
        expr: sum(rate(http_request_count_total[5m:1m] offset 2m))
      - alert: Busy
        expr: traffic > 100
        for: 2m
        keep_firing_for: 5m
        labels: {severity: page}
        annotations: {summary: "{{ $value }} requests/s"}
"""
SHIPPED = [path.read_text() for path in RULES]


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("rules") / "own.yml"


@given(st.sampled_from([SMALL, SMALL, *SHIPPED]), st.data())
@settings(max_examples=25)
def test_a_damaged_rule_file_is_drilled_or_refused(file, sound, data):
    file.write_text(damaged(yaml.safe_load(sound), data), encoding="utf-8", errors="surrogatepass")
    refused = []
    for look in (
        lambda: check_rules([file], 60.0),
        lambda: load_groups([file], 60.0, find_tools().promtool),
    ):
        try:
            look()
        except UsageError as error:
            refused.append(str(error))
    assert all(message.startswith(f"{file}: ") for message in refused)


def test_what_is_damaged_was_right(file):
    file.write_text(SMALL)
    check_rules([file], 60.0)
    assert len(load_groups([file], 60.0, find_tools().promtool)) == 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("groups: [null]", "groups[0]"),
        ("groups: [{name: own, rules: [null]}]", "groups[0].rules[0]"),
        ("groups: [{name: own, rules: [{alert: Busy, expr: null}]}]", "groups[0].rules[0].expr"),
    ],
)
def test_what_is_empty_is_refused_by_its_place(file, text, place):
    file.write_text(text)
    with pytest.raises(UsageError, match=re.escape(f"{file}: {place}: expected")):
        check_rules([file], 60.0)
    with pytest.raises(UsageError, match=re.escape(f"{file}: {place}: expected")):
        load_groups([file], 60.0, find_tools().promtool)
