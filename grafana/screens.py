"""The four dashboards. Each answers, from top to bottom: is something wrong, since when, where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from panels import Json, Panel, Query, alert_list, dashboard, variable

from driftdrill.promapi import watched

CHOSEN = 'model=~"$model",version=~"$version"'

VARIABLES = (
    variable("model", "Model", "label_values(model_info, model)", every=True),
    variable(
        "version", "Version", 'label_values(model_info{model=~"$model"}, version)', every=True
    ),
)
FEATURE = variable(
    "feature",
    "Feature",
    'label_values(model_feature_missing_total{model=~"$model"}, feature)',
    every=True,
)


def alert_panels(alerts: Sequence[Mapping[str, str]]) -> list[Panel]:
    """What each alert compares, against its threshold: the two sides of its own expression."""
    found = []
    for alert in alerts:
        # What is raised by something being there at all has nothing to compare.
        for statistic, threshold in watched(alert["expr"]) or [(alert["expr"], "0")]:
            limit = _number(threshold)
            # What is seldom there, such as missing values, is 0 meanwhile, and has no threshold.
            queries = [Query(f"({statistic}) or on () vector(0)")]
            if limit is None:
                seldom = f"({threshold}) or on () vector(NaN)"
                queries.append(Query(seldom, "threshold {{window}}"))
            found.append(
                Panel(
                    "timeseries",
                    alert["alert"],
                    "What the alert compares, and the threshold beyond which it is raised.",
                    tuple(queries),
                    limit=limit,
                )
            )
    return found


def drift(alerts: Sequence[Mapping[str, str]]) -> Json:
    """Is something wrong, since when, and which feature is it?"""
    by_feature = next(alert for alert in alerts if alert["alert"] == "FeatureDrift")
    ratio = " or ".join(f"({statistic})" for statistic, _ in watched(by_feature["expr"]))
    own = f'{CHOSEN},feature=~"$feature"'
    panels = [
        _firing(),
        Panel(
            "bargauge",
            "Which feature? Distance from its reference, in thresholds",
            "The farthest is on top. Beyond 1 FeatureDrift fires. Choose the feature above to see "
            "what moved.",
            (Query(f"sort_desc({ratio})", "{{feature}}", instant=True),),
            limit=1.0,
            width=10,
        ),
        alert_list(8),
        *alert_panels(alerts),
        Panel(
            "timeseries",
            "True drift: share of the rows from the changed world",
            "Ground truth of the drill under way, told by the load generator; absent otherwise.",
            (Query("driftdrill_drift_intensity", "{{kind}} {{feature}}"),),
            unit="percentunit",
        ),
        Panel(
            "timeseries",
            "Mean of $feature",
            "Where a numeric feature is, per look-back window.",
            (Query(f"drift:feature_mean{{{own}}}", "{{feature}} {{window}}"),),
        ),
        Panel(
            "timeseries",
            "How far $feature moved, in quantiles of its reference",
            "Wasserstein-1 in the reference's probability scale.",
            (Query(f"drift:feature_w1{{{own}}}", "{{feature}} {{window}}"),),
        ),
        Panel(
            "timeseries",
            "Missing values of $feature a second",
            "Per second of the real clock.",
            (
                Query(
                    f"sum by (feature) (rate(model_feature_missing_total{{{own}}}"
                    "[$__rate_interval]))",
                    "{{feature}}",
                ),
            ),
        ),
        Panel(
            "timeseries",
            "Categories",
            "Share of each category, over the short window.",
            (Query(f'drift:category_share{{{CHOSEN},window="10m"}}', "{{feature}}: {{category}}"),),
            unit="percentunit",
        ),
        _heatmap("Scores", "model_score_bucket", CHOSEN),
    ]
    return dashboard("driftdrill-drift", "Drift", (*VARIABLES, FEATURE), panels)


def quality(alerts: Sequence[Mapping[str, str]]) -> Json:
    """Is the model more often wrong than it says itself?"""
    lines = (
        ("Wrong decisions", "quality:error_rate"),
        ("Wrong decisions that these scores let expect", "quality:expected_error"),
        ("Wrong decisions beyond those", "quality:excess_error"),
        ("Positive outcomes", "quality:prior"),
    )
    panels = [
        _firing(),
        alert_list(18),
        *alert_panels(alerts),
        *(
            Panel(
                "timeseries",
                title,
                "Of the predictions whose outcome is known, by look-back window.",
                (Query(f"{name}{{{CHOSEN}}}", "{{model}} {{version}} {{window}}"),),
                unit="percentunit",
            )
            for title, name in lines
        ),
        Panel(
            "timeseries",
            "Outcomes told a second",
            "Per second of the real clock.",
            (
                Query(
                    f"sum by (result) (rate(model_feedback_total{{{CHOSEN}}}[$__rate_interval]))",
                    "{{result}}",
                ),
            ),
        ),
        _heatmap(
            "Scores of positive outcomes",
            "model_labelled_score_bucket",
            f'{CHOSEN},outcome="1"',
        ),
    ]
    return dashboard("driftdrill-quality", "Model quality", VARIABLES, panels)


def service(alerts: Sequence[Mapping[str, str]]) -> Json:
    """Does the service answer, in time, and with what does it run out first?"""
    job = 'job="target-service"'
    panels = [
        _firing(),
        alert_list(18),
        *alert_panels(alerts),
        Panel(
            "timeseries",
            "Requests a second",
            "Per second of the real clock: a drill at speed 60 shows 60 times production's.",
            (
                Query(
                    "sum by (endpoint, http_status) "
                    "(rate(http_request_count_total[$__rate_interval])) > 0",
                    "{{endpoint}} {{http_status}}",
                ),
            ),
            unit="reqps",
        ),
        Panel(
            "timeseries",
            "Time to answer a prediction",
            "Quantiles over all instances.",
            tuple(
                Query(
                    f"histogram_quantile({quantile}, sum by (le) "
                    '(rate(http_request_latency_seconds_bucket{endpoint="/predict"}'
                    "[$__rate_interval])))",
                    f"{quantile}",
                )
                for quantile in (0.5, 0.95, 0.99)
            ),
            unit="s",
        ),
        Panel(
            "timeseries",
            "CPU",
            "Processors in use, per instance.",
            (Query(f"rate(process_cpu_seconds_total{{{job}}}[$__rate_interval])", "{{instance}}"),),
        ),
        Panel(
            "timeseries",
            "Memory",
            "Resident, per instance.",
            (Query(f"process_resident_memory_bytes{{{job}}}", "{{instance}}"),),
            unit="bytes",
        ),
        Panel(
            "timeseries",
            "File descriptors",
            "Share of those that the process may open.",
            (Query(f"process_open_fds{{{job}}} / process_max_fds{{{job}}}", "{{instance}}"),),
            unit="percentunit",
            limit=0.8,
        ),
        Panel(
            "timeseries",
            "The machine: processors and memory in use",
            "Of all that it has; told by node-exporter.",
            (
                Query(
                    '1 - sum by (instance) (rate(node_cpu_seconds_total{mode="idle"}[1m]))'
                    " / sum by (instance) (rate(node_cpu_seconds_total[1m]))",
                    "processors {{instance}}",
                ),
                Query(
                    "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
                    "memory {{instance}}",
                ),
            ),
            unit="percentunit",
            limit=0.9,
        ),
        Panel(
            "timeseries",
            "The machine: open files",
            "Share of those that its kernel allows; told by node-exporter.",
            (Query("node_filefd_allocated / node_filefd_maximum", "{{instance}}"),),
            unit="percentunit",
            limit=0.8,
        ),
        Panel(
            "timeseries",
            "The load generator's view",
            "Response times as the clients see them, by quantile. SCHED counts from when a request "
            "was due: waiting shows.",
            (Query("locust_response_seconds", "{{method}} {{name}} {{quantile}}"),),
            unit="s",
        ),
    ]
    return dashboard("driftdrill-service", "Service and infrastructure", VARIABLES, panels)


def cost() -> Json:
    """What does the measuring itself take?"""
    own = 'job="prometheus"'
    processors = f"rate(process_cpu_seconds_total{{{own}}}[$__rate_interval])"
    group_time = "prometheus_rule_group_last_duration_seconds"
    lines = (
        ("Time of a scrape", "scrape_duration_seconds", "{{job}} {{instance}}", "s"),
        ("Samples of a scrape", "scrape_samples_scraped", "{{job}} {{instance}}", "short"),
        ("Series in Prometheus", "prometheus_tsdb_head_series", "series", "short"),
        ("Time to evaluate a rule group", group_time, "{{rule_group}}", "s"),
        ("Memory of Prometheus", f"process_resident_memory_bytes{{{own}}}", "resident", "bytes"),
        ("Processors that Prometheus uses", processors, "in use", "short"),
    )
    about = "Of the measuring, not of what is measured."
    panels = [
        Panel("timeseries", title, about, (Query(expr, legend),), unit=unit)
        for title, expr, legend, unit in lines
    ]
    return dashboard("driftdrill-cost", "Cost of metrics", (), panels)


def _firing() -> Panel:
    return Panel(
        "stat",
        "Is something wrong?",
        "Alerts that fire.",
        (Query('count(ALERTS{alertstate="firing"}) or vector(0)', "firing"),),
        limit=1.0,
        width=6,
    )


def _heatmap(title: str, bucket: str, chosen: str) -> Panel:
    expr = f"sum by (le) (increase({bucket}{{{chosen}}}[$__rate_interval]))"
    described = "How many fell into each bucket; the buckets are quantiles of the reference."
    return Panel("heatmap", title, described, (Query(expr, heatmap=True),))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
