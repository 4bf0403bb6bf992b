"""The builds of the service that a drill can deploy: the usual one, and those that have a fault.

Plain data: the service in `faulty`, the virtual one and the scenarios all read what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

USUAL_VERSION = "1.0.0"

STANDING_BY = "standing by"
"""What a service that is to wait says once it has loaded everything."""

USER_REQUESTS = "user_request_count_total"
"""What a build with `user_label` counts, by `user`. No sound build has such a metric."""


class Build(msgspec.Struct, frozen=True):
    """One deployment: a training of the model, and what is wrong with it or the code around it.

    Attributes:
        version: Of the model. Labels of predictions are honoured by their own version alone.
        lost_positives: Share of the positive outcomes that its training data show as negative.
        constant_score: Whether every row gets the same score, that of a row of typical values.
        divided: By what the most influential numeric input is divided on its way to the model, as
            when a yearly value is taken for a monthly one; what is counted is the value as sent.
        delay: Seconds that every prediction takes longer.
        error_share: Share of predictions that are answered with a 500.
        exposes: What a scrape shows: everything; of HTTP alone; nothing at all; or, `uncounted`,
            metrics of the model that stay as they were when the process began.
        user_label: Whether a counter carries who asked as a label.
    """

    version: str = USUAL_VERSION
    lost_positives: float = 0.0
    constant_score: bool = False
    divided: float = 1.0
    delay: float = 0.0
    error_share: float = 0.0
    exposes: Literal["everything", "http", "nothing", "uncounted"] = "everything"
    user_label: bool = False


USUAL = "usual"

BUILDS: Mapping[str, Build] = {
    USUAL: Build(),
    # Most of those who defaulted never reached the table that it was trained and validated on.
    "mislabelled": Build(version="1.1.0", lost_positives=0.8),
    "constant-score": Build(constant_score=True),
    "skewed-input": Build(divided=12.0),
    # Well over HighLatency's limit of 0.5 s, since a histogram knows latencies by its buckets only.
    "slow": Build(delay=0.6),
    "erroring": Build(error_share=0.2),
    "no-model-metrics": Build(exposes="http"),
    "no-metrics": Build(exposes="nothing"),
    # Scores are counted in a process of their own, and another one is scraped.
    "uncounted": Build(exposes="uncounted"),
    "user-label": Build(user_label=True),
}
"""Every build by the name that scenarios use."""
