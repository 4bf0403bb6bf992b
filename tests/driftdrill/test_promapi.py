"""From Prometheus' samples to alert lives, on a clock; and what it says when there are none."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from driftdrill.promapi import Clock, Prometheus, PrometheusError, Series, alert_lives, watched
from driftdrill.rig.attached import AlertmanagerReader
from driftdrill.rig.errors import RigError
from scenarios.endpoint import Endpoint

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


@pytest.fixture
def refusing() -> Iterator[Callable[[int, str], str]]:
    """A server in the place of Prometheus or Alertmanager that answers everything alike."""
    with ExitStack() as stack:

        def serve(status: int, body: str) -> str:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(body.encode())

                def log_message(self, *_: object) -> None:
                    pass

            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield serve


ASK: dict[str, Callable[[Prometheus], object]] = {
    "query": lambda prometheus: prometheus.samples("up", 0.0, 1.0),
    "query_range": lambda prometheus: prometheus.arrays("up", 0.0, 1.0, 1.0),
    "rules": lambda prometheus: prometheus.rules(),
    "alerts": lambda prometheus: prometheus.firing(),
    "metrics": lambda prometheus: prometheus.counter("process_start_time_seconds"),
}


@pytest.mark.parametrize("ask", ASK)
def test_a_prometheus_that_replays_its_log_is_named_whatever_it_was_asked(refusing, ask):
    url = refusing(503, "Service Unavailable")
    with closing(Prometheus(url)) as prometheus, pytest.raises(PrometheusError) as caught:
        ASK[ask](prometheus)
    path = "/metrics" if ask == "metrics" else f"/api/v1/{ask}"
    said = "answered 503 Service Unavailable, as it does while it starts or stops"
    assert str(caught.value) == f"Prometheus at {url}{path} {said}"


ANSWERS = {
    "its own error": (422, '{"status": "error", "error": "no"}', "answered: no"),
    "a proxy's": (401, "<html>", "answered 401 Unauthorized; look at its headers"),
    "none of its": (200, "<html>", "answered not as Prometheus does: JSON is malformed"),
}


@pytest.mark.parametrize(("status", "body", "said"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_none_says_who_gave_it_and_why(refusing, status, body, said):
    with (
        closing(Prometheus(refusing(status, body))) as prometheus,
        pytest.raises(PrometheusError, match=rf"^Prometheus .*{said}"),
    ):
        prometheus.rules()


def test_a_server_that_is_gone_is_named():
    with (
        closing(Prometheus("http://127.0.0.1:9")) as prometheus,
        pytest.raises(PrometheusError, match="Prometheus did not answer: "),
    ):
        prometheus.rules()


def test_an_alertmanager_that_starts_is_named(refusing):
    reader = AlertmanagerReader([Endpoint(refusing(503, ""))], frozenset(), pause=0.0)
    with closing(reader), pytest.raises(RigError, match=r"^Alertmanager does not answer: .*503"):
        reader.notifications()
