from __future__ import annotations

import socket
import subprocess
import sys

from driftdrill.rig.ports import lease_port

HOLD = """
import sys
from driftdrill.rig.ports import lease_port
lease = lease_port(int(sys.argv[1]))
print(lease.port, flush=True)
sys.stdin.read()
lease.close()
"""


def free_port() -> int:
    """A port below those that the system gives to outgoing connections."""
    with lease_port(20_000) as lease:
        return lease.port


def hold(port: int) -> subprocess.Popen[str]:
    """Another process that leases the port, or one above it, until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said_port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_a_free_port_is_leased_as_preferred_and_again_after_its_release() -> None:
    port = free_port()
    with lease_port(port) as lease:
        assert lease.port == port
        assert lease.address == f"127.0.0.1:{port}"
    with lease_port(port) as lease:
        assert lease.port == port


def test_a_port_that_somebody_listens_on_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with lease_port(port) as lease:
            assert lease.port > port


def test_a_port_that_somebody_listens_on_at_every_address_is_passed_over() -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with lease_port(port) as lease:
            assert lease.port > port


def test_processes_at_the_same_time_get_different_ports() -> None:
    port = free_port()
    processes = [hold(port) for _ in range(5)]
    ports = [said_port(process) for process in processes]
    for process in processes:
        process.communicate()
    assert len(set(ports)) == len(ports)


def test_the_port_of_a_process_that_was_killed_is_free_again() -> None:
    port = free_port()
    with hold(port) as process:
        assert said_port(process) == port
        process.kill()
    with lease_port(port) as lease:
        assert lease.port == port
