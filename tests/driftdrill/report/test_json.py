from __future__ import annotations

import json
import math

import msgspec
from report_examples import Drill

from driftdrill.report.json import verdict_json
from driftdrill.verdict import Alert, Verdict


def test_verdict_json_has_the_documented_keys_in_the_documented_order(passed: Drill) -> None:
    read = json.loads(verdict_json(passed.verdict))
    assert list(read) == [
        "scenario",
        "mode",
        "speed",
        "seed",
        "outcome",
        "reasons",
        "expectations",
        "alerts",
        "requests",
        "versions",
        "notes",
    ]
    assert list(read["expectations"][0]) == [
        "alert",
        "labels",
        "kind",
        "deadline_s",
        "outcome",
        "delay_s",
    ]
    assert list(read["alerts"][0]) == [
        "alert",
        "labels",
        "pending_at",
        "firing_at",
        "resolved_at",
        "notified_at",
    ]
    assert list(read["requests"]) == ["sent", "failed", "rate_target", "rate_achieved"]


def test_what_was_written_reads_back_as_the_same_verdict(drill: Drill) -> None:
    assert msgspec.json.decode(verdict_json(drill.verdict), type=Verdict) == drill.verdict


def test_equal_verdicts_give_equal_bytes_whatever_the_order_of_their_labels(passed: Drill) -> None:
    def with_labels(labels: dict[str, str]) -> bytes:
        alert = Alert("ScoreDrift", labels, 1.0, 2.0)
        return verdict_json(msgspec.structs.replace(passed.verdict, alerts=(alert,)))

    assert with_labels({"a": "1", "b": "2"}) == with_labels({"b": "2", "a": "1"})


def test_an_unknown_time_is_null_and_so_is_what_is_no_number(passed: Drill) -> None:
    alert = Alert("ScoreDrift", {}, math.nan, math.inf)
    verdict = msgspec.structs.replace(passed.verdict, alerts=(alert,))
    (read,) = json.loads(verdict_json(verdict))["alerts"]
    assert [read[key] for key in ("pending_at", "firing_at", "resolved_at")] == [None] * 3


def test_the_file_is_indented_and_ends_with_a_newline(passed: Drill) -> None:
    written = verdict_json(passed.verdict)
    assert written.startswith(b'{\n  "scenario": "covariate-sudden",\n')
    assert written.endswith(b"}\n")
