"""`python deploy/kubernetes/build.py` writes the manifests that are made from files for servers.

`rules.yaml` holds prometheus/rules as PrometheusRules, `dashboards.yaml` grafana/dashboards as
ConfigMaps with the label that Grafana's sidecar looks for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]

_MADE = "# Made by deploy/kubernetes/build.py.\n"


def build(into: Path = HERE) -> None:
    """Write both files into a folder."""
    _write(into / "rules.yaml", map(_rules, _files("prometheus/rules", "*.yml")))
    _write(into / "dashboards.yaml", map(_dashboard, _files("grafana/dashboards", "*.json")))


def _files(folder: str, pattern: str) -> list[Path]:
    return sorted((PROJECT / folder).glob(pattern))


def _rules(path: Path) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": f"driftdrill-{_name(path)}"},
        "spec": yaml.safe_load(path.read_text(encoding="utf-8")),
    }


def _dashboard(path: Path) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"driftdrill-dashboard-{_name(path)}",
            "labels": {"grafana_dashboard": "1"},
        },
        "data": {path.name: path.read_text(encoding="utf-8")},
    }


def _name(path: Path) -> str:
    """A file's name as Kubernetes takes names."""
    return path.stem.replace("_", "-")


class _Readable(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Readable.add_representer(str, _text)


def _write(path: Path, documents: Iterable[dict[str, Any]]) -> None:
    text = yaml.dump_all(
        documents, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=100
    )
    path.write_text(_MADE + text, encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
