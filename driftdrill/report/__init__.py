"""Verdict -> terminal, JSON, JUnit, Markdown, HTML."""

from __future__ import annotations

from pathlib import Path

from driftdrill.report.html import report_html
from driftdrill.report.json import verdict_json
from driftdrill.report.junit import junit_xml
from driftdrill.report.markdown import markdown
from driftdrill.verdict import Observation, Verdict
from scenarios.spec import Scenario


def write_reports(
    scenario: Scenario, observation: Observation, verdict: Verdict, out: Path
) -> None:
    """Write a verdict in all four forms into a folder, made when missing."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "verdict.json").write_bytes(verdict_json(verdict))
    (out / "junit.xml").write_bytes(junit_xml([verdict]))
    (out / "summary.md").write_text(markdown([verdict]), encoding="utf-8")
    page = report_html(scenario, observation, verdict)
    (out / "report.html").write_text(page, encoding="utf-8")
