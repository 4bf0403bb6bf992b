"""`python grafana/build.py` writes Grafana's dashboards and alert rules from Prometheus' rules.

The files it writes are committed, so that Grafana can be started on them as they are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from alerting import contact_file, policy_file, rule_file  # noqa: E402  found through the lines above
from screens import cost, drift, quality, service  # noqa: E402

RULES = HERE.parent / "prometheus" / "rules"
_MADE = "# Written by grafana/build.py; change prometheus/rules or that, not this.\n"


def build(into: Path) -> None:
    """Write every generated file below a folder."""
    groups = {
        path.stem: yaml.safe_load(path.read_text())["groups"]
        for path in sorted(RULES.glob("*.yml"))
    }
    machine = yaml.safe_load((RULES.parent / "machine" / "machine.yml").read_text())["groups"]
    alerts = {
        name: [rule for group in found for rule in group["rules"] if "alert" in rule]
        for name, found in groups.items()
    }
    dashboards = into / "dashboards"
    dashboards.mkdir(parents=True, exist_ok=True)
    right = [*alerts.pop("model_quality"), *alerts.pop("calibration")]
    answering = [*alerts.pop("service"), *alerts.pop("monitoring")]
    others = [alert for found in alerts.values() for alert in found]
    screens = (drift(others), quality(right), service(answering), cost())
    for screen in screens:
        text = json.dumps(screen, indent=2, ensure_ascii=False) + "\n"
        (dashboards / f"{screen['uid'].removeprefix('driftdrill-')}.json").write_text(text)
    alerting = into / "provisioning" / "alerting"
    alerting.mkdir(parents=True, exist_ok=True)
    alertmanager = yaml.safe_load((RULES.parent / "alertmanager.yml").read_text())
    every = [group for found in [*groups.values(), machine] for group in found]
    for name, document in {
        "rules": rule_file(every),
        "contact-points": contact_file(alertmanager),
        "policies": policy_file(alertmanager),
    }.items():
        (alerting / f"{name}.yml").write_text(_MADE + _yaml(document))


class _Plain(yaml.SafeDumper):
    """Writes every value out: no anchors, for readers."""

    def ignore_aliases(self, data: Any) -> bool:
        """Whether to repeat a value; always."""
        del data
        return True


def _yaml(document: dict[str, Any]) -> str:
    text: str = yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)
    return text


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
