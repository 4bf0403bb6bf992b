"""Markdown: what a pull request is told."""

from driftdrill.report.markdown import markdown
from driftdrill.verdict import Expectation, Requests, Verdict


def verdict(name, outcome, reasons=(), expectations=()):
    return Verdict(
        scenario=name,
        mode="virtual",
        speed=0,
        seed=0,
        outcome=outcome,
        reasons=tuple(reasons),
        expectations=tuple(expectations),
        alerts=(),
        requests=Requests(),
        versions={},
    )


def fires(alert, outcome, delay, **labels):
    return Expectation(alert, labels, "fires", 600.0, outcome, delay)


def test_a_drill_is_a_row_and_reasons_follow_the_table():
    text = markdown(
        [
            verdict("steady", "pass"),
            verdict(
                "recession",
                "fail",
                ["ScoreDrift did not fire"],
                [fires("FeatureDrift", "pass", 155.0), fires("ScoreDrift", "fail", None)],
            ),
        ]
    )
    assert text.splitlines() == [
        "### Drills: 1 of 2 passed",
        "",
        "| scenario | outcome | alerts that had to fire | within | fired after |",
        "|---|---|---|---|---|",
        "| steady | ✅ pass | none | none | none |",
        "| recession | ❌ fail | FeatureDrift<br>ScoreDrift | 10m<br>10m | 2m35s<br>- ❌ |",
        "",
        "**recession**",
        "",
        "- ScoreDrift did not fire",
    ]


def test_no_label_and_no_reason_is_markup():
    text = markdown(
        [
            verdict(
                "x",
                "inconclusive",
                ["<img src=x>\n| a | b |"],
                [fires("A", "inconclusive", None, v="|[l](http://evil)@team")],
            )
        ]
    )
    assert "<img" not in text
    assert "\\](http" in text
    assert "@team" not in text
    assert all(line.replace("\\|", "").count("|") in {0, 6} for line in text.splitlines())
