"""Both engines tell the same, whatever the rules."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from recordings import hand_made, names, rule_file, rules, states

from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import Tools
from driftdrill.verdict import judge
from driftdrill.virtual import stages
from driftdrill.virtual.blocks_engine import alert_queries
from driftdrill.virtual.engine import evaluate
from driftdrill.virtual.inline import Inliner
from driftdrill.virtual.observe import observation, record
from driftdrill.virtual.recorders import Recorders
from driftdrill.virtual.recording import read_recording
from driftdrill.virtual.rules import load_groups
from driftdrill.virtual.selectors import everything
from driftdrill.virtual.stages import shared_metrics
from driftdrill.virtual.store import Store
from driftdrill.virtual.timelines import Span, Timelines
from scenarios.spec import catalogue, find

pytestmark = pytest.mark.usefixtures("stores_as_in_a_long_drill")

SHIPPED = sorted((Path(__file__).parents[3] / "prometheus" / "rules").glob("*.yml"))

OF_ALL_KINDS = r"""
groups:
- name: often
  interval: 30s
  rules:
  - {record: "team:rate", labels: {window: 5m, team: "a$b"}, expr: "sum by (model, le) (rate(model_score_bucket[5m]))"}
  - {record: "team:rate", labels: {window: 30m}, expr: "sum by (model, le) (rate(model_score_bucket[30m]))"}
  - {record: "team:share", expr: 'team:rate / ignoring(le) group_left sum without (le) (team:rate{le="+Inf"})'}
  - {record: "team:n", expr: 'count by (model) (team:share{window=~"5.*"})'}
  - {record: "team:one", expr: "1"}
- name: seldom
  interval: 2m
  rules:
  - {alert: Range, expr: 'avg_over_time(team:share{le!="+Inf", window!="30m"}[10m]) > 0.5', for: 4m, keep_firing_for: 3m, labels: {window: ""}}
  - {alert: Offset, expr: "team:share - team:share offset 90s > 0.01", for: 2m}
  - {alert: Subquery, expr: 'max_over_time(team:share{window="5m"}[20m:2m]) - min_over_time(team:share{window="5m"}[20m:]) > 0.05', keep_firing_for: 10m}
  - {alert: Number, expr: "team:one == 1", for: 7m}
  - {alert: TopK, expr: 'topk(3, team:share{window="5m", le!="+Inf"}) > 0'}
  - {alert: Team, expr: 'count by (team) (team:rate{team="a$b"}) > 3'}
  - {alert: Quantile, expr: 'histogram_quantile(0.5, team:rate{window="5m"}) > 0.2'}
  - {alert: Absent, expr: 'absent(model_score_bucket{model="nobody"})', for: 10m}
  - {alert: AbsentRecorded, expr: 'absent(team:share{window="1y"})'}
  - {alert: ByPattern, expr: 'count({__name__=~"team:.*"}) > 1'}
  - {alert: Unless, expr: 'team:share{window="5m"} unless on (le) team:share{window="30m"} > 0.3', for: 1m}
  - {alert: Or, expr: '(team:n > 100) or on (model) (team:share{le="+Inf"} == 1)'}
- name: usual
  rules:
  - {record: "late:share", expr: 'team:share{window="5m"} > 0.3'}
  - {alert: Late, expr: "sum_over_time(late:share[7m]) > 1 and count_over_time(late:share[7m]) >= 3", for: 3m}
  - {alert: Label, expr: 'label_replace(late:share, "x", "$1-z", "le", "0.(.*)") > 0.4'}
  - {alert: Power, expr: "-late:share^2 < -0.5"}
  - {alert: Many, expr: "up * on (job) group_right (instance) sum by (job, endpoint) (rate(http_request_count_total[5m])) > 0.01"}
  - {alert: Template, expr: "up == 1", labels: {v: "{{ $value }}", odd: "a\"b\\c\nd, {e=\"f\"} é"}}
  - {alert: Last, expr: "last_over_time(late:share[10m]) > 0"}
  - {alert: Slope, expr: "deriv(late:share[10m]) > 0"}
  - {alert: Future, expr: "up offset -5m == 1"}
  - {alert: Scalar, expr: "quantile by (model) (0.3, late:share) > scalar(count(late:share)) / 100"}
  - {alert: ReadBefore, expr: "after:it > 0"}
  - {record: "after:it", expr: "sum(up)"}
