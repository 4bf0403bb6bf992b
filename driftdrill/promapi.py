"""Prometheus' answers -> alert lives and curves."""

from __future__ import annotations

import re
import ssl
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

import httpx
import msgspec
import numpy as np
import promql_parser as promql

from driftdrill.verdict import Alert, Curve
from target_service.contract import Floats

COMPARISONS = {">", "<", ">=", "<=", "==", "!="}


@dataclass(frozen=True)
class Clock:
    """Real time to production time.

    Attributes:
        t0: Unix time at which the scenario began.
        speed: Production seconds per real second.
    """

    t0: float
    speed: float

    def production(self, unix: float) -> float:
        """Production seconds since the scenario began, at a unix time."""
        return round((unix - self.t0) * self.speed, 3)

    def unix(self, production: float) -> float:
        """The unix time at production seconds since the scenario began."""
        return self.t0 + production / self.speed


@dataclass(frozen=True)
class Series:
    """One time series: its labels, and (unix time, value) samples in ascending order."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]

    @property
    def times(self) -> tuple[float, ...]:
        """The samples' unix times."""
        return tuple(time for time, _ in self.samples)


@dataclass(frozen=True)
class Rule:
    """A rule as Prometheus has loaded it.

    Attributes:
        interval: Real seconds between two evaluations.
        error: Of the last evaluation, if it failed.
    """

    name: str
    alerting: bool
    expression: str
    interval: float
    error: str | None


SeriesArrays = tuple[Mapping[str, str], Floats, Floats]
"""A series' labels; (n,) unix times, ascending; (n,) values."""


class _Answer(msgspec.Struct, frozen=True):
    """What the HTTP API answers."""

    status: str
    data: Any = None
    error: str = ""


class _RangeSeries(msgspec.Struct, frozen=True):
    metric: dict[str, str]
    values: msgspec.Raw


class _Matrix(msgspec.Struct, frozen=True):
    result: list[_RangeSeries] = []


class _RangeAnswer(msgspec.Struct, frozen=True):
    """The same with the answer to a range query, decoded without a detour."""

    status: str
    data: _Matrix = _Matrix()
    error: str = ""


_AnyAnswer = TypeVar("_AnyAnswer", _Answer, _RangeAnswer)


_NUMBERS = msgspec.json.Decoder(list[float])


@cache
def _certificates() -> ssl.SSLContext:
    """Whom to trust, read once: that takes longer than a small query."""
    return httpx.create_ssl_context(trust_env=False)


class PrometheusError(RuntimeError):
    """Prometheus did not answer, or answered with an error."""


_PLAIN = {"Accept-Encoding": "identity"}
"""Servers are near: to compress an answer takes longer than to send it."""


