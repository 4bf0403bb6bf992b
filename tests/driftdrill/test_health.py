"""What the load generator reports that makes a drill no evidence."""

from __future__ import annotations

import msgspec
import pytest

from driftdrill.health import refusals, requests, traffic_faults
from driftdrill.promapi import Clock
from scenarios.spec import find
from scenarios.status import Status

STEADY = find("steady")
SENT = STEADY.schedule.total_arrivals
SOUND = Status(0.0, STEADY.schedule.duration, due=SENT, sent=SENT, failed=0, late=0.0, told=1000)


def faults(**reported) -> list[str]:
    status = msgspec.structs.replace(SOUND, **reported)
    return traffic_faults(STEADY, requests(STEADY, status, 1.0), Clock(0.0, 1.0), [status])


def test_traffic_that_was_delivered_is_no_fault():
    assert faults() == []
    assert faults(untold=9, failed=SENT // 200) == []


@pytest.mark.parametrize(
    ("reported", "said"),
    [
        ({"untold": 20, "told": 980}, "the service did not take 20 of 1000 outcomes"),
        ({"untold": 3, "told": 0}, "the service did not take 3 of 3 outcomes"),
        ({"failed": SENT // 50, "failure": "status 500"}, "at last with status 500"),
        ({"sent": SENT // 2}, "the traffic was not delivered"),
        ({"sent": 0}, "no traffic was sent"),
        ({"late": 121.0}, "requests were up to 2m1s late"),
        ({"hostile": 100}, "the scan was not delivered"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_was_not_delivered_is_named(reported, said):
    assert any(said in fault for fault in faults(**reported)), faults(**reported)


def test_requests_that_a_service_refuses_in_a_drift_are_told():
    refused = msgspec.structs.replace(SOUND, failed=600, excused=600, excuse="status 422")
    assert traffic_faults(STEADY, requests(STEADY, refused, 1.0), Clock(0.0, 1.0), [refused]) == []
    (told,) = refusals([refused])
    assert told.startswith(
        f"600 of {SENT} requests failed while something in the scenario differed"
    )
    assert "at last with status 422" in told
    assert list(refusals([SOUND])) == []