"""  # noqa: E501

TO_PROMTOOL = {"AbsentRecorded", "ByPattern", "Template", "Future", "ReadBefore"}


@pytest.fixture(scope="module")
def sudden(tmp_path_factory, tools) -> Path:
    """The drill covariate-sudden, with every series."""
    return recorded("covariate-sudden", tmp_path_factory.mktemp("sudden") / "recording", tools)


def recorded(name: str, folder: Path, tools: Tools) -> Path:
    record(
        find(name),
        folder,
        seed=0,
        days=None,
        wanted=everything,
        portable=False,
        tools=tools,
        show=lambda _: None,
    )
    return folder


def both(recording: Path, files: list[Path], tools: Tools, work: Path) -> list[Timelines]:
    return [
        evaluate(recording, files, tools, work / engine, engine)
        for engine in ("blocks", "promtool")
    ]


def fired(timelines: Timelines) -> set[str]:
    firing = [s.labels for s in timelines.samples if s.labels["alertstate"] == "firing"]
    return {labels["alertname"] for labels in firing}


SHORT_S = 6 * 3600
"""promtool takes ten seconds of processor per virtual day: drills of days are for `-m long`."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            drill.name, marks=[pytest.mark.long] if drill.schedule.duration > SHORT_S else []
        )
        for drill in catalogue()
    ],
)
def test_every_drill_of_the_catalogue_passes_and_both_engines_tell_the_same_of_it(
    name, tmp_path, tools
):
    recording = recorded(name, tmp_path / "recording", tools)
    fast, exact = both(recording, SHIPPED, tools, tmp_path)
    assert states(fast) == states(exact)
    verdict = judge(find(name), observation(read_recording(recording), fast, tools))
    assert (verdict.outcome, verdict.reasons) == ("pass", ())
    assert fast.faults == exact.faults == ()
    assert fast.notes == ()
    assert fast.rules == exact.rules


def test_both_engines_tell_the_same_of_rules_of_all_kinds(sudden, tmp_path, tools):
    file = rule_file(tmp_path / "rules.yml", OF_ALL_KINDS)
    fast, exact = both(sudden, [file], tools, tmp_path)
    assert states(fast) == states(exact)
    written = {rule.name for rule in fast.rules if rule.alerting}
    assert written - names(fast) == {"Future"}  # which no evaluation can know


def test_what_cannot_be_inlined_goes_to_promtool_and_is_told(sudden, tmp_path, tools):
    file = rule_file(tmp_path / "rules.yml", OF_ALL_KINDS)
    found = evaluate(sudden, [file], tools, tmp_path / "work")
    assert {note.split()[0] for note in found.notes} == TO_PROMTOOL
    assert all("promtool" in note for note in found.notes)


def test_groups_whose_intervals_do_not_divide_each_other_agree(sudden, tmp_path, tools):
    file = rule_file(
        tmp_path / "rules.yml",
        """
groups:
- name: a
  rules:
  - {record: "r:x", expr: "sum without (instance, job) (model_feature_count)"}
- name: b
  interval: 45s
  rules:
  - {record: "r:z", expr: "avg_over_time(up[5m])"}
  - {alert: Own, expr: "sum_over_time(r:z[4m30s]) > 5", for: 100s}
  - {alert: Across, expr: 'r:x{feature="income"} > 200', for: 2m}
""",
    )
    fast, exact = both(sudden, [file], tools, tmp_path)
    assert states(fast) == states(exact)
    assert names(fast) == {"Own", "Across"}
    assert [note.split()[0] for note in fast.notes] == ["Across"]


def test_a_stored_metric_ends_where_its_expression_has_no_value(tmp_path, tools):
    values = np.repeat([1.0, 5.0, 1.0, 7.0, 2.0, 9.0], 12)
    recording = hand_made(tmp_path / "recording", {f'x{{k="{k}"}}': values + k for k in range(30)})
    file = rules(
        tmp_path,
        "{record: 'x:high', expr: sum(x > 4) > 500}",
        "{alert: Now, expr: 'x:high > 0'}",
        "{alert: Twice, expr: 'x:high + x:high > 0'}",
        "{alert: Lately, expr: 'count_over_time(x:high[4m]) < 3'}",
        "{alert: Gone, expr: 'x:high offset 3m unless x:high'}",
    )
    fast, exact = both(recording, file, tools, tmp_path)
    assert states(fast) == states(exact)
    assert names(fast) == {"Now", "Twice", "Lately", "Gone"}