class Prometheus:
    """A Prometheus server's HTTP API.

    Args:
        url: Base URL.
        timeout: Seconds that an answer may take.
        headers: Sent with every request.
        trust: Whose certificates are trusted; None are the authorities that everybody trusts.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 10.0,
        headers: Mapping[str, str] | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url
        self._client = httpx.Client(
            base_url=url,
            timeout=timeout,
            headers={**_PLAIN, **(headers or {})},
            trust_env=False,
            verify=trust or _certificates(),
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def samples(self, selector: str, start: float, end: float) -> list[Series]:
        """Every sample of a selector in (start, end], unix seconds, at its own timestamp."""
        span = max(round((end - start) * 1000), 1)
        asked = {"query": f"{selector}[{span}ms]", "time": f"{end:.3f}"}
        return _series(self.get("query", asked))

    def curves(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """An expression evaluated every `step` seconds in [start, end], unix seconds."""
        return _series(self.get("query_range", _range(expression, start, end, step)))

    def arrays(self, expression: str, start: float, end: float, step: float) -> list[SeriesArrays]:
        """The same for answers of very many samples, in a fraction of the time and the memory."""
        asked = _range(expression, start, end, step)
        answer = self._ask("GET", "query_range", asked, _RangeAnswer)
        return [
            (
                {name: value for name, value in series.metric.items() if name != "__name__"},
                *_columns(bytes(series.values)),
            )
            for series in answer.data.result
        ]

    def rules(self) -> list[Rule]:
        """Every loaded rule."""
        return [
            Rule(
                name=rule["name"],
                alerting=rule["type"] == "alerting",
                expression=rule["query"],
                interval=float(group["interval"]),
                error=rule.get("lastError") or None,
            )
            for group in self.get("rules")["groups"]
            for rule in group["rules"]
        ]

    def firing(self) -> list[str]:
        """Names of the alerts that fire right now."""
        alerts = self.get("alerts")["alerts"]
        return sorted({a["labels"]["alertname"] for a in alerts if a["state"] == "firing"})

    def counter(self, name: str) -> float:
        """One of Prometheus' own counters, summed over its labels; 0 before it first counts."""
        try:
            answer = self._client.get("/metrics")
        except httpx.HTTPError as error:
            raise PrometheusError(f"Prometheus did not answer: {error}") from error
        if not answer.is_success:
            raise _refused(answer, _status(answer))
        found = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", answer.text, re.MULTILINE)
        return sum(map(float, found))

    def get(self, endpoint: str, asked: Mapping[str, str] | None = None) -> Any:
        """The `data` of one API answer; PrometheusError where there is none."""
        return self._data("GET", endpoint, asked)

    def post(self, endpoint: str) -> Any:
        """The `data` of the answer to a command; PrometheusError where there is none."""
        return self._data("POST", endpoint, None)

    def _data(self, method: str, endpoint: str, asked: Mapping[str, str] | None) -> Any:
        return self._ask(method, endpoint, asked, _Answer).data

    def _ask(
        self, method: str, endpoint: str, asked: Mapping[str, str] | None, kind: type[_AnyAnswer]
    ) -> _AnyAnswer:
        try:
            answer = self._client.request(method, f"/api/v1/{endpoint}", params=asked)
        except httpx.HTTPError as error:
            raise PrometheusError(f"Prometheus did not answer: {error}") from error
        try:
            content = msgspec.json.decode(answer.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            # Its errors are JSON; what is in front of it, or is none, answers otherwise.
            why = f"not as Prometheus does: {error}" if answer.is_success else _status(answer)
            raise _refused(answer, why) from error
        if content.status != "success":
            raise PrometheusError(f"Prometheus answered: {content.error}")
        return content


_HINTS = {
    401: "; look at its headers",
    403: "; look at its headers",
    503: ", as it does while it starts or stops",
}


def _status(answer: httpx.Response) -> str:
    """What an error's status says, and what helps."""
    hint = _HINTS.get(answer.status_code, "")
    return f"{answer.status_code} {answer.reason_phrase}{hint}"


def _refused(answer: httpx.Response, why: str) -> PrometheusError:
    return PrometheusError(f"Prometheus at {answer.url.copy_with(query=None)} answered {why}")


def _range(expression: str, start: float, end: float, step: float) -> dict[str, str]:
    times = {"start": start, "end": end, "step": step}
    return {"query": expression, **{key: f"{time:.3f}" for key, time in times.items()}}


def _columns(samples: bytes) -> tuple[Floats, Floats]:
    """(n,) times and (n,) values of `[[time,"value"],…]`, read as one list of numbers."""
    numbers = samples.translate(None, b'[]"')
    try:
        flat = np.array(_NUMBERS.decode(b"[" + numbers + b"]"))
    except msgspec.DecodeError:  # NaN and the infinities are no JSON
        flat = np.array([float(number) for number in numbers.split(b",")])
    return flat[::2].copy(), flat[1::2].copy()


def _series(data: Any) -> list[Series]:
    return [
        Series(
            {name: value for name, value in series["metric"].items() if name != "__name__"},
            tuple((float(time), float(value)) for time, value in series["values"]),
        )
        for series in data["result"]
    ]


def alert_lives(
    samples: Iterable[Series],
    clock: Clock,
    intervals: Mapping[str, float],
    until: float,
    added: Mapping[str, str],
) -> tuple[Alert, ...]:
    """The lives of every alert instance, from the samples of Prometheus' own `ALERTS` series.

    Args:
        samples: Raw samples of `ALERTS`; one series per instance and state.
        clock: Of the drill.
        intervals: Real seconds between two evaluations, by alert name. An instance that is not
            there at an evaluation was resolved by then.
        until: Unix time up to which the samples go.
        added: Labels that Prometheus adds to alerts when it sends them, to those that have them not
            already; `ALERTS` is without them.
    """
    states: defaultdict[tuple[str, frozenset[tuple[str, str]]], dict[float, str]]
    states = defaultdict(dict)
    for series in samples:
        labels = dict(series.labels)
        name, state = labels.pop("alertname"), labels.pop("alertstate")
        for time in series.times:
            states[name, frozenset({**added, **labels}.items())][time] = state
    lives = [
        _life(name, dict(sorted(labels)), life, seen, clock, intervals[name], until)
        for (name, labels), seen in states.items()
        for life in _runs(sorted(seen), 1.5 * intervals[name])
    ]
    return tuple(sorted(lives, key=_when))


def _runs(times: list[float], gap: float) -> list[list[float]]:
    """Ascending times, cut wherever two are further apart than `gap`."""
    runs = [times[:1]]
    for earlier, later in pairwise(times):
        if later - earlier > gap:
            runs.append([])
        runs[-1].append(later)
    return runs


def _life(
    name: str,
    labels: dict[str, str],
    life: list[float],
    states: Mapping[float, str],
    clock: Clock,
    interval: float,
    until: float,
) -> Alert:
    first = {
        state: next((clock.production(time) for time in life if states[time] == state), None)
        for state in ("pending", "firing")
    }
    over = life[-1] + interval  # the evaluation that no longer found it
    return Alert(
        alert=name,
        labels=labels,
        pending_at=first["pending"],
        firing_at=first["firing"],
        resolved_at=clock.production(over) if over + interval / 2 < until else None,
    )


def _when(alert: Alert) -> tuple[float, str, str]:
    times = [time for time in (alert.pending_at, alert.firing_at) if time is not None]
    return min(times), alert.alert, str(alert.labels)


def watched(expression: str) -> list[tuple[str, str]]:
    """The (statistic, threshold) pairs that an alert's expression compares; often one.

    >>> watched("job:errors:ratio > 0.05")
    [('job:errors:ratio', '0.05')]
    """
    return list(_comparisons(promql.parse(expression)))


def _comparisons(node: Any) -> Iterable[tuple[str, str]]:
    if isinstance(node, promql.ParenExpr):
        yield from _comparisons(node.expr)
    elif isinstance(node, promql.BinaryExpr):
        if str(node.op) in COMPARISONS:
            yield node.lhs.prettify(), node.rhs.prettify()
        elif str(node.op) in {"and", "or", "unless"}:
            yield from _comparisons(node.lhs)
            yield from _comparisons(node.rhs)


def to_curve(series: Series, clock: Clock, name: str) -> Curve:
    """A series on the production clock."""
    return Curve(
        name,
        dict(sorted(series.labels.items())),
        tuple(clock.production(time) for time in series.times),
        tuple(value for _, value in series.samples),
    )
