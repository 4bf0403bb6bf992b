"""`python grafana/check_types.py` checks the dashboards by Grafana's own types, with Node's npm.

TypeScript compares each dashboard, and the options of each panel, with what `@grafana/schema`
declares: a misspelt or misplaced key is an error.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PACKAGES = ("@grafana/schema@13.2.3", "typescript@5.9.3")

_HEAD = """\
import type { Dashboard, Panel } from "@grafana/schema";
// JSON has an enum's values, not its names.
type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"""
_NAMES = {
    "bargauge": "BarGauge",
    "heatmap": "Heatmap",
    "stat": "Stat",
    "timeseries": "TimeSeries",
}
"""Panels whose options the package declares."""

_OF_PROMETHEUS = {"expr", "step", "tagKeys", "textFormat", "titleFormat", "useValueForTime"}
"""What the data source's plugin reads of an annotation, and the package leaves to it."""


def source(dashboards: dict[str, Any]) -> str:
    """TypeScript that compiles if the dashboards are what Grafana declares them to be."""
    lines = [_HEAD]
    for kind, name in _NAMES.items():
        path = f"@grafana/schema/dist/esm/raw/composable/{kind}/panelcfg/x/{name}PanelCfg_types.gen"
        lines.append(f'import type {{ Options as {name}Options }} from "{path}";')
    for file, dashboard in dashboards.items():
        panels = dashboard["panels"]
        annotations = [
            {key: value for key, value in annotation.items() if key not in _OF_PROMETHEUS}
            for annotation in dashboard["annotations"]["list"]
        ]
        frame = {**dashboard, "panels": [], "annotations": {"list": annotations}}
        lines.append(f"// {file}")
        lines.append(_typed("Partial<Plain<Dashboard>>", frame))
        for panel in panels:
            lines.append(f"// {file}: {panel['title']}")
            lines.append(_typed("Plain<Panel>", panel))
            if panel["type"] in _NAMES:
                options = f"Partial<Plain<{_NAMES[panel['type']]}Options>>"
                lines.append(_typed(options, panel["options"]))
    return "\n".join(lines) + "\nexport {};\n"


def _typed(kind: str, value: Any) -> str:
    return f"(({json.dumps(value, ensure_ascii=False)}) satisfies {kind});"


def main() -> int:
    """The compiler's exit status."""
    paths = sorted((HERE / "dashboards").glob("*.json"))
    dashboards = {path.name: json.loads(path.read_text()) for path in paths}
    with tempfile.TemporaryDirectory() as folder:
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES]
        subprocess.run(install, cwd=folder, check=True)
        check = Path(folder) / "check.ts"
        check.write_text(source(dashboards))
        compiler = ["node", "node_modules/typescript/bin/tsc", "--noEmit", "--strict"]
        options = ["--module", "nodenext", "--skipLibCheck", check.name]
        status = subprocess.run([*compiler, *options], cwd=folder, check=False).returncode
    if not status:
        count = sum(len(dashboard["panels"]) for dashboard in dashboards.values())
        print(f"{len(dashboards)} dashboards with {count} panels are as {PACKAGES[0]} declares")
    return status


if __name__ == "__main__":
    sys.exit(main())
