"""Who sends the traffic, and what a drill says of those who come and go."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace
from rich.console import Console

from driftdrill.crew import ALONE, Crew, gathered, notes, problem, require_host
from driftdrill.rig.errors import UsageError
from scenarios.status import Status

STATUS = Status(0.0, 0.0, due=0, sent=0, failed=0, late=0.0)


def after(elapsed: float, workers: int) -> Status:
    return replace(STATUS, elapsed=elapsed, workers=workers)


def test_one_process_is_no_master():
    assert not ALONE.is_divided
    assert ALONE.master() == []


def test_a_master_listens_to_this_machine_alone_unless_told_otherwise():
    options = dict(pairwise(Crew(3).master()))
    assert options["--master-bind-host"] == "127.0.0.1"
    assert options["--expect-workers"] == "3"
    assert dict(pairwise(Crew(0, "10.0.0.1").master()))["--master-bind-host"] == "10.0.0.1"


def test_two_drills_at_a_time_have_masters_on_different_ports():
    console = Console(quiet=True)
    with gathered(1, None, console) as one, gathered(1, None, console) as other:
        assert one.port != other.port


@pytest.mark.parametrize("host", ["no-such-host.invalid", "http://127.0.0.1:5557", "a" * 70, ""])
def test_a_master_that_is_nowhere_is_refused_at_once(host):
    with pytest.raises(UsageError, match="--master: expected a host"):
        require_host("--master", host)


def test_a_master_listens_to_addresses_of_its_own_machine():
    with (
        pytest.raises(UsageError, match=r"192\.0\.2\.1 is no address of this machine"),
        gathered(0, "192.0.2.1", Console(quiet=True)),
    ):
        pass


def test_who_joins_and_who_goes_is_noted_in_production_time():
    said = list(notes([after(0, 3), after(10, 3), after(20, 2), after(30, 3)], speed=60))
    assert said == [
        "1 of 3 workers went at 20m: the others took over",
        "1 worker joined at 30m: 3 share the traffic from then on",
    ]
    assert list(notes([after(0, 1), after(10, 1)], speed=60)) == []


def test_a_drill_cannot_go_on_without_workers_or_with_one_that_cannot_take_part():
    assert problem(after(1, 1)) is None
    assert problem(after(1, 0)) == "no worker is left to send the traffic"
    assert problem(replace(STATUS, problem="worker x has no such file")) == (
        "worker x has no such file"
    )
