"""The configuration of one drill: copies of the project's files, scaled and pointed at each other.

The files under `prometheus/` and the user's rule files are read, never written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from driftdrill.rig import PROJECT
from driftdrill.rig.errors import UsageError
from driftdrill.rig.refusals import refuse_invalid
from driftdrill.rig.tools import Tool
from driftdrill.scaling import (
    scale_alertmanager_config,
    scale_prometheus_config,
    scale_rules,
)

JOB = "target-service"
"""The scrape job of the service, in `prometheus/prometheus.yml`."""

ALERTMANAGER_JOB = "driftdrill-alertmanager"
"""The scrape job of Alertmanager in a drill: a gap in it is a gap in what could be notified."""

STARTED = "process_start_time_seconds"
"""What every server says of itself: a second value means that it was restarted."""

HEARTBEAT = "driftdrill:heartbeat"
"""1 at every evaluation of the rules: a gap in it is a gap in what the rules saw."""

DRILL_LABELS = {"drill": "true"}
"""What Prometheus adds to the labels of every alert of a drill that it sends."""

_SHIPPED = PROJECT / "prometheus"
HARNESS_RULES = {
    "groups": [{"name": "driftdrill", "rules": [{"record": HEARTBEAT, "expr": "vector(1)"}]}]
}
"""The rules of the harness itself, beside those under drill."""


def write_rules(rules: Sequence[Path], speed: float, folder: Path, promtool: Tool) -> None:
    """Write scaled copies of rule files, and the harness' own rule, into a new folder.

    Raises:
        UsageError: A file is not a valid rule file, or cannot be scaled; names the file given.
    """
    folder.mkdir()
    for path in rules:
        if not path.is_file():
            raise UsageError(
                f"{path}: a folder; name the rule files in it, such as {path / '*.yml'}"
                if path.is_dir()
                else f"{path}: there is no such rule file"
            )
        _refuse_resource(path)
    refuse_invalid({path: path for path in rules}, promtool)
    copies = {folder / f"{number}-{path.stem}.yml": path for number, path in enumerate(rules, 1)}
    for copy, path in copies.items():
        _write(copy, _scaled(path, scale_rules, speed))
    refuse_invalid(copies, promtool)
    _write(folder / "driftdrill.yml", HARNESS_RULES)


@dataclass(frozen=True)
class ScrapeJob:
    """Something else to scrape, beside the service: where it answers, `host:port`, and the path."""

    name: str
    address: str
    metrics_path: str = "/metrics"


def write_prometheus_config(
    path: Path,
    speed: float,
    rules: Path,
    targets: Path,
    alertmanager: str,
    scrape: Mapping[str, Any] | None = None,
    beside: Sequence[ScrapeJob] = (),
) -> None:
    """Write Prometheus' configuration.

    Args:
        path: File to write.
        speed: Production seconds per second.
        rules: Folder of the rule files.
        targets: File that names the replicas to scrape; see `write_targets`.
        alertmanager: Address of Alertmanager.
        scrape: Settings of the scrape job, where the service is not ours.
        beside: What else to scrape.

    Raises:
        UsageError: The project's configuration has no scrape job for the service.
    """
    source = _SHIPPED / "prometheus.yml"
    config = _scaled(source, scale_prometheus_config, speed)
    config["global"]["external_labels"] = DRILL_LABELS
    config["rule_files"] = [str(rules.resolve() / "*.yml")]
    for alertmanagers in config["alerting"]["alertmanagers"]:
        alertmanagers["static_configs"] = [{"targets": [alertmanager]}]
    jobs = [job for job in config["scrape_configs"] if job["job_name"] == JOB]
    if len(jobs) != 1:
        raise UsageError(f"{source}: scrape_configs needs one job_name {JOB!r}, has {len(jobs)}")
    del jobs[0]["static_configs"]
    jobs[0]["file_sd_configs"] = [{"files": [str(targets)], "refresh_interval": "5s"}]
    jobs[0].update(scrape or {})
    kept = {"source_labels": ["__name__"], "regex": STARTED, "action": "keep"}
    alertmanagers = {
        "job_name": ALERTMANAGER_JOB,
        "static_configs": [{"targets": [alertmanager]}],
        "metric_relabel_configs": [kept],
    }
    # What else production scrapes has no part in a drill.
    config["scrape_configs"] = [*jobs, alertmanagers]
    config["scrape_configs"] += [
        {
            "job_name": job.name,
            "metrics_path": job.metrics_path,
            "static_configs": [{"targets": [job.address]}],
        }
        for job in beside
    ]
    _write(path, config)


@cache
def sample_limit() -> int:
    """How many samples Prometheus takes from one scrape of the service; it refuses a larger one."""
    config = yaml.safe_load((_SHIPPED / "prometheus.yml").read_text())
    (limit,) = (j["sample_limit"] for j in config["scrape_configs"] if j["job_name"] == JOB)
    return int(limit)


def write_targets(path: Path, addresses: Sequence[str]) -> None:
    """Tell Prometheus, which watches the file, which addresses to scrape from now on."""
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps([{"targets": list(addresses)}]))
    unfinished.rename(path)


def write_alertmanager_config(path: Path, speed: float, receiver: str) -> None:
    """Write Alertmanager's configuration: its routes, with every receiver at the URL `receiver`."""
    config = _scaled(_SHIPPED / "alertmanager.yml", scale_alertmanager_config, speed)
    webhook = {"url": receiver, "send_resolved": True}
    config["receivers"] = [
        {"name": named["name"], "webhook_configs": [webhook]} for named in config["receivers"]
    ]
    _write(path, config)


def _scaled(
    path: Path, scale: Callable[[dict[str, Any], float], dict[str, Any]], speed: float
) -> dict[str, Any]:
    try:
        return scale(yaml.safe_load(path.read_text()) or {}, speed)
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100))


def _refuse_resource(path: Path) -> None:
    """UsageError where a file is a Kubernetes resource, whose rules lie within."""
    if re.search(r"^apiVersion:", path.read_text(errors="replace"), re.MULTILINE):
        raise UsageError(
            f"{path}: a resource of Kubernetes: give the rules in it as a file of Prometheus; of a"
            f" PrometheusRule, `yq .spec {path}` prints it"
        )
