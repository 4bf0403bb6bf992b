"""What is done to the service during a phase, as opposed to what happens to its inputs."""

from __future__ import annotations

from dataclasses import dataclass

from target_service.builds import USUAL


@dataclass(frozen=True)
class Canary:
    """One replica more, of another build, that gets a share of the requests."""

    build: str
    share: float


@dataclass(frozen=True)
class Operation:
    """How the service is run during one phase.

    Attributes:
        replicas: How many there are, down ones included; None is the scenario's usual number.
        down: How many of them do not run.
        restart: Whether all are restarted, one after the other.
        build: What they run.
        canary: A build that is tried out beside it.
        scan: Hostile requests/s.
        rows: In each request.
        label_coverage: Share of this phase's predictions whose ground truth is ever known; None is
            the scenario's.
    """

    replicas: int | None = None
    down: int = 0
    restart: bool = False
    build: str = USUAL
    canary: Canary | None = None
    scan: float = 0.0
    rows: int = 1
    label_coverage: float | None = None

    @property
    def disturbs(self) -> bool:
        """Whether it may do harm; other numbers of replicas and restarts do not."""
        return (
            self.down > 0
            or self.build != USUAL
            or self.canary is not None
            or self.scan > 0
            or self.rows > 1
            or self.label_coverage is not None
        )


NORMAL = Operation()
