"""Pieces of a dashboard, as Grafana's own JSON has them (schema 42)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

PROMETHEUS: Json = {"type": "prometheus", "uid": "prometheus"}
ALERTMANAGER: Json = {"type": "alertmanager", "uid": "alertmanager"}
COLUMNS = 24

_BELOW: Json = {
    "legend": {
        "calcs": ["lastNotNull"],
        "displayMode": "list",
        "placement": "bottom",
        "showLegend": True,
    },
    "tooltip": {"mode": "multi", "sort": "desc"},
}


@dataclass(frozen=True)
class Query:
    """One query of a panel: its expression, and what its series are called."""

    expr: str
    legend: str = ""
    instant: bool = False
    heatmap: bool = False


@dataclass(frozen=True)
class Panel:
    """A panel, before it has a place.

    Attributes:
        kind: Grafana's name of the visualisation.
        unit: A Grafana unit id.
        limit: Where the panel turns red; None where nothing is too much.
        options: What the kind needs beyond the defaults.
    """

    kind: str
    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = "short"
    limit: float | None = None
    width: int = 12
    height: int = 8
    options: Json = field(default_factory=dict)


def dashboard(uid: str, title: str, variables: Sequence[Json], panels: Sequence[Panel]) -> Json:
    """A dashboard whose panels are set in rows from left to right."""
    placed, x, y, tallest = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        grid = {"h": panel.height, "w": panel.width, "x": x, "y": y}
        placed.append(_panel(panel, number, grid))
        x, tallest = x + panel.width, max(tallest, panel.height)
    return {
        "annotations": {"list": [_phases()]},
        "editable": False,
        "graphTooltip": 1,
        "links": [
            {
                "asDropdown": False,
                "icon": "dashboard",
                "includeVars": True,
                "keepTime": True,
                "tags": ["driftdrill"],
                "targetBlank": False,
                "title": "",
                "tooltip": "",
                "type": "dashboards",
                "url": "",
            }
        ],
        "panels": placed,
        "refresh": "5s",
        "schemaVersion": 42,
        "tags": ["driftdrill"],
        "templating": {"list": list(variables)},
        "time": {"from": "now-15m", "to": "now"},
        "timezone": "browser",
        "title": title,
        "uid": uid,
        "version": 1,
    }


def variable(name: str, label: str, query: str, *, every: bool = False) -> Json:
    """A choice among the values of a label; `every` offers all of them at once, and begins so."""
    current = {"text": "All", "value": "$__all"} if every else {}
    return {
        "allValue": ".*" if every else None,
        "current": current,
        "datasource": PROMETHEUS,
        "hide": 0,
        "includeAll": every,
        "label": label,
        "multi": False,
        "name": name,
        "options": [],
        "query": {"qryType": 1, "query": query, "refId": "variable"},
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
        "type": "query",
    }


def alert_list(width: int) -> Panel:
    """Every alert of Prometheus, the quiet ones too."""
    shown = {"error": True, "firing": True, "noData": True, "normal": True, "pending": True}
    return Panel(
        "alertlist",
        "Alerts",
        "Prometheus' own alerts and Grafana's copies of them; quiet ones are listed, too.",
        (),
        width=width,
        options={
            "alertName": "",
            "datasource": "",
            "folder": None,
            "groupBy": [],
            "groupMode": "default",
            "maxItems": 30,
            "showInactiveAlerts": True,
            "sortOrder": 3,
            "stateFilter": shown,
            "viewMode": "list",
        },
    )


def _panel(panel: Panel, number: int, grid: Json) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    drawn: Json = {"drawStyle": "line", "lineWidth": 2, "showPoints": "never", "spanNulls": False}
    if panel.limit is not None:
        drawn["thresholdsStyle"] = {"mode": "dashed"}
    placed: Json = {
        "description": panel.description,
        "fieldConfig": {
            "defaults": {
                "custom": drawn if panel.kind == "timeseries" else {},
                "thresholds": {"mode": "absolute", "steps": steps},
                "unit": panel.unit,
            },
            "overrides": [],
        },
        "gridPos": grid,
        "id": number,
        "options": {**_OPTIONS.get(panel.kind, {}), **panel.options},
        "title": panel.title,
        "type": panel.kind,
    }
    if panel.queries:
        placed["datasource"] = PROMETHEUS
        placed["targets"] = [
            {
                "datasource": PROMETHEUS,
                "editorMode": "code",
                "expr": query.expr,
                "format": "heatmap" if query.heatmap else "time_series",
                "instant": query.instant,
                "legendFormat": "{{le}}" if query.heatmap else query.legend or "__auto",
                "range": not query.instant,
                "refId": chr(ord("A") + position),
            }
            for position, query in enumerate(panel.queries)
        ]
    return placed


def _phases() -> Json:
    """The drill's phases as regions: where they meet are its start, its onset and its end."""
    return {
        "datasource": PROMETHEUS,
        "enable": True,
        "expr": "driftdrill_scenario_info",
        "iconColor": "orange",
        "name": "Drill",
        "step": "1s",
        "tagKeys": "scenario",
        "textFormat": "{{model}} at speed {{speed}}, seed {{seed}}",
        "titleFormat": "{{scenario}}: {{phase}}",
    }


_REDUCE: Json = {"calcs": ["lastNotNull"], "fields": "", "values": False}

_OPTIONS: dict[str, Json] = {
    "timeseries": _BELOW,
    "stat": {
        "colorMode": "background",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": _REDUCE,
        "textMode": "auto",
    },
    "bargauge": {
        "displayMode": "basic",
        "orientation": "horizontal",
        "reduceOptions": _REDUCE,
        "showUnfilled": True,
        "valueMode": "color",
    },
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "exponent": 0.5,
            "fill": "dark-orange",
            "mode": "scheme",
            "reverse": False,
            "scheme": "Viridis",
            "steps": 64,
        },
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "le"},
        "tooltip": {"mode": "single", "yHistogram": False},
        "yAxis": {"axisPlacement": "left"},
    },
}
