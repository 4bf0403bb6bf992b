"""Examples behind the numbers: the trace of a recent request for each bucket of the score.

A metric says that many scores fell into a bucket, and not whose. An exemplar names one request of
them by its trace id, in OpenMetrics, for Prometheus to keep beside the samples. There is one per
bucket, it makes no series, and it says nothing of the request but its trace id and score.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from prometheus_client.samples import Exemplar

INTERVAL_S = 1.0
"""A bucket's exemplar is replaced no sooner than this: more than a scrape can see is waste."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def trace_id(traceparent: str) -> str | None:
    """The trace id in a `traceparent` header, as W3C Trace Context writes it; None in any other.

    >>> trace_id("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    '0af7651916cd43dd8448eb211c80319c'
    """
    found = _TRACEPARENT.fullmatch(traceparent)
    return found[1] if found else None


class Exemplars:
    """One exemplar per bucket of a histogram; its owner holds a lock.

    Args:
        edges: k ascending upper edges of the buckets.

    Attributes:
        kept: (k + 1) exemplars; None where there was no request with a trace yet.
    """

    def __init__(self, edges: tuple[float, ...]) -> None:
        self._edges = edges
        self.kept: list[Exemplar | None] = [None] * (len(edges) + 1)

    def offer(self, value: float, trace: str, now: float) -> None:
        """Keep an example, unless its bucket has one of the last second.

        Args:
            value: What was counted.
            trace: A trace id.
            now: Unix time.
        """
        bucket = bisect_left(self._edges, value)
        kept = self.kept[bucket]
        if kept is None or now - float(kept.timestamp or 0) >= INTERVAL_S:
            self.kept[bucket] = Exemplar({"trace_id": trace}, value, now)
