"""What each step of traffic cost -> how each cost grew, and whether that is constant.

Pure: no server, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb
from statistics import median
from typing import Literal

import msgspec
from msgspec.structs import replace

Outcome = Literal["pass", "fail", "inconclusive"]

CONFIDENCE = 0.95

MOST_FAILED, LEAST_DELIVERED = 0.01, 0.97
"""Share of the requests that may fail, and that must be answered, for a step to count."""

SCRAPES_PER_HOUR = 240
"""At 15 s, as in `prometheus/prometheus.yml`."""

PLANNED_BYTES = 2.0
"""On disk per sample, that Prometheus' documentation tells to plan with ("1-2 bytes per sample").

A counter that stands still takes a quarter of a byte, and one that grows takes more, however much
it grows; so where hardly anything happened at first, twice as much later is no fault.
"""

EXACT = 0.0005
"""What a ratio that is shown as 1.000 may differ from 1."""


class Cost(msgspec.Struct, frozen=True):
    """Something that monitoring costs.

    Attributes:
        key: Its name in JSON, where `_ratio` is added.
        title: Its name for people.
        limit: What it may grow to from the least to the most traffic; None for what is only shown.
        log: Whether it is not of metrics, but of one log line per prediction.
    """

    key: str
    title: str
    limit: float | None = None
    log: bool = False


SCRAPE_CPU = "scrape_cpu_seconds"
_SAMPLES, _TSDB = "samples_per_scrape", "tsdb_bytes_per_hour"

COSTS = (
    Cost("series", "Series", 1.0),
    Cost("head_series", "Series in the head", 1.0),
    Cost(_SAMPLES, "Samples per scrape", 1.0),
    Cost("scrape_bytes", "Bytes per scrape", 1.15),
    Cost("scrape_seconds", "Scrape, s"),
    Cost(SCRAPE_CPU, "CPU per scrape, s", 1.1),
    Cost("wal_bytes_per_hour", "WAL bytes per hour", 2.0),
    Cost(_TSDB, "TSDB bytes per hour", 2.0),
    Cost("memory_bytes", "Memory, bytes", 1.05),
    Cost("query_seconds", "Queries, s", 1.1),
    Cost("log_bytes_per_hour", "JSON log bytes per hour", log=True),
    Cost("log_query_seconds", "JSON log query, s", log=True),
)
"""Every cost, in the order of the tables. 15 s between scrapes make 240 of them an hour."""

REQUEST_CPU = Cost("request_cpu", "CPU of a request, with/without", 1.1)
"""The one ratio that is not of much traffic to little, but of two services under the same."""


class Step(msgspec.Struct, frozen=True):
    """What was measured under one rate.

    Attributes:
        factor: The rate as a multiple of the first one.
        rate: Requests/s that were asked for.
        requests: That were answered.
        failed: That were not, or with a status of 500 and more.
        due: That should have been answered.
        costs: Each cost by its key, as often as it was measured: several times where a clock is
            involved, once where counting is exact. A cost that could not be measured is missing.
        ratios: What was measured in turns with another service, by the cost's key, once per pair of
            turns: `REQUEST_CPU` over that of a service without metrics, `SCRAPE_CPU` over that of
            one with no more traffic than the first step.
    """

    factor: float
    rate: float
    requests: int
    failed: int
    due: int
    costs: Mapping[str, tuple[float, ...]]
    ratios: Mapping[str, tuple[float, ...]] = {}


class Claim(msgspec.Struct, frozen=True):
    """That one cost does not grow with traffic, and whether it holds.

    Attributes:
        values: The median at each step; null where it was not measured.
        ratio: Growth from the first step to the last; null where that is unknown.
        low: Lower end of its 95% confidence interval, `high` the upper one.
        outcome: Null for what has no limit.
    """

    cost: Cost
    values: tuple[float | None, ...]
    ratio: float | None
    low: float | None
    high: float | None
    outcome: Outcome | None


class Study(msgspec.Struct, frozen=True):
    """What was found out.

    Attributes:
        mode: `live` or `virtual`.
        target: What was measured.
        outcome: `fail` where a cost grows, `inconclusive` where that could not be known.
        reasons: Sentences that say why.
    """

    mode: str
    target: str
    steps: tuple[Step, ...]
    claims: tuple[Claim, ...]
    outcome: Outcome
    reasons: tuple[str, ...]


def judge(mode: str, target: str, steps: Sequence[Step], growing: Sequence[str]) -> Study:
    """Hold what was measured against the limits.

    Args:
        mode: `live` or `virtual`.
        target: What was measured.
        steps: At least two, the least traffic first.
        growing: Sentences on what grew, where series did.
    """
    claims = [claim for cost in COSTS if (claim := _claim(cost, steps)) is not None]
    if compared := steps[-1].ratios.get(REQUEST_CPU.key):
        claims.append(_judged(REQUEST_CPU, (None,) * len(steps), compared))
    faults = [fault for step in steps for fault in _faults(step)]
    failed = [claim for claim in claims if claim.outcome == "fail"]
    unsure = [claim for claim in claims if claim.outcome == "inconclusive"]
    outcome: Outcome = "fail" if failed else "inconclusive" if faults or unsure else "pass"
    reasons = [
        *(_sentence(claim, "grows") for claim in failed),
        *(growing if failed else ()),
        *(_sentence(claim, "may grow") for claim in unsure),
        *faults,
    ]
    return Study(mode, target, tuple(steps), tuple(claims), outcome, tuple(reasons))


def _claim(cost: Cost, steps: Sequence[Step]) -> Claim | None:
    """None for a cost that no step has measured."""
    measured = [step.costs.get(cost.key, ()) for step in steps]
    if not any(measured):
        return None
    values = tuple(median(found) if found else None for found in measured)
    pairs = zip(measured[0], measured[-1], strict=False)
    ratios = tuple(last / first for first, last in pairs if first > 0)
    claim = _judged(cost, values, steps[-1].ratios.get(cost.key, ratios))
    return replace(claim, outcome="pass") if cost.key == _TSDB and _as_planned(steps) else claim


def _as_planned(steps: Sequence[Step]) -> bool:
    """Whether the samples that there were at first take no more on disk in the end than planned."""
    samples, stored = steps[0].costs.get(_SAMPLES, ()), steps[-1].costs.get(_TSDB, ())
    planned = PLANNED_BYTES * SCRAPES_PER_HOUR * sum(samples)
    return bool(samples and stored) and max(stored) <= planned


def _judged(cost: Cost, values: tuple[float | None, ...], ratios: tuple[float, ...]) -> Claim:
    outcome: Outcome | None
    if not ratios:
        outcome = None if cost.limit is None else "inconclusive"
        return Claim(cost, values, None, None, None, outcome)
    low, high = interval(ratios)
    if cost.limit is None:
        outcome = None
    elif low > cost.limit + EXACT:
        outcome = "fail"
    else:
        outcome = "pass" if high <= cost.limit + EXACT else "inconclusive"
    return Claim(cost, values, median(ratios), low, high, outcome)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The order statistics between which the median lies with 95% confidence.

    The number of values below the median is binomial(n, 1/2) whatever their distribution (David
    and Nagaraja, Order Statistics, 7.1). Of fewer than six values it is the least and the greatest.

    >>> interval([1.0])
    (1.0, 1.0)
    >>> interval([float(i) for i in range(1, 11)])
    (2.0, 9.0)
    """
    ordered, n = sorted(values), len(values)
    outside, k = 0.0, 0
    while 2 * (outside + comb(n, k) / 2**n) <= 1 - CONFIDENCE:
        outside += comb(n, k) / 2**n
        k += 1
    k = max(k, 1)
    return ordered[k - 1], ordered[n - k]


def _faults(step: Step) -> list[str]:
    faults = []
    if step.requests < LEAST_DELIVERED * step.due:
        faults.append(
            f"at {step.rate:g} requests/s {step.requests} of {step.due} requests were answered:"
            " the service or this machine is too slow for that rate"
        )
    if step.failed > MOST_FAILED * step.due:
        faults.append(f"at {step.rate:g} requests/s {step.failed} of {step.due} requests failed")
    return faults


def _sentence(claim: Claim, verb: str) -> str:
    cost = claim.cost
    if claim.ratio is None or claim.low is None or claim.high is None:
        return f"{cost.title}: too little to measure how it grows"
    return (
        f"{cost.title} {verb}: {claim.ratio:.3f} times, 95% between {claim.low:.3f} and"
        f" {claim.high:.3f}, at most {cost.limit:g} is constant"
    )
