"""Series into a running Prometheus, to see what it makes of them: the remote-write protocol 0.1.0.

A request is a protobuf message,

    WriteRequest { repeated TimeSeries timeseries = 1 }
    TimeSeries   { repeated Label labels = 1;  repeated Sample samples = 2 }
    Label        { string name = 1;  string value = 2 }
    Sample       { double value = 1;  int64 timestamp = 2 }

in Snappy's block format, which allows for a block that is one literal: nothing compressed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import numpy as np
from numpy.typing import NDArray

from driftdrill.promapi import PrometheusError
from driftdrill.virtual.varints import varint, varints
from target_service.contract import Floats

_REQUEST_BYTES = 2_000_000
_PARALLEL = 2
"""Requests under way: Prometheus takes in each on one processor."""

_TIMEOUT_S = 120.0
_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_TIME_BYTES = 6
"""Of a varint between 2**35 and 2**42: milliseconds from 1971 to 2109."""


def push(url: str, series: Iterable[tuple[Mapping[str, str], Floats, Floats]]) -> None:
    """Send series to a Prometheus that was started with its remote-write receiver on.

    Args:
        url: Its base URL.
        series: Labels with the name among them; (n,) ascending unix times; (n,) values.

    Raises:
        PrometheusError: It did not take them; with what it said.
    """
    with (
        httpx.Client(base_url=url, timeout=_TIMEOUT_S, trust_env=False) as client,
        ThreadPoolExecutor(_PARALLEL) as pool,
    ):
        sent: deque[Future[None]] = deque()
        for body in _requests(series):
            sent.append(pool.submit(_send, client, body))
            if len(sent) > _PARALLEL:  # few bodies in memory at a time
                sent.popleft().result()
        for one in sent:
            one.result()


def _send(client: httpx.Client, body: bytes) -> None:
    try:
        answer = client.post("/api/v1/write", content=_snappy(body), headers=_HEADERS)
    except httpx.HTTPError as error:
        raise PrometheusError(f"Prometheus did not answer: {error}") from error
    if not answer.is_success:
        raise PrometheusError(f"Prometheus took no samples: {answer.text.strip()}")


def _requests(series: Iterable[tuple[Mapping[str, str], Floats, Floats]]) -> Iterator[bytes]:
    body = bytearray()
    timed, fields = np.empty(0), _timed(np.empty(0))
    for labels, times, values in series:
        if times is not timed:  # most series were sampled at the same times
            timed, fields = times, _timed(times)
        fields[:, 3:11] = np.ascontiguousarray(values, dtype="<f8").view(np.uint8).reshape(-1, 8)
        pairs = (_field(1, name) + _field(2, labels[name]) for name in sorted(labels))
        body += _field(1, b"".join(_field(1, pair) for pair in pairs) + fields.tobytes())
        if len(body) > _REQUEST_BYTES:
            yield bytes(body)
            body.clear()
    if body:
        yield bytes(body)


def _timed(times: Floats) -> NDArray[np.uint8]:
    """Every sample as a field 2 of its series, but for its value; all are equally long."""
    fields = np.empty((len(times), 12 + _TIME_BYTES), dtype=np.uint8)
    fields[:, 0], fields[:, 1] = 2 << 3 | 2, 10 + _TIME_BYTES
    fields[:, 2], fields[:, 11] = 1 << 3 | 1, 2 << 3 | 0
    fields[:, 12:] = varints(np.rint(times * 1000).astype(np.int64), _TIME_BYTES)
    return fields


def _field(number: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(data)) + data


def _snappy(data: bytes) -> bytes:
    """One literal: its length, a tag that says that four bytes of length - 1 follow, the data."""
    return varint(len(data)) + b"\xfc" + (len(data) - 1).to_bytes(4, "little") + data
