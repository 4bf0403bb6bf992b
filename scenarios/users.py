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
from locust import FastHttpUser, task
from locust.env import Environment

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


class Sender(FastHttpUser):
    """Sends to the address that the drill was given, and follows nobody to another.

    Nor does it keep cookies: each request is somebody else's. To look for them would take as long
    as all else that a drill adds to a request.
    """

    abstract = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        agent = self.client.client
        agent.redirect_response_codes = frozenset()  # type: ignore[misc]  # as Locust does
        agent.cookiejar = None


class Applicant(Sender):
    """Takes the next request of the drill when it is due, and asks for a prediction."""

    drill: ClassVar[Drill | None] = None
    _up_next: ClassVar[BoundedSemaphore] = BoundedSemaphore(1)

    @task
    def predict(self) -> None:
        """One request."""
        if (drill := self.drill) is None:
            gevent.sleep(LOOK_S)
            return
        arrival = self._take(drill.traffic)
        sent_at = time.time()
        path = drill.target.predict.path
        with self.client.post(
            drill.urls[arrival.replica] + path,
            name=path,
            data=drill.exchange.body(arrival.rows),  # type: ignore[arg-type]  # it takes bytes, too
            headers={DRILL_TIME: f"{arrival.time:.0f}"},
            catch_response=True,
        ) as response:
            try:
                _, token = drill.exchange.read(response.status_code, response.content)
            except ValueError as error:
                response.failure(error)
                drill.traffic.failed_on(arrival, sent_at, str(error))
            else:
                drill.traffic.answered(arrival, sent_at, token)
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


class Helper(Sender):
    """Sends what goes beside the traffic, in each process that has a share of it."""

    abstract = True  # Locust distributes its users among workers, so that one would have all

    def tell_outcomes(self, drill: Drill) -> None:
        """Report the ground truth of past predictions as it becomes known, for ever."""
        told = drill.target.feedback
        while told is not None:
            labels = drill.traffic.due_labels(LABEL_BATCH if told.label is not None else 1)
            if not labels:
                gevent.sleep(LABEL_INTERVAL_S / drill.traffic.speed)
            for replica, known in labels.items():
                body = told.body([(label.token, label.outcome) for label in known])
                with self.client.post(
                    drill.urls[replica] + told.path,
                    name=told.path,
                    data=body.decode(),
                    catch_response=True,
                ) as response:
                    drill.traffic.heard(replica, len(known), 200 <= response.status_code < 300)

    def scan(self, drill: Drill) -> None:
        """Send what somebody who looks for holes sends, as long as the drill has more of it."""
        while (arrival := drill.traffic.next_hostile()) is not None:
            gevent.sleep(max(arrival.due - time.time(), 0.0))
            sent_at, request = time.time(), arrival.request
            with self.client.request(
                request.method,
                drill.urls[arrival.replica] + request.path,
                name="hostile",
                data=request.body,
                headers={"Content-Type": request.content_type},
                catch_response=True,
            ) as response:
                if response.status_code == request.status:
                    response.success()
                drill.traffic.repelled(arrival, sent_at, response.status_code)


def introduce(drill: Drill) -> None:
    """Set what users that are yet to start ask, and what they say of themselves."""
    Applicant.drill = drill
    tls = drill.target.tls
    for user in (Applicant, Helper):
        user.host = drill.urls[0]
        user.default_headers = {
            "Content-Type": "application/json",
            DRILL_HEADER: drill.traffic.scenario.name,
            **drill.target.headers,
        }
        user.insecure = not tls.verify
        # It is offered authorities to trust, which are not those that the target names.
        user.ssl_context_factory = staticmethod(lambda cafile: tls.context())  # noqa: ARG005


def help_out(environment: Environment, drill: Drill) -> list[gevent.Greenlet]:
    """Start what goes beside the traffic; the caller ends it."""
    jobs: list[Callable[[Helper, Drill], None]] = [Helper.tell_outcomes]
    jobs += [Helper.scan] * INTRUDERS
    return [gevent.spawn(job, Helper(environment), drill) for job in jobs]
