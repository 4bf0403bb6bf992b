import copy
import re
import subprocess
from pathlib import Path

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from driftdrill.rig.tools import find_tools
from driftdrill.scaling import (
    scale_alertmanager_config,
    scale_duration,
    scale_prometheus_config,
    scale_promql,
    scale_rules,
    unscalable,
)

SHIPPED = Path(__file__).parents[2] / "prometheus"
RULE_FILES = sorted((SHIPPED / "rules").glob("*.yml"))
EXPRESSIONS = [
    rule["expr"]
    for path in RULE_FILES
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]


@pytest.mark.parametrize(
    ("duration", "speed", "scaled"),
    [
        ("1h", 60, "60000ms"),
        ("1h30m", 60, "90000ms"),
        ("1d2h3m4s5ms", 1, "1d2h3m4s5ms"),
        ("1y", 1000, "31536000ms"),
        ("15s", 120, "125ms"),
        ("1m", 7, "8571ms"),
        ("0s", 60, "0ms"),
        ("0", 60, "0ms"),
    ],
)
def test_a_duration_is_divided_by_the_speed(duration: str, speed: float, scaled: str) -> None:
    assert scale_duration(duration, speed) == scaled


@pytest.mark.parametrize("text", ["", "10", "1.5s", "5m1h", "-5m", "5 m", "forever", "infs"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        scale_duration(text, 60)


@pytest.mark.parametrize(
    ("expr", "scaled"),
    [
        ("increase(x[10m])", "increase(x[10000ms])"),
        ("max_over_time(x[1h:5m])", "max_over_time(x[60000ms:5000ms])"),
        ("max_over_time(x[ 1h : ])", "max_over_time(x[60000ms:])"),
        ("x offset 5m", "x offset 5000ms"),
        ("x OFFSET -1h30m", "x OFFSET -90000ms"),
        ("x offset\n  # a week\n  1w", "x offset\n  # a week\n  10080000ms"),
        ("x[300] offset 90", "x[5000ms] offset 1500ms"),
        ("x @ end() offset 1m", "x @ end() offset 1000ms"),
    ],
)
def test_ranges_subqueries_and_offsets_are_divided(expr: str, scaled: str) -> None:
    assert scale_promql(expr, 60) == scaled


@pytest.mark.parametrize(
    "expr",
    [
        "drift:ks:1h > 5",
        "job:x:rate5m",
        "sum by (rate, offset) (x5m)",
        "rate",
        "x{a=\"[5m]\",b='rate(y[1h])',c=`offset 5m`}",
        'x{a="\\"[5m]"}',
        'label_replace(x, "a", "rate($1[5m])", "b", "(.+) offset 5m")',
        "x # rate(y[5m] offset 1h",
        "x + 0x1d + 1e3 + .5 + 60",
        'x{rate="1"}',
        '{"x.rate", "offset"="5m"}',
    ],
)
def test_names_strings_comments_and_numbers_stay(expr: str) -> None:
    assert scale_promql(expr, 60) == expr


@pytest.mark.parametrize("expr", ["latency > 500ms", "increase(x[1000m]) / 5m"])
def test_a_duration_used_as_a_number_stays(expr: str) -> None:
    assert scale_promql(expr, 1000).split("]")[-1] == expr.split("]")[-1]


@pytest.mark.parametrize(
    ("expr", "scaled"),
    [
        ("rate(x[5m]) > 2", "(rate(x[5000ms]) / 60) > 2"),
        ("irate (x[1m])", "(irate (x[1000ms]) / 60)"),
        ("deriv(sum(x)[1h:5m])", "(deriv(sum(x)[60000ms:5000ms]) / 60)"),
        ("max_over_time(rate(x[1m])[1h:])", "max_over_time((rate(x[1000ms]) / 60)[60000ms:])"),
        ("sum by (rate) (rate(x[1m]))", "sum by (rate) ((rate(x[1000ms]) / 60))"),
    ],
)
def test_what_is_per_second_keeps_its_production_meaning(expr: str, scaled: str) -> None:
    assert scale_promql(expr, 60) == scaled


def test_the_time_that_predict_linear_looks_ahead_is_divided() -> None:
    expr = 'predict_linear(x{a="1",b="2"}[1h], 4 * 3600) < 0'
    assert scale_promql(expr, 60) == 'predict_linear(x{a="1",b="2"}[60000ms],( 4 * 3600) / 60) < 0'


def test_a_speed_that_is_no_whole_number_divides_too() -> None:
    assert scale_promql("rate(x[5m])", 2.5) == "(rate(x[120000ms]) / 2.5)"


@pytest.mark.parametrize(
    ("expr", "reason"),
    [
        ("increase(x[1s])", "1s is less than a millisecond at speed 5000"),
        ("increase(x[5m + 1m])", "is not a range"),
        ("increase(x[5q])", "'5q' is not a duration"),
    ],
)
def test_an_error_names_the_expression(expr: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        scale_promql(expr, 5000)
    assert str(caught.value).endswith(f"in: {expr}")


def test_what_reads_the_calendar_is_named() -> None:
    expr = 'time() - timestamp(x) > 3600 and hour (y{time="hour()"}) < 8 or time() > z @ 17'
    assert unscalable(expr) == ["time", "timestamp", "hour", "@"]
    assert unscalable("x @ end() + time + rate(hour[5m]) # time()") == []


@given(st.text())
def test_speed_1_changes_no_text_at_all(expr: str) -> None:
    assert scale_promql(expr, 1) == expr


@given(st.text(alphabet="ab[]()5mh:# \\\"'"))
def test_any_string_survives_in_any_expression(text: str) -> None:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    scaled = scale_promql(f"rate(x{{a={quoted}}}[5m])", 60)
    assert scaled == f"(rate(x{{a={quoted}}}[5000ms]) / 60)"


@given(st.sampled_from(EXPRESSIONS), st.floats(1.5, 600))
def test_a_scaled_shipped_expression_is_promql(expr: str, speed: float) -> None:
    promql_parser.parse(scale_promql(expr, speed))


# What is per second is divided once for each scaling: equal in value, but not in text.
TIMELESS = [expr for expr in EXPRESSIONS if not re.search(r"\b(i?rate|deriv)\(", expr)]


@given(st.sampled_from(TIMELESS), st.sampled_from([2, 4, 5, 60]), st.sampled_from([2, 3, 5]))
def test_scaling_twice_scales_by_the_product(expr: str, first: int, second: int) -> None:
    twice = scale_promql(scale_promql(expr, first), second)
    assert twice == scale_promql(expr, first * second)


RULES = {
    "groups": [
        {
            "name": "g",
            "interval": "30s",
            "limit": 5,
            "rules": [
                {"record": "a:b:1h", "expr": "rate(x[1h])", "labels": {"window": "1h"}},
                {
                    "alert": "A",
                    "expr": 1,
                    "for": "5m",
                    "keep_firing_for": "0s",
                    "annotations": {"text": '1h {{ with query "rate(x[1h])" }}{{ end }}'},
                },
            ],
        }
    ]
}


def test_a_rule_file_is_scaled_in_its_times_and_expressions_alone() -> None:
    before = copy.deepcopy(RULES)
    group = scale_rules(RULES, 60)["groups"][0]
    record, alert = group["rules"]
    assert before == RULES
    assert (group["interval"], group["limit"]) == ("500ms", 5)
    assert record == {
        "record": "a:b:1h",
        "expr": "(rate(x[60000ms]) / 60)",
        "labels": {"window": "1h"},
    }
    assert (alert["expr"], alert["for"], alert["keep_firing_for"]) == ("1", "5000ms", "0ms")
    assert alert["annotations"] == before["groups"][0]["rules"][1]["annotations"]  # type: ignore[index]


def test_a_group_whose_alerts_are_dated_back_is_refused_at_every_speed() -> None:
    backdated = {"groups": [{"name": "g", "query_offset": "1m", "rules": []}]}
    for speed in (1, 60):
        with pytest.raises(ValueError, match=r"groups\[0\].query_offset: Prometheus dates alerts"):
            scale_rules(backdated, speed)


def test_a_bad_time_in_a_rule_file_is_named() -> None:
    with pytest.raises(ValueError, match="for: 'soon' is not a duration"):
        scale_rules({"groups": [{"rules": [{"expr": "x", "for": "soon"}]}]}, 60)


def test_prometheus_scrapes_and_evaluates_faster_by_the_speed() -> None:
    config = {
        "global": {"scrape_interval": "15s", "rule_query_offset": "30s"},
        "scrape_configs": [{"job_name": "j", "scrape_interval": "1m", "scrape_timeout": "30s"}],
    }
    assert scale_prometheus_config(config, 60) == {
        "global": {
            "scrape_interval": "250ms",
            "evaluation_interval": "1000ms",
            "rule_query_offset": "500ms",
        },
        "scrape_configs": [
            {"job_name": "j", "scrape_interval": "1000ms", "scrape_timeout": "500ms"}
        ],
    }


def test_alertmanager_groups_and_repeats_faster_by_the_speed() -> None:
    config = {
        "route": {
            "receiver": "r",
            "group_wait": "1m",
            "routes": [{"group_interval": "2m", "routes": [{"repeat_interval": "1h"}]}],
        }
    }
    assert scale_alertmanager_config(config, 60) == {
        "global": {"resolve_timeout": "5000ms"},
        "route": {
            "receiver": "r",
            "group_wait": "1000ms",
            "group_interval": "5000ms",
            "repeat_interval": "240000ms",
            "routes": [{"group_interval": "2000ms", "routes": [{"repeat_interval": "60000ms"}]}],
        },
    }


def test_at_speed_1_every_document_is_itself() -> None:
    assert scale_rules(RULES, 1) == RULES
    assert scale_prometheus_config({"scrape_configs": []}, 1) == {"scrape_configs": []}
    assert scale_alertmanager_config({"route": {"receiver": "r"}}, 1) == {
        "route": {"receiver": "r"}
    }


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("speed", [60, 77])
def test_promtool_accepts_the_scaled_shipped_rules(
    path: Path, speed: float, tmp_path: Path
) -> None:
    scaled = tmp_path / path.name
    scaled.write_text(yaml.safe_dump(scale_rules(yaml.safe_load(path.read_text()), speed)))
    done = subprocess.run(
        [find_tools().promtool.path, "check", "rules", scaled],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("expr", "reason"),
    [
        pytest.param("+".join(["up"] * 501), "names, numbers and signs, got 1001", id="long"),
        pytest.param("-" * 1000 + "up", "names, numbers and signs, got 1001", id="many signs"),
        pytest.param("(" * 101 + "up" + ")" * 101, "parentheses in each other", id="deep"),
    ],
)
def test_what_would_exhaust_a_parser_is_refused(expr: str, reason: str) -> None:
    document = {"groups": [{"name": "g", "rules": [{"alert": "Deep", "expr": expr}]}]}
    with pytest.raises(ValueError, match=re.escape(reason)):
        scale_rules(document, 60.0)
