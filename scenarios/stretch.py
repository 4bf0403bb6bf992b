"""A scenario made longer: its steady phases stretch, its drifts keep their pace."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace

from scenarios.spec import Scenario
from scenarios.values import DAY_S
from simulators.schedule import Phase


def stretch(scenario: Scenario, days: float) -> Scenario:
    """The scenario over so many days in all: phases without a drift grow or shrink in proportion.

    Deadlines count from the onset, as before.

    Raises:
        ValueError: No phase is steady, or the drifting ones alone take longer.
    """
    phases = scenario.schedule.phases
    steady = sum(phase.duration for phase in phases if _is_steady(phase))
    drifting = scenario.schedule.duration - steady
    if not steady:
        raise ValueError(f"{scenario.name} drifts all the time: it has no steady phase to stretch")
    left = days * DAY_S - drifting
    if left <= 0:
        raise ValueError(
            f"{scenario.name} drifts for {drifting / DAY_S:.3g} days, which leaves nothing steady"
            f" of {days:g}"
        )
    factor = left / steady
    stretched = replace(
        scenario.schedule,
        phases=tuple(
            replace(phase, duration=phase.duration * factor) if _is_steady(phase) else phase
            for phase in phases
        ),
    )
    starts, longer = scenario.schedule.starts, stretched.starts

    def moved(time: float) -> float:
        phase = min(bisect_right(starts.tolist(), time), len(phases)) - 1
        pace = factor if _is_steady(phases[phase]) else 1.0
        return float(longer[phase] + (time - starts[phase]) * pace)

    expects = tuple(
        replace(
            expect,
            onset=moved(expect.onset),
            resolve=expect.resolve and replace(expect.resolve, end=moved(expect.resolve.end)),
        )
        for expect in scenario.expects
    )
    allows = tuple(replace(allow, onset=moved(allow.onset)) for allow in scenario.allows)
    return replace(scenario, schedule=stretched, expects=expects, allows=allows)


def _is_steady(phase: Phase) -> bool:
    """A restart is over soon, however long its phase: it keeps its pace, too."""
    return not phase.changes and not phase.operation.restart
