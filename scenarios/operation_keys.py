"""The keys of a scenario file that say how the service is run: its shape, and what they mean."""

from __future__ import annotations

import math
from typing import Literal

from scenarios.values import Number, Strict, require
from scenarios.yamlfile import Located
from simulators.fleet import MAX_REPLICAS
from simulators.operations import Canary, Operation
from target_service.builds import BUILDS, USUAL
from target_service.contract import MAX_BATCH


class CanaryKeys(Strict, frozen=True):
    """`canary` of a phase."""

    build: str
    share: Number


class PhaseLabelKeys(Strict, frozen=True):
    """`labels` of a phase."""

    coverage: Number


class ScrapeKeys(Strict, frozen=True):
    """`scrapes` of a scenario."""

    lost: Number = 0.0


class OperationKeys(Strict, frozen=True):
    """What a phase may say beside its traffic and its drifts."""

    replicas: int | None = None
    down: int = 0
    restart: Literal["rolling"] | None = None
    build: str = USUAL
    canary: CanaryKeys | None = None
    labels: PhaseLabelKeys | None = None
    scan: Number = 0.0
    rows: int = 1


def operation(source: Located, key: str, raw: OperationKeys) -> Operation:
    """What the keys of a phase mean; BadFileError where one does not fit.

    Args:
        source: The file.
        key: Of the phase, such as `phases[1]`.
        raw: Its keys.
    """
    if raw.replicas is not None:
        with source.at(f"{key}.replicas"):
            check_replicas(raw.replicas)
    with source.at(f"{key}.down"):
        require(raw.down >= 0, "expected a number of replicas")
    with source.at(f"{key}.build"):
        _known(raw.build)
    canary = None
    if raw.canary is not None:
        with source.at(f"{key}.canary.build"):
            _known(raw.canary.build)
        canary = Canary(raw.canary.build, share(source, f"{key}.canary.share", raw.canary.share))
    coverage = None
    if raw.labels is not None:
        coverage = share(source, f"{key}.labels.coverage", raw.labels.coverage)
    with source.at(f"{key}.scan"):
        require(0 <= raw.scan < math.inf, "expected hostile requests/s, not negative")
    with source.at(f"{key}.rows"):
        require(1 <= raw.rows <= MAX_BATCH, f"expected 1 to {MAX_BATCH} rows in a request")
    return Operation(
        replicas=raw.replicas,
        down=raw.down,
        restart=raw.restart is not None,
        build=raw.build,
        canary=canary,
        scan=float(raw.scan),
        rows=raw.rows,
        label_coverage=coverage,
    )


def check_replicas(count: int) -> None:
    """ValueError unless a service may have so many replicas."""
    require(1 <= count <= MAX_REPLICAS, f"expected 1 to {MAX_REPLICAS} replicas, got {count}")


def share(source: Located, key: str, value: Number) -> float:
    """A share from 0 to 1; BadFileError, naming the key, where it is none."""
    with source.at(key):
        require(0 <= value <= 1, "expected a share from 0 to 1")
    return float(value)


def _known(build: str) -> None:
    require(build in BUILDS, f"no build {build!r}; known: {', '.join(BUILDS)}")
