"""The soak finds nothing in a sound service, and would tell of what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.soak import faults, requests

PROJECT = Path(__file__).parents[2]


def test_a_sound_service_counts_to_the_last_request_in_flat_memory(tmp_path):
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "benchmarks/soak.py", "--requests", "8000", "--json", str(file)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())
    assert (figures["requests"], figures["hostile"]) == (8000, 1600)
    assert figures["answered_5xx"] == figures["counted_otherwise"] == figures["series_added"] == 0


def test_a_fifth_is_hostile_and_no_two_of_those_are_alike():
    made = list(requests(1000, 0.2, "http://127.0.0.1:8000"))
    hostile = [request for request in made if request.counted[2] != "200"]
    assert len(hostile) == 200
    told = Counter(request.sent for request in hostile if b"predict HTTP" not in request.sent)
    assert len({request.counted for request in hostile}) > 5
    assert told.most_common(1)[0][1] < 20


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("answered_5xx", 1),
        ("answered_otherwise", 1),
        ("counted_otherwise", 1),
        ("series_added", 1),
        ("memory_last_quarter_mb", 111.0),
    ],
)
def test_whatever_is_not_as_it_has_to_be_is_named(key, value):
    sound = {
        "answered_5xx": 0,
        "answered_otherwise": 0,
        "counted_otherwise": 0,
        "series_added": 0,
        "memory_first_quarter_mb": 100.0,
        "memory_last_quarter_mb": 109.0,
    }
    assert faults(sound) == []
    assert faults(sound | {key: value}) == [key]
