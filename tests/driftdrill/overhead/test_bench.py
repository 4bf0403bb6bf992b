"""What a sample takes on disk is told from a few looks at Prometheus."""

from __future__ import annotations

import pytest

from driftdrill.overhead.bench import Stored, bytes_per_sample

SERIES = 100.0


def look(scrapes: int, begun: int, chunks: int) -> Stored:
    """After so many scrapes of 700 bytes of WAL each, and as many chunks of every series."""
    return Stored(samples=SERIES * scrapes, begun=SERIES * begun, wal=700 * scrapes, chunks=chunks)


def test_bytes_are_shared_among_the_samples_that_came() -> None:
    looks = [look(10, begun=1, chunks=5000), look(14, begun=1, chunks=5600)]
    assert bytes_per_sample(looks, SERIES) == (7.0, 1.5)


def test_the_beginning_of_a_chunk_costs_a_step_nothing() -> None:
    looks = [
        look(10, begun=1, chunks=5000),
        look(14, begun=1, chunks=5600),
        look(18, begun=2, chunks=8200),
        look(22, begun=2, chunks=8800),
    ]
    assert bytes_per_sample(looks, SERIES) == (7.0, 1.5)


def test_where_chunks_begin_all_the_time_all_bytes_count() -> None:
    looks = [look(10, begun=1, chunks=5000), look(14, begun=2, chunks=7600)]
    assert bytes_per_sample(looks, SERIES) == (7.0, pytest.approx(6.5))
