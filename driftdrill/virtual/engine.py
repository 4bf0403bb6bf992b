"""Evaluate rules over a recording: one call, whichever engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from driftdrill.rig.tools import Tools
from driftdrill.virtual import promtool_engine
from driftdrill.virtual.recording import METRICS, read_recording
from driftdrill.virtual.rules import as_loaded, load_groups
from driftdrill.virtual.timelines import Span, Timelines

EngineName = Literal["blocks", "promtool"]


def evaluate(
    recording: Path,
    rules: Sequence[Path],
    tools: Tools,
    work: Path,
    engine: EngineName = "blocks",
) -> Timelines:
    """Evaluate rule files over a recording.

    Args:
        recording: Its folder.
        rules: Rule files, in the order of evaluation.
        tools: Prometheus and promtool.
        work: New or empty folder for everything that the tools read and write.
        engine: `promtool` is Prometheus' own rule code; `blocks` answers the same, much faster.

    Raises:
        UsageError: The folder holds no recording, or a rule file is not valid.
        EngineError: A rule cannot be evaluated, or not every evaluation took place.
        RigError: Prometheus did not start, or died.
    """
    about = read_recording(recording)
    groups = load_groups(rules, about.evaluation_interval, tools.promtool)
    span = Span(round(about.start * 1000), round(about.duration * 1000))
    metrics = recording / METRICS
    samples = promtool_engine.evaluate(groups, metrics, span, tools.promtool, work)
    return Timelines(samples, as_loaded(groups))
