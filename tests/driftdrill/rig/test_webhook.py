from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from driftdrill.rig.webhook import NotificationReceiver

START = "2026-03-01T12:00:00.123456789Z"


def post(url: str, *alerts: dict[str, object]) -> int:
    """Post as Alertmanager does, with fields that the receiver has no use for."""
    payload = {"version": "4", "groupKey": "{}", "status": "firing", "alerts": list(alerts)}
    return httpx.post(url, json=payload, trust_env=False).status_code


def alert(status: str = "firing", start: str = START, **labels: str) -> dict[str, object]:
    return {
        "status": status,
        "labels": {"alertname": "ScoreDrift", **labels},
        "annotations": {"summary": "the score drifts"},
        "startsAt": start,
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "c0ffee",
    }


@pytest.fixture
def receiver() -> Iterator[NotificationReceiver]:
    with NotificationReceiver() as running:
        yield running


def test_a_notification_holds_the_alert_its_start_and_its_arrival(
    receiver: NotificationReceiver,
) -> None:
    before = time.time()
    assert post(receiver.url, alert(model="credit")) == 204
    (notification,) = receiver.notifications()
    assert notification.alert == "ScoreDrift"
    assert notification.labels == {"model": "credit"}
    assert notification.status == "firing"
    assert notification.starts_at == pytest.approx(1772366400.123456, abs=1e-6)
    assert before <= notification.received_at <= time.time()


def test_what_prometheus_added_on_the_way_is_one_of_the_labels(
    receiver: NotificationReceiver,
) -> None:
    post(receiver.url, alert(model="credit", drill="true"))
    (notification,) = receiver.notifications()
    assert notification.labels == {"model": "credit", "drill": "true"}


def test_only_the_first_notification_of_an_instance_counts(receiver: NotificationReceiver) -> None:
    post(receiver.url, alert(model="credit"))
    first = receiver.notifications()
    post(receiver.url, alert(model="credit"))
    assert receiver.notifications() == first


def test_other_labels_another_start_and_the_resolution_are_notifications_of_their_own(
    receiver: NotificationReceiver,
) -> None:
    later = "2026-03-01T13:00:00Z"
    post(receiver.url, alert(model="credit"), alert(model="flights"))
    post(receiver.url, alert(model="credit", start=later), alert("resolved", model="credit"))
    assert len(receiver.notifications()) == 4


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"\xff\xfe",
        b'{"alerts": 3}',
        json.dumps({"alerts": [{**alert(), "labels": {"model": 1}}]}).encode(),
        json.dumps({"alerts": [alert(start="yesterday")]}).encode(),
        json.dumps({"alerts": [alert("asleep")]}).encode(),
    ],
)
def test_garbage_is_refused_and_the_receiver_lives_on(
    receiver: NotificationReceiver, body: bytes
) -> None:
    assert httpx.post(receiver.url, content=body, trust_env=False).status_code == 400
    assert receiver.notifications() == ()
    assert post(receiver.url, alert()) == 204


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("Content-Length: 99999999999\r\n", b"413"),
        (f"Content-Length: {'9' * 5000}\r\n", b"413"),
        ("Content-Length: -1\r\n", b"411"),
        ("", b"411"),
    ],
)
def test_a_body_of_unknown_or_excessive_size_is_not_read(
    receiver: NotificationReceiver, headers: str, status: bytes
) -> None:
    address = urlsplit(receiver.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(f"POST {address.path} HTTP/1.1\r\n{headers}\r\n".encode())
        assert client.recv(4096).split()[1] == status
    assert post(receiver.url, alert()) == 204


def test_a_caller_that_hangs_up_does_no_harm(receiver: NotificationReceiver) -> None:
    address = urlsplit(receiver.url)
    with socket.create_connection((address.hostname, address.port)) as client:
        client.sendall(f"POST {address.path} HTTP/1.1\r\nContent-Length: 100\r\n\r\n{{".encode())
    assert post(receiver.url, alert()) == 204
    assert len(receiver.notifications()) == 1


def test_whoever_was_not_told_the_path_claims_no_delivery(receiver: NotificationReceiver) -> None:
    address = urlsplit(receiver.url)
    for path in ("", "/", address.path[:-1], f"{address.path}/"):
        assert post(f"http://{address.netloc}{path}", alert()) == 404
    assert receiver.notifications() == ()
