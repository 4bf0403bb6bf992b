"""From Prometheus' samples to alert lives, on a clock."""

from driftdrill.promapi import Clock, Series, alert_lives, watched

CLOCK = Clock(t0=1000.0, speed=60.0)
INTERVALS = {"ScoreDrift": 1.0, "Other": 1.0}


def alerts(state: str, *times: float, name: str = "ScoreDrift", **labels: str) -> Series:
    return Series(
        {"alertname": name, "alertstate": state, **labels}, tuple((time, 1.0) for time in times)
    )


def test_pending_firing_and_resolved_are_read_at_the_evaluations():
    samples = [
        alerts("pending", 1010.0, 1011.0, model="credit"),
        alerts("firing", 1012.0, 1013.0, 1014.0, model="credit"),
        alerts("firing", 1013.0, 1019.0, name="Other"),
    ]
    first, *_ = alert_lives(samples, CLOCK, INTERVALS, until=1020.0, added={})
    assert (first.alert, first.labels) == ("ScoreDrift", {"model": "credit"})
    assert (first.pending_at, first.firing_at, first.resolved_at) == (600.0, 720.0, 900.0)


def test_an_instance_that_fires_twice_lives_twice():
    samples = [alerts("firing", 1001.0, 1002.0, 1010.0, 1011.0)]
    lives = alert_lives(samples, CLOCK, INTERVALS, until=1012.0, added={})
    assert [(life.firing_at, life.resolved_at) for life in lives] == [(60.0, 180.0), (600.0, None)]


def test_what_still_fires_at_the_last_evaluation_is_not_resolved():
    samples = [alerts("firing", 1001.0, 1002.0), alerts("pending", 1002.0, name="Other")]
    lives = alert_lives(samples, CLOCK, INTERVALS, until=1003.0, added={})
    assert [life.resolved_at for life in lives] == [None, None]


def test_instances_are_told_apart_by_their_labels():
    samples = [alerts("firing", 1001.0, feature="age"), alerts("firing", 1001.0, feature="income")]
    lives = alert_lives(samples, CLOCK, INTERVALS, until=1012.0, added={})
    assert [life.labels["feature"] for life in lives] == ["age", "income"]


def test_an_alert_has_the_labels_that_it_is_sent_with_and_its_own_outdo_them():
    samples = [alerts("firing", 1001.0), alerts("firing", 1002.0, name="Other", drill="mine")]
    lives = alert_lives(samples, CLOCK, INTERVALS, until=1012.0, added={"drill": "true"})
    assert [life.labels for life in lives] == [{"drill": "true"}, {"drill": "mine"}]


def test_nothing_seen_is_no_alert():
    assert alert_lives([], CLOCK, INTERVALS, 1003.0, {}) == ()


def test_the_clock_goes_both_ways():
    assert CLOCK.unix(CLOCK.production(1042.5)) == 1042.5


def test_what_an_alert_watches_is_found_behind_and_or_and_brackets():
    expression = "(a / b > 1 and n > 50) or up == 0 unless absent(x)"
    assert watched(expression) == [("a / b", "1"), ("n", "50"), ("up", "0")]
