"""One step of traffic, and everything that it costs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from operator import truediv
from pathlib import Path
from statistics import fmean

import httpx

from driftdrill.exposition import Exposition, scrape
from driftdrill.overhead.bench import Bench, bytes_per_sample
from driftdrill.overhead.claims import SCRAPE_CPU, SCRAPES_PER_HOUR, Step
from driftdrill.overhead.load import Load, Sent
from driftdrill.overhead.logs import log_costs
from driftdrill.overhead.subject import CpuClock, Subject
from driftdrill.rig.interrupts import Interruption

_SEND_S = 0.5
"""After how much traffic an interruption is looked for."""

_STORED_S = 4.0
"""After how much of it what Prometheus has stored is looked at."""

_TURN_S = 0.25
"""How long one service has the traffic before its twin gets it."""

_CPU_ROUNDS = 41
_CLOCK_STEPS = 40
"""What a measurement of CPU time takes at least, in steps of the clock."""

_LEAST_SCRAPES, _MOST_SCRAPES = 8, 500


@dataclass(frozen=True)
class Taken:
    """A step, when it was in unix seconds, and what the service exposed after it."""

    step: Step
    start: float
    end: float
    exposition: Exposition


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

    def warm_up(self, rate: float, calm_s: float, seconds: float) -> None:
        """Fill caches and make series, with some requests/s for some seconds.

        Args:
            rate: The first step's.
            calm_s: Seconds of it for the twin that is to have the first step's traffic.
            seconds: Of it for the service itself.
        """
        if self._subject.calm:
            self._subject.calm.load.send(rate, calm_s)
        if self._subject.plain:
            self._subject.plain.load.send(rate, _SEND_S)
        for _ in range(round(seconds / _SEND_S)):
            self._send(rate)

    def step(self, factor: float, rate: float, seconds: float) -> Taken:
        """Send some requests/s for some seconds, and measure."""
        bench = self._bench
        start = time.time()
        sent, stored = list[Sent](), [bench.stored()]
        sends, looked = max(round(seconds / _SEND_S), 1), round(_STORED_S / _SEND_S)
        for number in range(1, sends + 1):
            sent.append(self._send(rate))
            if number % looked == 0 and number < sends:
                stored.append(bench.stored())
        end = time.time()
        stored.append(bench.stored())
        head_series = bench.head_series()
        wal, chunks = bytes_per_sample(stored, head_series)
        # A scrape takes one sample of every series.
        per_hour = SCRAPES_PER_HOUR * head_series
        exposition = scrape(self._client, self._subject.target.scraped)
        memory = exposition.total("process_resident_memory_bytes")
        scrape_cpu, calm_cpu = self._scrape_cpu()
        step = Step(
            factor=factor,
            rate=rate,
            requests=sum(one.requests for one in sent),
            failed=sum(one.failed for one in sent),
            due=len(sent) * max(round(rate * _SEND_S), 1),
            costs={
                "series": (float(len(exposition.series)),),
                "head_series": (head_series,),
                "samples_per_scrape": (float(sum(len(f.samples) for f in exposition.families)),),
                "scrape_bytes": (float(exposition.size),),
                "scrape_seconds": bench.scrapes(start, end),
                SCRAPE_CPU: scrape_cpu,
                "wal_bytes_per_hour": (wal * per_hour,),
                "tsdb_bytes_per_hour": (chunks * per_hour,),
                "memory_bytes": () if memory is None else (memory,),
                **log_costs(self._subject.log_line, rate, seconds, self._folder),
            },
            ratios={SCRAPE_CPU: tuple(map(truediv, scrape_cpu, calm_cpu))} if calm_cpu else {},
        )
        return Taken(step, start, end, exposition)

    def request_cpu(self, rate: float, seconds: float) -> tuple[float, ...]:
        """CPU per request over that of the twin, once per pair of turns; empty without a twin.

        Args:
            rate: Requests/s of whoever has the turn.
            seconds: Of all turns.

        Nothing is scraped meanwhile: here that happens 15 times as often as at 15 s.
        """
        subject = self._subject
        if subject.cpu is None or subject.plain is None:
            return ()
        services = [(subject.load, subject.cpu), (subject.plain.load, subject.plain.cpu)]
        ratios = []
        with self._bench.paused():
            for number in range(max(round(seconds / (2 * _TURN_S)), 1)):
                order = services if number % 2 else services[::-1]
                spent = {id(load): self._cpu_per_request(load, cpu, rate) for load, cpu in order}
                ours, plain = (spent[id(load)] for load, _ in services)
                ratios.append(ours / plain)
        return tuple(ratios)

    def _cpu_per_request(self, load: Load, cpu: CpuClock, rate: float) -> float:
        self._interruption.check()
        before = cpu()
        sent = load.send(rate, _TURN_S)
        return (cpu() - before) / max(sent.requests, 1)

    def _send(self, rate: float) -> Sent:
        self._interruption.check()
        return self._subject.load.send(rate, _SEND_S)

    def _scrape_cpu(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """CPU seconds of the service per scrape, and of its calm twin, turn by turn.

        Nobody else asks them for anything meanwhile. Empty where there is nothing to measure.
        """
        subject, found, calm = self._subject, list[float](), list[float]()
        if subject.cpu is None:
            return (), ()
        own, other = (subject.target.scraped, subject.cpu), subject.calm
        with self._bench.paused():
            scrapes = self._scrapes_at_once(*own)
            for _ in range(_CPU_ROUNDS):
                self._interruption.check()
                if other is None:
                    found.append(self._one_scrape_cpu(*own, scrapes))
                    continue
                turns = [
                    (self._one_scrape_cpu(*own, 1), self._one_scrape_cpu(other.url, other.cpu, 1))
                    for _ in range(scrapes)
                ]
                ours, others = zip(*turns, strict=True)
                found.append(fmean(ours))
                calm.append(fmean(others))
        return tuple(found), tuple(calm)

    def _scrapes_at_once(self, url: str, cpu: CpuClock) -> int:
        """So many that the steps of the clock do not matter."""
        wanted = _CLOCK_STEPS * self._subject.cpu_step_s
        one = self._one_scrape_cpu(url, cpu, _MOST_SCRAPES // 10) if wanted else 1.0
        return min(max(round(wanted / max(one, 1e-9)), _LEAST_SCRAPES), _MOST_SCRAPES)

    def _one_scrape_cpu(self, url: str, cpu: CpuClock, scrapes: int) -> float:
        before = cpu()
        for _ in range(scrapes):
            self._client.get(url)
        return (cpu() - before) / scrapes
