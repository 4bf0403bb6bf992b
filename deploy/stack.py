"""`python deploy/stack.py --speed 60 --out FOLDER` writes what docker-compose.yml's servers read.

They are the files under `prometheus/` and `grafana/`, for the speed of the drills, and with the
names that the containers have for each other.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "grafana")]

from alerting import rule_file  # noqa: E402  found through the lines above

from driftdrill.rig.configs import DRILL_LABELS, HARNESS_RULES, JOB  # noqa: E402
from driftdrill.scaling import (  # noqa: E402
    milliseconds,
    scale_alertmanager_config,
    scale_duration,
    scale_prometheus_config,
    scale_rules,
)

SLOWEST = {"node": 1000, "cadvisor": 5000}
"""Milliseconds that a scrape may take of who looks through the whole machine for each."""

GRAFANA_FLOOR_MS = 10_000
"""Grafana evaluates rules no more often than this, and at multiples of it."""


def write_stack(out: Path, speed: float) -> None:
    """Write every file below a folder.

    Args:
        out: The folder; what an earlier call wrote there is replaced, but for the key.
        speed: Production seconds per real second.
    """
    groups = _write_prometheus(out / "prometheus", speed)
    _write_grafana(out / "grafana", speed, groups)
    alertmanager = _read(PROJECT / "prometheus" / "alertmanager.yml")
    _write(
        out / "alertmanager" / "alertmanager.yml", scale_alertmanager_config(alertmanager, speed)
    )
    _write_key(out / "token.key")


def _write_prometheus(folder: Path, speed: float) -> list[dict[str, Any]]:
    """Configuration and rules; returns the groups of the rules."""
    config = scale_prometheus_config(_read(PROJECT / "prometheus" / "prometheus.yml"), speed)
    config["global"]["external_labels"] = DRILL_LABELS  # its alerts wake nobody
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]
    config["rule_files"] = ["rules/*.yml"]  # a drill does nothing to a machine
    (service,) = (job for job in config["scrape_configs"] if job["job_name"] == JOB)
    del service["static_configs"]
    # The service's name leads to every replica.
    service["dns_sd_configs"] = [
        {"names": [JOB], "type": "A", "port": 8000, "refresh_interval": "5s"}
    ]
    config["scrape_configs"] = [
        service,
        {"job_name": "prometheus", "static_configs": [{"targets": ["localhost:9090"]}]},
        {"job_name": "alertmanager", "static_configs": [{"targets": ["alertmanager:9093"]}]},
        {
            "job_name": "locust",
            "metrics_path": "/drill/metrics",
            "static_configs": [{"targets": ["locust-master:8089"]}],
        },
        _machine("node", "node-exporter:9100", config),
        _machine("cadvisor", "cadvisor:8080", config),
    ]
    rules = folder / "rules"
    shutil.rmtree(rules, ignore_errors=True)
    groups = []
    for path in sorted((PROJECT / "prometheus" / "rules").glob("*.yml")):
        scaled = scale_rules(_read(path), speed)
        _write(rules / path.name, scaled)
        groups += scaled["groups"]
    _write(rules / "driftdrill.yml", HARNESS_RULES)
    _write(folder / "prometheus.yml", config)
    return groups


def _machine(name: str, address: str, config: dict[str, Any]) -> dict[str, Any]:
    """The scrape job of a describer of the machine, as often as it can answer."""
    usual = milliseconds(config["global"]["scrape_interval"])
    interval = f"{max(usual, SLOWEST[name])}ms"
    job = {"job_name": name, "static_configs": [{"targets": [address]}]}
    return {**job, "scrape_interval": interval, "scrape_timeout": interval}


def _write_grafana(folder: Path, speed: float, groups: list[dict[str, Any]]) -> None:
    """Data sources, dashboards, and copies of the rules that tell nobody: Alertmanager does."""
    source = PROJECT / "grafana"
    for name in ("dashboards", "provisioning"):
        shutil.copytree(source / name, folder / name, dirs_exist_ok=True)
    provisioning = folder / "provisioning"
    path = provisioning / "datasources" / "driftdrill.yml"
    sources = _read(path)
    (prometheus,) = (s for s in sources["datasources"] if s["type"] == "prometheus")
    interval = prometheus["jsonData"]["timeInterval"]
    prometheus["jsonData"]["timeInterval"] = scale_duration(interval, speed)
    _write(path, sources)
    path = provisioning / "dashboards" / "driftdrill.yml"
    providers = _read(path)
    for provider in providers["providers"]:
        provider["options"]["path"] = str(folder.resolve() / "dashboards")
    _write(path, providers)
    marked = [
        {
            **group,
            "rules": [
                {**rule, "labels": {**rule.get("labels", {}), **DRILL_LABELS}}
                for rule in group["rules"]
            ],
        }
        for group in groups
    ]
    every = _read(PROJECT / "prometheus" / "prometheus.yml")["global"]["evaluation_interval"]
    steps = max(1, round(milliseconds(every) / speed / GRAFANA_FLOOR_MS))
    rules = rule_file(marked, f"{steps * GRAFANA_FLOOR_MS // 1000}s")
    _write(provisioning / "alerting" / "rules.yml", rules)


def _write_key(path: Path) -> None:
    """The key with which replicas sign predictions, so that each honours the others' tokens."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))


def _read(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(path.read_text())
    return read


def _write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100))


def main() -> None:
    """Write the files that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", type=float, default=60.0, help="times as fast as production")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    arguments = parser.parse_args()
    write_stack(arguments.out, arguments.speed)


if __name__ == "__main__":
    main()
