"""Who sends a drill's traffic: applicants, a clerk who tells the outcomes, and intruders.

Arrivals keep to an absolute schedule: when the service stalls, requests pile up as real ones would,
and the `SCHED` entry of the statistics counts their waiting, which the plain entry hides.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import gevent
from gevent.lock import BoundedSemaphore
from locust import User, task
from locust.env import Environment

from scenarios.client import Answer, Client
from scenarios.exchange import DRILL_HEADER, Exchange
from scenarios.target import Target
from scenarios.traffic import Arrival, Traffic
from target_service.contract import DRILL_TIME

LABEL_BATCH = 1000
LABEL_INTERVAL_S = 15.0
"""Ground truth is sent in batches, this many production seconds apart."""

INTRUDERS = 4
"""Hostile requests that can be under way at once."""

LOOK_S = 0.1
"""Longest sleep before the next request: whose turn it is may change meanwhile."""


@dataclass(frozen=True)
class Drill:
    """The drill under way.

    Attributes:
        urls: Where the replicas of the service are.
    """

    traffic: Traffic
    target: Target
    exchange: Exchange
    urls: tuple[str, ...]

    def clients(self, environment: Environment) -> list[Client]:
        """One user's clients, by replica."""
        headers = {
            "Content-Type": "application/json",
            **self.target.headers,
            DRILL_HEADER: self.traffic.scenario.name,
        }
        return [Client(environment, url, headers, self.target.tls) for url in self.urls]


class Applicant(User):
    """Takes the next request of the drill when it is due, and asks for a prediction."""

    drill: ClassVar[Drill | None] = None
    _up_next: ClassVar[BoundedSemaphore] = BoundedSemaphore(1)

    @task
    def predict(self) -> None:
        """Request after request, until Locust ends the user."""
        if (drill := self.drill) is None:
            gevent.sleep(LOOK_S)
            return
        clients = drill.clients(self.environment)
        while True:
            self._predict(drill, clients)

    def _predict(self, drill: Drill, clients: list[Client]) -> None:
        traffic, exchange, path = drill.traffic, drill.exchange, drill.target.predict.path
        arrival = self._take(traffic)
        sent_at = time.time()
        client = clients[arrival.replica]
        headers = {DRILL_TIME: f"{arrival.time:.0f}"}
        answer = client.ask("POST", path, exchange.body(arrival.rows), headers)
        try:
            _, token = exchange.read(answer.status, answer.content)
        except ValueError as error:
            traffic.failed_on(arrival, sent_at, str(error))
            client.count("POST", path, answer, error)
        else:
            traffic.answered(arrival, sent_at, token)
            client.count("POST", path, answer, None)
        # Straight to its entry: an event, which nobody else waits for, would cost more, and in the
        # totals each request would count twice.
        waited = (time.time() - arrival.due) * 1000
        self.environment.stats.entries[path, "SCHED"].log(waited, 0)

    def _take(self, traffic: Traffic) -> Arrival:
        """The next request, when it is due: one user waits for it, the others for their turn."""
        with self._up_next:
            while (wait := traffic.until_next()) > 0:
                gevent.sleep(min(wait, LOOK_S))
            arrival = traffic.next_arrival()
        if arrival is None:
            raise RuntimeError("a request was due, and is none")
        return arrival


def help_out(environment: Environment, drill: Drill) -> list[gevent.Greenlet]:
    """Start what goes beside the traffic, in each process that has a share of it.

    Not as users of Locust, which it would distribute among workers, so that one would have all. The
    caller ends it.
    """
    jobs: list[Callable[[Drill, list[Client]], None]] = [tell_outcomes]
    jobs += [scan] * INTRUDERS
    return [gevent.spawn(job, drill, drill.clients(environment)) for job in jobs]


def tell_outcomes(drill: Drill, clients: list[Client]) -> None:
    """Report the ground truth of past predictions as it becomes known, for ever."""
    told = drill.target.feedback
    while told is not None:
        labels = drill.traffic.due_labels(LABEL_BATCH if told.label is not None else 1)
        if not labels:
            gevent.sleep(LABEL_INTERVAL_S / drill.traffic.speed)
        for replica, known in labels.items():
            body = told.body([(label.token, label.outcome) for label in known])
            client = clients[replica]
            answer = client.ask("POST", told.path, body, {})
            taken = 200 <= answer.status < 300
            drill.traffic.heard(replica, len(known), taken)
            client.count("POST", told.path, answer, None if taken else _unexpected(answer))


def scan(drill: Drill, clients: list[Client]) -> None:
    """Send what somebody who looks for holes sends, as long as the drill has more of it."""
    while (arrival := drill.traffic.next_hostile()) is not None:
        gevent.sleep(max(arrival.due - time.time(), 0.0))
        sent_at, request = time.time(), arrival.request
        headers = {"Content-Type": request.content_type}
        client = clients[arrival.replica]
        answer = client.ask(request.method, request.path, request.body.encode(), headers)
        drill.traffic.repelled(arrival, sent_at, answer.status)
        refused = answer.status == request.status
        client.count(request.method, "hostile", answer, None if refused else _unexpected(answer))


def _unexpected(answer: Answer) -> ValueError:
    return ValueError(f"status {answer.status}" if answer.status else "no answer")
