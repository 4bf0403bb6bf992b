"""One drill as the live page shows it: what the harness sees, drawn at most once a second."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from driftdrill.promapi import Prometheus, PrometheusError
from driftdrill.report.live import LiveView, Stage, live_html
from driftdrill.report.progress import Progress
from driftdrill.report.shares import Share
from driftdrill.rig.attached import Attached
from driftdrill.rig.rig import Rig
from driftdrill.verdict import Verdict
from driftdrill.watch import Watch
from scenarios.board import Board
from target_service.contract import REFERENCE_MASS, SCORE

_INTERVAL_S = 1.0
_MOST_WORK = 0.2
"""Share of a processor that drawing may take: the servers need the rest."""

_SHARES_WINDOW_S = 600.0


@dataclass
class Onlooker:
    """Puts a drill on the board.

    Attributes:
        rig: Its servers.
        watch: What has been seen of it.
        verdict: Once there is one.
        report: Where the page serves the report then.
    """

    board: Board
    rig: Rig | Attached
    watch: Watch
    verdict: Verdict | None = None
    report: str = ""
    _next: float = field(default=0.0, init=False)

    def prepare(self) -> None:
        """Say that the servers are starting."""
        self._show("preparing", ())

    def follow(self, _: Progress) -> None:
        """Show the drill under way, unless that was done a moment ago."""
        self._draw("running")

    def look_after(self) -> bool:
        """Show what alerts do after the traffic; whether one that fired in the drill still does."""
        watch = self.watch
        if watch.clock is None:
            return False
        duration = watch.scenario.schedule.duration
        now = watch.clock.production(time.time())
        prometheus = self.rig.prometheus()
        try:
            watch.look(prometheus, self.rig.receiver.notifications(), now)
        except PrometheusError:
            # Slow, or gone; somebody else's may come back.
            return isinstance(self.rig, Attached) or self.rig.dead() is None
        finally:
            prometheus.close()
        self._draw("over")
        return any(
            alert.resolved_at is None and alert.firing_at is not None and alert.firing_at < duration
            for alert in watch.alerts
        )

    def _draw(self, stage: Stage) -> None:
        began, worked = time.monotonic(), time.process_time()
        if began < self._next:
            return
        prometheus = self.rig.prometheus()
        try:
            self.watch.draw(prometheus)
            shares = self._shares(prometheus)
        except PrometheusError:
            return  # the drill itself asks often enough, and says what is wrong
        finally:
            prometheus.close()
        self._show(stage, shares)
        self._next = began + max(_INTERVAL_S, (time.process_time() - worked) / _MOST_WORK)

    def conclude(self, verdict: Verdict, report: str) -> None:
        """Show the verdict."""
        self.verdict, self.report = verdict, report
        self._next = 0.0
        self._draw("over")

    def _shares(self, prometheus: Prometheus) -> tuple[Share, ...]:
        """The scores of the last while, per bucket, against the reference."""
        window = max(round(_SHARES_WINDOW_S / self.watch.settings.speed * 1000), 1)
        now = f"{time.time():.3f}"

        def by_edge(expression: str) -> dict[float, float]:
            found = prometheus.get("query", {"query": expression, "time": now})["result"]
            values = {float(s["metric"]["le"]): float(s["value"][1]) for s in found}
            return dict(sorted(values.items()))

        reached = by_edge(f"sum by (le) (increase({SCORE}_bucket[{window}ms]))")
        reference = by_edge(f"max by (le) ({SCORE}{REFERENCE_MASS})")
        total = max(reached.values(), default=0.0)
        if not total > 0:
            return ()
        shares, below = [], 0.0
        for le, count in reached.items():
            name = "+Inf" if le == float("inf") else repr(le)
            shares.append(Share(name, (count - below) / total, reference.get(le, 0.0)))
            below = count
        return tuple(shares)

    def _servers(self) -> tuple[tuple[str, str], ...]:
        if isinstance(self.rig, Attached):
            return ()  # their names here are not those by which a browser finds them
        return (
            ("Prometheus", self.rig.prometheus_url),
            ("Alertmanager", self.rig.alertmanager_url),
            ("Service", f"{self.rig.service_urls[0]}/metrics"),
        )

    def _show(self, stage: Stage, shares: tuple[Share, ...]) -> None:
        view = LiveView(
            scenario=self.watch.scenario,
            observation=self.watch.observation(),
            stage=stage,
            servers=() if stage == "preparing" else self._servers(),
            shares=shares,
            verdict=self.verdict,
            report=self.report,
        )
        self.board.show(live_html(view))