def test_stored_metrics_of_stored_metrics_agree_over_more_than_a_day(tmp_path, tools):
    """A recording of days is asked on a second server, on blocks of what the first was given."""
    rng = np.random.default_rng(3)
    scrapes = int(1.1 * 86_400 / 15)
    series = {f'x{{k="{k}"}}': np.cumsum(rng.poisson(2, scrapes)) for k in range(8)}
    recording = hand_made(tmp_path / "recording", series)
    file = rules(
        tmp_path,
        "{record: 'x:rate', expr: 'sum(rate(x[2m]))'}",
        "{record: 'x:mean', expr: 'avg_over_time(x:rate[1h]) + 0 * count(rate(x[1m]))'}",
        "{alert: Above, expr: 'x:rate > x:mean * 1.1', for: 1m}",
        "{alert: Below, expr: 'x:rate < x:mean * 0.9', keep_firing_for: 5m}",
        "{alert: Lately, expr: 'max_over_time(x:mean[3h]) > x:mean * 1.01'}",
    )
    fast, exact = both(recording, file, tools, tmp_path)
    assert states(fast) == states(exact)
    assert names(fast) == {"Above", "Below", "Lately"}


def test_a_metric_without_values_is_stored_with_what_it_reads_inlined(tmp_path, tools, monkeypatch):
    """As of shares of what is never counted: asked once, where it would be asked by each reader."""
    monkeypatch.setattr(stages, "_STAGE_COST", 20 * 400)  # at 400 evaluations
    rng = np.random.default_rng(4)
    series = {f'x{{k="{k}"}}': np.cumsum(rng.poisson(2, 800)) for k in range(12)}
    series |= {f'y{{k="{k}"}}': np.where(np.arange(800) < 200, 0.0, k % 2) for k in range(12)}
    recording = hand_made(tmp_path / "recording", series)
    file = rules(
        tmp_path,
        "{record: 'x:n', expr: 'sum(increase(x[10m]))'}",
        "{record: 'y:share', expr: '(sum by (k) (increase(y[10m])) > 0) / on () group_left x:n'}",
        "{record: 'y:limit', expr: '1e-6 + 0 * y:share'}",
        "{alert: Share, expr: 'y:share > on (k) y:limit and y:share < 1', for: 2m}",
        "{alert: Idle, expr: 'x:n < 900'}",
    )
    fast, exact = both(recording, file, tools, tmp_path)
    assert states(fast) == states(exact)
    assert names(fast) == {"Idle", "Share"}
    about = read_recording(recording)
    groups = load_groups(file, 60.0, tools.promtool)
    span = Span(round(about.start * 1000), round(about.duration * 1000))
    recorders = Recorders(groups, span.start)
    alert_queries(groups, Inliner(recorders))
    with Store(recording, tools, tmp_path / "store", Interruption()) as store:
        shared = {one.name: one for one in shared_metrics(groups, recorders, store, span)}
    assert shared["y:share"].stage == 0
    assert "driftdrill:stored" not in shared["y:share"].rules[0].query


def test_the_states_of_alerts_are_those_of_prometheus(tmp_path, tools):
    """60 combinations of `for` and `keep_firing_for` over random on and off of all lengths."""
    rng = np.random.default_rng(7)
    series, lines = {}, []
    for number in range(60):
        lengths = rng.geometric(1 / rng.uniform(4, 40), size=400)
        values = np.repeat(np.arange(len(lengths)) % 2, lengths)[:800].astype(float)
        values[rng.random(800) < 0.01] = np.nan
        series[f'x{{n="{number}"}}'] = values
        hold, keep = rng.choice([0, 30, 60, 61, 120, 300, 600], size=2)
        lines.append(
            f"{{alert: A{number}, expr: 'x{{n=\"{number}\"}} == 1',"
            f" for: {hold}s, keep_firing_for: {keep}s}}"
        )
    recording = hand_made(tmp_path / "recording", series)
    fast, exact = both(recording, rules(tmp_path, *lines), tools, tmp_path)
    assert states(fast) == states(exact)
    assert len(names(fast)) == 60
    assert fast.notes == ()


def test_what_alerts_compare_is_drawn_from_the_recording(sudden, tmp_path, tools):
    found = evaluate(sudden, SHIPPED, tools, tmp_path / "work")
    drawn = {statistic.alert: statistic for statistic in found.statistics}
    assert "ScoreDrift" in drawn
    curve = drawn["ScoreDrift"].values[0]
    assert len(curve.times) == len(curve.values) <= 241
    assert 0 <= curve.times[0] < curve.times[-1] <= 3600
    assert drawn["ScoreDrift"].thresholds[0].values == (1.0,) * len(
        drawn["ScoreDrift"].thresholds[0].values
    )


def test_a_recording_stays_as_it_was(small, tmp_path, tools):
    kept = tmp_path / "kept"
    shutil.copytree(small, kept)
    both(small, rules(tmp_path, "{alert: A, expr: up == 1}"), tools, tmp_path)
    for path in kept.iterdir():
        assert (small / path.name).read_bytes() == path.read_bytes()
