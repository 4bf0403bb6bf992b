from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring

import msgspec
from report_examples import Drill

from driftdrill.report.junit import junit_xml
from driftdrill.verdict import Expectation, Verdict


def report(*verdicts: Verdict) -> Element:
    return fromstring(junit_xml(verdicts))


def suite(drill: Drill) -> Element:
    (found,) = report(drill.verdict)
    return found


def test_every_expectation_is_a_test_case(passed: Drill) -> None:
    names = [case.get("name") for case in suite(passed).iter("testcase")]
    assert names == [
        'FeatureDrift{feature="income"} fires within 10m',
        "ScoreDrift fires within 15m",
        "ModelQualityDegraded stays silent",
        "TargetDown stays silent",
        "NoTraffic stays silent",
        "HighErrorRate stays silent",
        "HighLatency stays silent",
    ]
    assert {suite(passed).get(key) for key in ("failures", "errors")} == {"0"}


def test_a_failed_expectation_is_a_failure_that_holds_the_reasons(failed: Drill) -> None:
    failures = list(suite(failed).iter("failure"))
    assert len(failures) == 2
    assert suite(failed).get("failures") == "2"
    assert str(failures[0].get("message")).endswith("fires within 10m: it did not fire")
    assert "FeatureDrift did not fire" in str(failures[0].text)


def test_an_inconclusive_expectation_is_an_error(died: Drill) -> None:
    errors = list(suite(died).iter("error"))
    assert len(errors) == 2
    assert "killed by SIGKILL" in str(errors[0].text)


def test_a_fault_is_never_green_though_every_expectation_held(passed: Drill) -> None:
    verdict = msgspec.structs.replace(
        passed.verdict, outcome="inconclusive", reasons=("traffic was not delivered",)
    )
    (only,) = report(verdict).iter("error")
    assert only.text == "traffic was not delivered"


def test_a_drill_that_died_without_expectations_is_an_error(died: Drill) -> None:
    verdict = msgspec.structs.replace(died.verdict, expectations=(), reasons=())
    root = report(verdict)
    assert (root.get("tests"), root.get("errors")) == ("1", "1")


def test_several_drills_share_a_file_whose_totals_add_up(passed: Drill, failed: Drill) -> None:
    root = report(passed.verdict, failed.verdict)
    assert [s.get("tests") for s in root] == ["7", "8"]
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("15", "2", "0")


def test_characters_that_xml_forbids_are_written_out(passed: Drill) -> None:
    odd = Expectation("\x00\x0b\ufffe\ud800", {"]]>": "\x1b"}, "silent", None, "fail")
    verdict = msgspec.structs.replace(
        passed.verdict, outcome="fail", expectations=(odd,), reasons=("\x08 in a log",)
    )
    (case,) = report(verdict).iter("testcase")
    assert case.get("name") == r'\x00\x0b\ufffe\ud800{]]>="\x1b"} stays silent'
    assert case[0].text == r"\x08 in a log"


def test_a_late_alert_is_told_from_one_that_never_fired(passed: Drill) -> None:
    late = Expectation("ScoreDrift", {}, "fires", 900.0, "fail", 1000.0)
    verdict = msgspec.structs.replace(passed.verdict, outcome="fail", expectations=(late,))
    (failure,) = report(verdict).iter("failure")
    assert failure.get("message") == "ScoreDrift fires within 15m: it fired after 16m40s"
