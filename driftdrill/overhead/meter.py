"""One step of traffic, and everything that it costs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from driftdrill.exposition import Exposition, scrape
from driftdrill.overhead.bench import SCRAPE_INTERVAL_S, Bench
from driftdrill.overhead.claims import Step
from driftdrill.overhead.load import Load, Sent
from driftdrill.overhead.logs import log_costs
from driftdrill.overhead.subject import CpuClock, Subject
from driftdrill.overhead.timing import least_of
from driftdrill.rig.interrupts import Interruption

SCRAPES_PER_HOUR = 240
"""At 15 s, as in `prometheus/prometheus.yml`."""

_TURN_S = 0.5
"""How long one service has the traffic before its twin gets it."""

_CPU_ROUNDS = 11


@dataclass(frozen=True)
class Taken:
    """A step, when it was in unix seconds, and what the service exposed after it."""

    step: Step
    start: float
    end: float
    exposition: Exposition


@dataclass(frozen=True)
class _Turn:
    """A second of traffic, and the CPU that the service took for it, where it tells."""

    sent: Sent
    cpu: float | None


class Meter:
    """Measures one step after the other on one bench.

    Args:
        subject: The service.
        bench: Prometheus on it.
        client: Scrapes it as well.
        folder: For the log that services without metrics would write.
        interruption: Ends a step early.
    """

    def __init__(
        self,
        subject: Subject,
        bench: Bench,
        client: httpx.Client,
        folder: Path,
        interruption: Interruption,
    ) -> None:
        self._subject = subject
        self._bench = bench
        self._client = client
        self._folder = folder
        self._interruption = interruption

    def step(self, factor: float, rate: float, seconds: float) -> Taken:
        """Send some requests/s for some seconds, and measure."""
        bench = self._bench
        start = time.time()
        wal, chunks = bench.wal_bytes(), bench.chunk_bytes()
        turns = list(self._turns(rate, seconds))
        end = time.time()
        scrapes = bench.scrapes(start, end)
        per_hour = SCRAPES_PER_HOUR / max(len(scrapes), 1)
        stored, logged = bench.chunk_bytes() - chunks, bench.wal_bytes() - wal

        exposition = scrape(self._client, self._subject.target.metrics)
        scrape_cpu = tuple(self._scrape_cpu())
        memory = exposition.total("process_resident_memory_bytes")
        sent = [turn.sent for pair in turns for turn in pair]
        step = Step(
            factor=factor,
            rate=rate,
            requests=sum(one.requests for one in sent),
            failed=sum(one.failed for one in sent),
            due=len(sent) * max(round(rate * _TURN_S), 1),
            costs={
                "series": (float(len(exposition.series)),),
                "head_series": (bench.head_series(),),
                "samples_per_scrape": (float(sum(len(f.samples) for f in exposition.families)),),
                "scrape_bytes": (float(exposition.size),),
                "scrape_seconds": scrapes,
                "scrape_cpu_seconds": scrape_cpu,
                "wal_bytes_per_hour": (logged * per_hour,),
                "tsdb_bytes_per_hour": (stored * per_hour,),
                "memory_bytes": () if memory is None else (memory,),
                **log_costs(self._subject.log_line, rate, seconds, self._folder),
            },
            request_cpu=_request_cpu(turns, scrape_cpu),
        )
        return Taken(step, start, end, exposition)

    def _turns(self, rate: float, seconds: float) -> Iterator[tuple[_Turn, ...]]:
        """The service's turns, each with one of its twin where it has one."""
        subject = self._subject
        services = [(subject.load, subject.cpu)]
        if subject.plain:
            services.append((subject.plain, subject.plain_cpu))
        for number in range(max(round(seconds / _TURN_S / len(services)), 1)):
            order = services if number % 2 else services[::-1]
            turns = {id(load): self._turn(load, cpu, rate) for load, cpu in order}
            yield tuple(turns[id(load)] for load, _ in services)

    def _turn(self, load: Load, cpu: CpuClock | None, rate: float) -> _Turn:
        self._interruption.check()
        before = cpu() if cpu else None
        sent = load.send(rate, _TURN_S)
        return _Turn(sent, None if cpu is None or before is None else cpu() - before)

    def _scrape_cpu(self) -> Iterator[float]:
        """CPU seconds of the service per scrape, while nobody else asks it for anything."""
        cpu = self._subject.cpu
        if cpu is None:
            return
        with self._bench.paused():
            for _ in range(_CPU_ROUNDS):
                self._interruption.check()
                yield least_of(partial(self._one_scrape_cpu, cpu))

    def _one_scrape_cpu(self, cpu: CpuClock) -> float:
        before = cpu()
        for _ in range(self._subject.scrapes_at_once):
            self._client.get(self._subject.target.metrics)
        return (cpu() - before) / self._subject.scrapes_at_once


def _request_cpu(
    pairs: Sequence[tuple[_Turn, ...]], scrape_cpu: Sequence[float]
) -> tuple[float, ...]:
    """CPU per request with metrics over CPU without, pair by pair.

    The scrapes that fell into a turn are counted out: there are 60 times as many here as at 15 s.
    """
    scraping = (sum(scrape_cpu) / max(len(scrape_cpu), 1)) * _TURN_S / SCRAPE_INTERVAL_S
    return tuple(
        (ours.cpu - scraping) / ours.sent.requests / (plain.cpu / plain.sent.requests)
        for ours, plain in (pair for pair in pairs if len(pair) == 2)
        if ours.cpu and plain.cpu and ours.sent.requests and plain.sent.requests
    )
