"""Verdicts -> JUnit XML, in the common part of what GitHub, GitLab and Jenkins read."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from driftdrill.text import alert_title, printable, printable_lines, short_time
from driftdrill.verdict import Expectation, Outcome, Verdict

_TAGS: dict[Outcome, str] = {"fail": "failure", "inconclusive": "error"}


def junit_xml(verdicts: Sequence[Verdict]) -> bytes:
    """A test suite per drill, a test case per expectation.

    A failed expectation is a `failure`, an inconclusive one an `error`. When a drill did not pass
    for a reason that no expectation carries, a test case for the drill itself does, so that what
    did not pass is never green. A case's `time` is the delay of the alert, in production seconds.
    """
    root = Element("testsuites", name="driftdrill")
    for verdict in verdicts:
        _suite(root, verdict)
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, 0)) for suite in root)))
    indent(root)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _suite(root: Element, verdict: Verdict) -> None:
    name = printable(verdict.scenario)
    suite = SubElement(root, "testsuite", name=name)
    properties = SubElement(suite, "properties")
    facts = {"mode": verdict.mode, "speed": f"{verdict.speed:g}", "seed": str(verdict.seed)}
    for key, value in {**facts, **dict(sorted(verdict.versions.items()))}.items():
        SubElement(properties, "property", name=printable(key), value=printable(value))
    reasons = "\n".join(printable_lines(reason) for reason in verdict.reasons)
    for expectation in verdict.expectations:
        time = f"{expectation.delay_s or 0:.3f}"
        case = SubElement(suite, "testcase", classname=name, name=_says(expectation), time=time)
        _result(case, expectation.outcome, f"{_says(expectation)}: {_did(expectation)}", reasons)
    if all(expectation.outcome != verdict.outcome for expectation in verdict.expectations) and (
        verdict.outcome != "pass"
    ):
        case = SubElement(suite, "testcase", classname=name, name="the drill itself", time="0.000")
        _result(case, verdict.outcome, f"the drill is {verdict.outcome}", reasons)
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("time", f"{sum(float(case.get('time', 0)) for case in cases):.3f}")


def _result(case: Element, outcome: Outcome, message: str, reasons: str) -> None:
    if outcome in _TAGS:
        result = SubElement(case, _TAGS[outcome], message=message, type=outcome)
        result.text = reasons or message


def _says(expectation: Expectation) -> str:
    title = alert_title(expectation.alert, expectation.labels)
    if expectation.kind == "silent":
        return f"{title} stays silent"
    if expectation.kind == "may":
        return f"{title} may fire"
    if expectation.kind == "resolves":
        return f"{title} resolves within {short_time(expectation.deadline_s)}"
    return f"{title} fires within {short_time(expectation.deadline_s)}"


def _did(expectation: Expectation) -> str:
    if expectation.outcome == "inconclusive":
        return "could not be known"
    if expectation.kind == "silent":
        return "it fired"
    did = "resolve" if expectation.kind == "resolves" else "fire"
    if expectation.delay_s is None:
        return f"it did not {did}"
    return f"it {did}d after {short_time(expectation.delay_s)}"
