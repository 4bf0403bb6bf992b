"""A recording as a standard `promtool test rules` file: the drill, without us.

promtool's `alert_rule_test` compares annotations to the letter, and those of a drift hold what was
measured. So each expectation is a `promql_expr_test` of `ALERTS`, over the whole drill.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from driftdrill.virtual.gotext import quoted
from driftdrill.virtual.openmetrics import read_series
from driftdrill.virtual.recording import metrics_file, read_recording, recorded_scenario
from scenarios.expectations import Allow, Expect
from scenarios.spec import Scenario


def export_tests(recording: Path, rules: Sequence[Path], path: Path) -> None:
    """Write a recording and its drill's expectations as a test file.

    Args:
        recording: Its folder.
        rules: Rule files; the test file names them relative to itself.
        path: File to write.
    """
    about, scenario = read_recording(recording), recorded_scenario(recording)
    groups = [group for file in rules for group in yaml.safe_load(file.read_text())["groups"]]
    alerts = sorted({r["alert"] for group in groups for r in group["rules"] if "alert" in r})
    # Samples lie half an interval off the evaluations, so the grid is twice as fine.
    step = round(about.scrape_interval * 500)
    names = (file.resolve() for file in rules)
    folder = path.resolve().parent
    document = {
        "rule_files": [os.path.relpath(name, folder) for name in names],
        "evaluation_interval": f"{about.evaluation_interval:.0f}s",
        "group_eval_order": list(dict.fromkeys(group["name"] for group in groups)),
        "tests": [
            {
                "name": scenario.name,
                "interval": f"{step}ms",
                "input_series": [
                    {"series": series, "values": _values(samples, about.start * 1000, step)}
                    for series, samples in read_series(metrics_file(recording))
                ],
                "promql_expr_test": list(_tests(scenario, alerts)),
            }
        ],
    }
    heading = "".join(f"# {line}\n" for line in (scenario.name, scenario.summary))
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=2**31)
    path.write_text(heading + text, encoding="utf-8")


def _values(samples: Sequence[tuple[int, str]], start: float, step: int) -> str:
    """A series in promtool's notation: `_` where there is no sample, `1x9` for ten equal ones."""
    first, last = ((samples[i][0] - start) / step for i in (0, -1))
    if len({value for _, value in samples}) == 1:
        return f"_x{first:.0f} {samples[0][1]}x{last - first:.0f}"
    words, position = [], 0
    for time, value in samples:
        place = round((time - start) / step)
        words += ["_"] * (place - position) + [value]
        position = place + 1
    return " ".join(words)


def _tests(scenario: Scenario, alerts: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    duration = scenario.schedule.duration
    known: tuple[Expect | Allow, ...] = (*scenario.expects, *scenario.allows)
    for line in known:
        # What another line expects or allows earlier is not this one's to forbid.
        earlier = [e.labels for e in known if e.alert == line.alert and e.onset < line.onset]
        if line.onset:
            yield _silent(line.alert, line.labels, earlier, line.onset - 0.001, line.onset)
    for expect in scenario.expects:
        firing = _firing(expect.alert, expect.labels)
        fired = f"max(max_over_time({firing}[{_ms(expect.within)}]))"
        sample = {"labels": "{}", "value": 1}
        yield _test(fired, expect.onset + expect.within, [sample])
        over = expect.resolve and expect.resolve.end + expect.resolve.within
        if over and over < duration:
            yield _test(f"count_over_time({firing}[{_ms(duration - over)}])", duration, [])
    for alert in alerts:
        wanted = [line.labels for line in known if line.alert == alert]
        yield _silent(alert, {}, wanted, duration, duration)


def _silent(
    alert: str,
    labels: Mapping[str, str],
    but: Sequence[Mapping[str, str]],
    time: float,
    seconds: float,
) -> Mapping[str, Any]:
    """No alert with these labels, but for those with some others, fired in the time before."""
    counts = [f"count_over_time({_firing(alert, of)}[{_ms(seconds)}])" for of in (labels, *but)]
    return _test(" unless ".join(counts), time, [])


def _test(expr: str, time: float, samples: list[dict[str, Any]]) -> Mapping[str, Any]:
    return {"expr": expr, "eval_time": _ms(time), "exp_samples": samples}


def _firing(alert: str, labels: Mapping[str, str]) -> str:
    chosen = {"alertname": alert, "alertstate": "firing", **labels}
    return "ALERTS{" + ",".join(f"{k}={quoted(v)}" for k, v in chosen.items()) + "}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"
