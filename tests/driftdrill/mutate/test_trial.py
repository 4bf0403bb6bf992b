"""What a drill says of a mutant does not depend on what was stored to ask it sooner."""

from __future__ import annotations

import pytest

from driftdrill.mutate.mutants import alerts_behind, mutants
from driftdrill.mutate.trial import opened
from driftdrill.rig.tools import find_tools
from driftdrill.virtual.observe import record
from driftdrill.virtual.recording import EVALUATION_INTERVAL_S
from driftdrill.virtual.rules import load_groups
from driftdrill.virtual.selectors import everything
from scenarios.spec import load

RULES = """\
groups:
  - name: windows
    rules:
      - record: traffic
        expr: sum by (instance) (rate(http_request_count_total{endpoint="/predict"}[2m]))
      - record: busy
        labels: {window: short}
        expr: max_over_time(traffic[3m]) / 2
      - record: busy
        labels: {window: long}
        expr: avg_over_time(traffic[15m]) and traffic > 0
      - record: busiest
        expr: max by (instance) (busy)
      - alert: Busy
        expr: busiest > 1.5
        labels: {severity: info}
      - alert: BusyForLong
        expr: busy{window="long"} > 2
"""
SCENARIO = """\
name: rush
summary: Ten times the traffic.
model: credit
traffic: {rate: 0.5}
phases:
  - {name: calm, duration: 20m}
  - {name: rush, duration: 20m, rate: 5}
expect:
  - {alert: Busy, labels: {severity: info}, after: rush, within: 3m}
  - {alert: BusyForLong, after: rush, within: 12m}
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trial")
    (folder / "rush.yaml").write_text(SCENARIO)
    (folder / "rules.yml").write_text(RULES)
    record(
        load(folder / "rush.yaml"),
        folder / "recording",
        seed=0,
        days=None,
        wanted=everything,
        portable=False,
        tools=find_tools(),
        show=lambda _: None,
    )
    return folder


def said(folder, count: int) -> dict[str, str | None]:
    """What the drill says of each mutant, opened for so many."""
    tools = find_tools()
    groups = load_groups([folder / "rules.yml"], EVALUATION_INTERVAL_S, tools.promtool)
    readers = alerts_behind(groups)
    with opened(folder / "recording", groups, tools, folder / str(count), count) as trial:
        assert trial.verdict().outcome == "pass"
        return {
            f"{number}: {mutant.name}": trial.notices(mutant, readers[mutant.rule])
            for number, mutant in enumerate(mutants(groups))
        }


def test_a_mutant_is_told_alike_whatever_is_stored(recorded):
    one_by_one, stored = said(recorded, 0), said(recorded, 1000)
    assert one_by_one == stored
    broken_windows = {name: why for name, why in stored.items() if ": busy: " in name}
    assert None in broken_windows.values()
    assert any(broken_windows.values())
