"""The live page's view: every alert's state as things stand, drawn and harmless."""

from dataclasses import replace
from html.parser import HTMLParser

import msgspec
import pytest
import report_examples

from driftdrill.report.live import COLUMNS, LiveView, live_html, live_rows
from driftdrill.report.shares import Share, distances
from driftdrill.verdict import Alert, Curve, Observation, Statistic, Verdict, judge
from scenarios.expectations import Allow, Resolve
from scenarios.spec import Scenario

SCENARIO = report_examples.scenario()
INCOME = {"feature": "income"}


def seen(now: float, *alerts: Alert, **more) -> Observation:
    rules = ("FeatureDrift", "NoTraffic", "ScoreDrift")
    return Observation(
        "live", 60.0, 0, now, rules, alerts, statistics=(statistic(0.2, 1.8),), **more
    )


def statistic(*values: float) -> Statistic:
    times = tuple(float(i) for i in range(len(values)))
    curves = (
        Curve("ratio", INCOME, times, values),
        Curve("ratio", {"feature": "age"}, times, tuple(value / 10 for value in values)),
    )
    limit = Curve("1", {}, times, tuple(1.0 for _ in values))
    return Statistic("FeatureDrift", "ratio", curves, (limit,))


def shown_rows(
    observation: Observation, scenario: Scenario = SCENARIO, verdict: Verdict | None = None
) -> list[dict[str, str]]:
    rows = live_rows(scenario, observation, verdict)
    return [dict(zip(COLUMNS, row.cells, strict=True)) for row in rows]


def row(observation: Observation, alert: str, **judged: Verdict) -> dict[str, str]:
    rows = shown_rows(observation, **judged)
    (found,) = (row for row in rows if row["Alert"].startswith(alert))
    return found


def view(observation: Observation, scenario: Scenario = SCENARIO, **more) -> LiveView:
    return LiveView(scenario, observation, "running", (("Prometheus", "http://here"),), **more)


def test_before_the_change_an_expected_alert_is_inactive_and_not_due_yet():
    shown = row(seen(600.0), "FeatureDrift")
    assert (shown["State"], shown["So far"]) == ("inactive", "not due yet")
    assert (shown["Value"], shown["Threshold"]) == ("1.8", "1")
    assert shown["Expected"] == "fires within 10m"
    assert shown["Deadline"] == "20m left"


@pytest.mark.parametrize(
    ("life", "state", "since"),
    [
        ((1300.0, None, None), "pending", "at 21m40s"),
        ((1300.0, 1320.0, None), "firing", "at 22m"),
        ((1300.0, 1320.0, 1500.0), "resolved", "at 25m"),
        ((1300.0, None, 1500.0), "inactive", "-"),
    ],
)
def test_each_state_of_an_alert_is_shown_with_the_time_since_when(life, state, since):
    shown = row(seen(1600.0, Alert("FeatureDrift", INCOME, *life)), "FeatureDrift")
    assert (shown["State"], shown["Since"]) == (state, since)


def test_an_alert_that_fired_in_time_counts_down_no_longer():
    alert = Alert("FeatureDrift", INCOME, None, 1320.0, None, 1340.0)
    shown = row(seen(1600.0, alert), "FeatureDrift")
    assert (shown["Deadline"], shown["So far"]) == ("took 2m", "pass")


def test_an_alert_has_not_failed_while_its_notification_is_under_way():
    """Until the drill is judged: what has not arrived by then reaches nobody."""
    fired = seen(1330.0, Alert("FeatureDrift", INCOME, None, 1320.0))
    shown = row(fired, "FeatureDrift")
    assert (shown["Deadline"], shown["So far"]) == ("took 2m", "notification under way")
    judged = row(fired, "FeatureDrift", verdict=judge(SCENARIO, fired))
    assert (judged["State"], judged["So far"]) == ("firing", "fail")


def test_that_an_alert_resolves_is_a_row_of_its_own_with_its_own_deadline():
    over = [replace(e, resolve=Resolve(3600.0, within=900.0)) for e in SCENARIO.expects]
    alert = Alert("FeatureDrift", INCOME, None, 1320.0, None, 1340.0)
    first, second, third, fourth, *_ = shown_rows(
        seen(1980.0, alert), replace(SCENARIO, expects=tuple(over))
    )
    assert [first["Expected"], first["So far"]] == ["fires within 10m", "pass"]
    assert [second["Expected"], second["Deadline"]] == ["resolves within 15m", "42m left"]
    assert second["So far"] == "not due yet"
    assert [third["Alert"], third["Expected"]] == ["ScoreDrift", "fires within 15m"]
    assert fourth["Expected"] == "resolves within 15m"


def test_an_alert_that_may_fire_is_not_said_to_stay_silent():
    allowing = replace(SCENARIO, allows=(Allow("NoTraffic", {}, 0.0),))
    (shown,) = (r for r in shown_rows(seen(600.0), allowing) if r["Alert"] == "NoTraffic")
    assert shown["Expected"] == "may fire"


def test_a_missed_deadline_fails_while_the_drill_still_runs():
    assert row(seen(1900.0), "FeatureDrift")["So far"] == "fail"


def test_an_alert_that_nothing_expects_is_one_row_however_often_it_fires():
    again = [Alert("NoTraffic", {}, None, 60.0 * i, 60.0 * i + 30) for i in (1, 2, 3)]
    shown = row(seen(600.0, *again), "NoTraffic")
    assert (shown["Expected"], shown["So far"]) == ("silent", "fail")


def test_the_farthest_feature_comes_first_in_thresholds():
    found = distances([statistic(0.2, 1.8)])
    assert [(d.feature, d.ratio) for d in found] == [("income", 1.8), ("age", 0.18)]


def test_a_statistic_without_a_positive_threshold_has_no_distance():
    zero = statistic(1.0)
    zero = msgspec.structs.replace(zero, thresholds=(Curve("0", {}, (0.0,), (0.0,)),))
    assert distances([zero]) == []


class Reader(HTMLParser):
    """Checks that what is opened is closed, and collects what could act."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.acting: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.opened.append(tag)
        self.acting += [tag] if tag == "script" else []
        self.acting += [name for name, _ in attrs if name.startswith("on")]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag


def test_the_view_is_whole_and_nothing_in_it_can_act():
    hostile = replace(SCENARIO, name=report_examples.HOSTILE, summary=report_examples.HOSTILE)
    reader = Reader()
    shares = (Share("0.5", 0.2, 0.5), Share("+Inf", 0.8, 0.5))
    reader.feed(live_html(view(seen(600.0), hostile, shares=shares)))
    reader.close()
    assert (reader.opened, reader.acting) == ([], [])


def test_the_verdict_appears_with_a_link_to_the_report(passed):
    done = LiveView(
        passed.scenario, passed.observation, "over", (), (), passed.verdict, "/drill/reports/1"
    )
    html = live_html(done)
    assert 'class="banner pass"' in html
    assert 'href="/drill/reports/1"' in html


def test_after_the_end_the_time_since_then_is_told():
    assert "<dd>10m of 1h of production</dd>" in live_html(view(seen(600.0)))
    assert "<dd>1h of 1h of production, and 5m since</dd>" in live_html(view(seen(3900.0)))


def test_before_anything_was_seen_the_view_says_so():
    html = live_html(view(Observation("live", 60.0, 0, 0.0)))
    assert "No predictions yet." in html
    assert "No feature is watched yet." in html
