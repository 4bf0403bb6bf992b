"""A browser that was led here under somebody's name is told from one that was sent here."""

import pytest

from scenarios.webui.names import is_own_name


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8089", "[::1]:8089", "localhost", "locust:8089", "10.1.2.3"]
)
def test_addresses_and_local_names_are_its_own(host):
    assert is_own_name(host, "127.0.0.1")


@pytest.mark.parametrize(
    "host",
    ["evil.example.org:8089", "127.0.0.1.example.org", "localhost.example.org", "[::1", "a..b"],
)
def test_names_that_anybody_can_register_are_not(host):
    assert not is_own_name(host, "127.0.0.1")


def test_a_name_is_its_own_where_it_was_told_to_listen_there():
    assert is_own_name("drills.example.com:8089", "Drills.example.com")
    assert not is_own_name("example.com:8089", "drills.example.com")
    assert not is_own_name("drills.example.com", None)
