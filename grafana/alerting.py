"""Prometheus' alerting rules as Grafana-managed ones, the way Grafana itself converts them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from panels import Json

INTERVAL = "1m"
"""As Prometheus' rules; a multiple of the 10 s below which Grafana does not go."""

_LOOKBACK_S = 600
_ALWAYS = "always"


def rule_file(groups: Sequence[Mapping[str, Any]], interval: str = INTERVAL) -> Json:
    """Grafana's provisioning file of every alert in some groups of Prometheus rules."""
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": group["name"],
                "folder": "Driftdrill alerts",
                "interval": interval,
                "rules": [_rule(rule) for rule in group["rules"] if "alert" in rule],
            }
            for group in groups
            if any("alert" in rule for rule in group["rules"])
        ],
    }


def contact_file(alertmanager: Mapping[str, Any]) -> Json:
    """Contact points: Alertmanager's receivers, by their webhooks."""
    points = [
        {
            "orgId": 1,
            "name": receiver["name"],
            "receivers": [
                {
                    "uid": f"{receiver['name']}-{number}",
                    "type": "webhook",
                    "settings": {"url": _escaped(webhook["url"])},
                }
                for number, webhook in enumerate(receiver["webhook_configs"], 1)
            ],
        }
        for receiver in alertmanager["receivers"]
        if "webhook_configs" in receiver
    ]
    return {"apiVersion": 1, "contactPoints": points}


def policy_file(alertmanager: Mapping[str, Any]) -> Json:
    """The one policy tree, which Grafana overwrites whole: Alertmanager's routes.

    Grafana has no receiver that informs nobody: a route to one is muted around the clock.
    """
    top = alertmanager["route"]
    informing = {r["name"] for r in alertmanager["receivers"] if "webhook_configs" in r}
    routes = []
    for route in top["routes"]:
        told = {"receiver": route["receiver"]}
        if route["receiver"] not in informing:
            told = {"receiver": top["receiver"], "mute_time_intervals": [_ALWAYS]}
        matchers = [[part.strip(' "') for part in text.split("=")] for text in route["matchers"]]
        routes.append({**told, "object_matchers": [[name, "=", value] for name, value in matchers]})
    always = {"times": [{"start_time": "00:00", "end_time": "24:00"}]}
    return {
        "apiVersion": 1,
        "policies": [{"orgId": 1, **top, "routes": routes}],
        "muteTimes": [{"orgId": 1, "name": _ALWAYS, "time_intervals": [always]}],
    }


def _rule(rule: Mapping[str, Any]) -> Json:
    uid = "driftdrill-" + re.sub(r"(?<!^)(?=[A-Z])", "-", rule["alert"]).lower()
    annotations = rule.get("annotations", {})
    return {
        "uid": uid,
        "title": rule["alert"],
        "condition": "threshold",
        "data": [
            _data("query", "prometheus", _query(rule["expr"])),
            _data("prometheus_math", "__expr__", _MATH),
            _data("threshold", "__expr__", _THRESHOLD),
        ],
        "noDataState": "OK",
        "execErrState": "OK",
        "missing_series_evals_to_resolve": 1,
        "for": rule.get("for", "0s"),
        "keepFiringFor": rule.get("keep_firing_for", "0s"),
        "annotations": {name: _template(text) for name, text in annotations.items()},
        "labels": {name: _escaped(text) for name, text in rule.get("labels", {}).items()},
        "isPaused": False,
    }


def _data(ref: str, source: str, model: Json) -> Json:
    return {
        "refId": ref,
        "relativeTimeRange": {"from": _LOOKBACK_S, "to": 0},
        "datasourceUid": source,
        "model": {"refId": ref, **model},
    }


def _query(expr: str) -> Json:
    source = {"type": "prometheus", "uid": "prometheus"}
    return {"datasource": source, "expr": _escaped(expr), "instant": True, "range": False}


_MATH: Json = {
    "type": "math",
    "datasource": {"type": "__expr__", "uid": "__expr__"},
    "expression": "is_number($$query) || is_nan($$query) || is_inf($$query)",
}
_THRESHOLD: Json = {
    "type": "threshold",
    "datasource": {"type": "__expr__", "uid": "__expr__"},
    "expression": "prometheus_math",
    "conditions": [{"evaluator": {"type": "gt", "params": [0]}}],
}


def _template(text: str) -> str:
    """An annotation in Grafana's words: `$value` there is a sentence, the number has a name."""
    return _escaped(text.replace("$value", "$values.query.Value"))


def _escaped(text: str) -> str:
    """Grafana replaces `$name` in provisioned files by variables of its environment."""
    return text.replace("$", "$$")
