"""The command line as a user meets it: exit codes, and messages that say what to do."""

from pathlib import Path

import pytest
from typer.main import get_command

from driftdrill.cli import app
from driftdrill.commands.answers import PASS, USAGE

SCENARIO = """\
name: mine
summary: Nothing happens.
model: credit
traffic: {rate: 5}
phases:
  - name: all
    duration: 10m
"""
RULE = """\
groups:
  - name: mine
    rules:
      - alert: Mine
        expr: rate(http_request_count_total[5m]) > 100
"""


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return name


# --- run ------------------------------------------------------------------------------------------


def test_an_unknown_scenario_is_answered_with_the_known_ones(drill):
    code, _, said = drill("run", "stedy")
    assert code == USAGE
    assert "no scenario 'stedy'; known: " in said
    assert "covariate-sudden, " in said


def test_a_number_of_replicas_must_suit_the_scenario(drill):
    code, _, said = drill("run", "rolling-restart", "--virtual", "--replicas", "1")
    assert code == USAGE
    assert "rolling-restart on 1 replicas: phase patching: expected 2 replicas or more" in said
    code, _, said = drill("run", "steady", "--replicas", "11")
    assert code == USAGE
    assert "Invalid value for '--replicas'" in said


@pytest.mark.parametrize("speed", ["0", "-60", "nan", "inf", "fast"])
def test_a_speed_must_be_one(drill, speed):
    code, _, said = drill("run", "steady", "--speed", speed)
    assert code == USAGE
    assert "Invalid value for '--speed'" in said


def test_a_bad_scenario_file_is_named_by_line_and_key(drill, tmp_path):
    name = write(tmp_path, "bad.yaml", SCENARIO.replace("duration: 10m", "duration: ten"))
    code, _, said = drill("run", name)
    assert code == USAGE
    assert said.startswith("driftdrill: bad.yaml:7: phases[0].duration: expected a duration")


def test_all_scenarios_are_read_before_the_first_is_run(drill, tmp_path):
    code, out, said = drill("run", "steady", "nowhere.yaml", "--out", "results")
    assert (code, out) == (USAGE, "")
    assert "nowhere.yaml: cannot be read" in said
    assert not (tmp_path / "results").exists()


def test_a_missing_rule_file_leaves_nothing_behind(drill, tmp_path):
    code, out, said = drill("run", "steady", "--rules", "nowhere.yml", "--out", "results")
    assert (code, out) == (USAGE, "")
    assert "nowhere.yml" in said
    assert not (tmp_path / "results").exists()


def test_a_broken_rule_file_is_refused_in_the_words_of_promtool(drill, tmp_path):
    name = write(tmp_path, "broken.yml", RULE.replace("[5m]) >", "[5m) >"))
    code, _, said = drill("run", "steady", "--rules", name, "--out", "results")
    assert code == USAGE
    assert "broken.yml: not a valid rule file" in said
    assert "could not parse expression" in said
    assert not (tmp_path / "results").exists()


def test_a_rule_too_short_for_the_speed_is_refused(drill, tmp_path):
    name = write(tmp_path, "short.yml", RULE.replace("[5m]", "[100ms]"))
    code, _, said = drill("run", "steady", "--speed", "1000", "--rules", name)
    assert code == USAGE
    assert "short.yml: 100ms is less than a millisecond at speed 1000" in said


def test_results_of_two_drills_do_not_mix(drill, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "verdict.json").write_text("{}")
    code, out, said = drill("run", "steady", "--out", "results")
    assert (code, out) == (USAGE, "")
    assert "results has leftovers in it" in said
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["verdict.json"]


def test_leftovers_of_a_later_drill_are_found_before_the_first(drill, tmp_path):
    (tmp_path / "results" / "concept-sudden" / "logs").mkdir(parents=True)
    code, out, said = drill("run", "steady", "concept-sudden", "--out", "results")
    assert (code, out) == (USAGE, "")
    assert "results/concept-sudden has leftovers in it" in said
    assert not (tmp_path / "results" / "steady").exists()


def test_one_scenario_twice_needs_two_folders(drill):
    code, _, said = drill("run", "steady", "steady", "--out", "results")
    assert code == USAGE
    assert "both write below results" in said


# --- check ----------------------------------------------------------------------------------------


def test_good_files_are_said_to_be_good(drill, tmp_path):
    files = [write(tmp_path, "mine.yaml", SCENARIO), write(tmp_path, "mine.yml", RULE)]
    code, out, said = drill("check", *files)
    assert (code, said) == (PASS, "")
    assert out.splitlines() == ["mine.yaml: a valid scenario file", "mine.yml: a valid rules file"]


@pytest.mark.parametrize(
    ("text", "finding"),
    {
        "not YAML": ("groups: [", "bad.yml:1: not YAML"),
        "a list": ("- groups", "bad.yml:1: expected a mapping"),
        "empty": ("", "bad.yml:1: expected a mapping"),
        "not text": ("\x00", "bad.yml: not YAML"),
        "no rule": ("groups: 1", "bad.yml: not a valid rule file"),
        "no expression": (RULE[: RULE.index("expr")], "bad.yml: not a valid rule file"),
        "no scenario": ("name: mine", "bad.yml:1: Object missing required field"),
    }.values(),
)
def test_bad_files_are_said_to_be_bad(drill, tmp_path, text, finding):
    code, out, said = drill("check", write(tmp_path, "bad.yml", text))
    assert (code, out) == (USAGE, "")
    assert said.startswith(f"driftdrill: {finding}"), said


def test_every_bad_file_is_named(drill, tmp_path):
    files = [write(tmp_path, f"{i}.yaml", "x: 1") for i in range(2)]
    code, _, said = drill("check", *files, "nowhere.yml", ".")
    assert code == USAGE
    assert all(f"driftdrill: {name}" in said for name in (*files, "nowhere.yml: cannot be", "."))


@pytest.mark.parametrize(
    "text",
    {
        "a number": "groups: [{name: a, rules: [{record: x, expr: 1}]}]",
        "an empty group": "groups: [{name: a, rules: }]",
        "no group": "groups:",
        "an alias": "groups: [{name: a, rules: [{record: &x y, expr: 1}, {record: z, expr: *x}]}]",
    }.values(),
)
def test_what_prometheus_takes_is_a_valid_rule_file(drill, tmp_path, text):
    code, _, said = drill("check", write(tmp_path, "odd.yml", text))
    assert (code, said) == (PASS, "")


def test_a_rule_that_reads_the_calendar_is_pointed_out(drill, tmp_path):
    text = RULE.replace("> 100", "> 100 and on () hour() > 8")
    code, out, _ = drill("check", write(tmp_path, "night.yml", text))
    assert code == PASS
    assert "night.yml: Mine depends on `hour`, which a drill cannot speed up" in out


# --- The others -----------------------------------------------------------------------------------


def test_the_list_holds_every_scenario(drill):
    code, out, _ = drill("list")
    assert code == PASS
    assert all(n in out for n in ("steady", "covariate-sudden", "covariate-gradual", "concept-sud"))


def test_a_scenario_is_drawn_with_what_must_fire(drill):
    code, out, _ = drill("show", "covariate-sudden")
    assert code == PASS
    assert all(word in out for word in ("recession", "FeatureDrift", "ScoreDrift", "stays silent"))


def test_a_scenario_is_written_as_a_picture(drill, tmp_path):
    code, said, _ = drill("show", "covariate-gradual", "--svg", "drill.svg")
    assert (code, said) == (PASS, "")
    assert (tmp_path / "drill.svg").read_text().startswith("<svg ")


def test_a_folder_of_scenarios_is_listed_shown_checked_and_looked_into(drill, tmp_path):
    folder = tmp_path / "drills"
    folder.mkdir()
    write(folder, "mine.yaml", SCENARIO)
    code, listed, _ = drill("list", "--scenarios", "drills")
    assert (code, "mine" in listed, "steady" in listed) == (PASS, True, False)
    assert drill("show", "mine", "--scenarios", "drills")[0] == PASS
    code, said, _ = drill("check", "--scenarios", "drills")
    assert (code, said) == (PASS, "drills/mine.yaml: a valid scenario file\n")
    code, _, said = drill("run", "steady", "--virtual", "--scenarios", "drills")
    assert (code, "no scenario 'steady'; known: mine;" in said) == (USAGE, True)
    code, _, said = drill("list", "--scenarios", "nowhere")
    assert (code, "nowhere is not a folder of scenarios" in said) == (USAGE, True)
    (tmp_path / "empty").mkdir()
    for command in ("check", "list", "suite"):
        code, _, said = drill(command, "--scenarios", "empty")
        assert (code, said) == (
            USAGE,
            "driftdrill: empty holds no scenario: expected files named *.yaml\n",
        )


def test_rule_files_that_are_not_there_are_named(drill, tmp_path):
    (tmp_path / "rules").mkdir()
    said = drill("run", "steady", "--virtual", "--rules", "rules")[2]
    assert said == "driftdrill: rules: a folder; name the rule files in it, such as rules/*.yml\n"
    said = drill("run", "steady", "--virtual", "--rules", "mine*.yml")[2]
    assert said == "driftdrill: mine*.yml: there is no such rule file\n"


def test_a_resource_of_kubernetes_is_told_from_the_rules_in_it(drill, tmp_path):
    group = "{name: mine, rules: [{alert: Mine, expr: vector(1)}]}"
    resource = (
        f"apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec: {{groups: [{group}]}}"
    )
    write(tmp_path, "mine.yml", resource)
    expected = "driftdrill: mine.yml: a resource of Kubernetes: give the rules in it as a file of"
    for command in (["check", "mine.yml"], ["run", "steady", "--virtual", "--rules", "mine.yml"]):
        code, _, said = drill(*command)
        assert (code, said.startswith(expected)) == (USAGE, True), said
        assert "yq .spec mine.yml" in said


def test_files_of_every_kind_are_checked_as_what_they_are(drill, tmp_path):
    write(tmp_path, "loans.csv", "age,income\n31,52000\n")
    write(tmp_path, "loans.yaml", "rows: loans.csv\n")
    predict = "predict: {path: /score, score: risk}"
    write(tmp_path, "scorer.yaml", f"url: http://127.0.0.1:8\nmodel: loans.yaml\n{predict}\n")
    code, said, _ = drill("check", "loans.yaml", "scorer.yaml")
    expected = """\
loans.yaml: a valid rows file
  1 row, resampled; outcomes not known
  features:
    age: integer  # always 31
    income: integer  # always 52000
scorer.yaml: a valid target file
"""
    assert (code, said) == (PASS, expected)
    write(tmp_path, "loans.csv", "income\n52000\n")
    write(tmp_path, "loans.yaml", "rows: loans.csv\nfeatures: {age: numeric}\n")
    code, _, said = drill("check", "loans.yaml")
    assert (code, "loans.yaml:2: features.age: " in said) == (USAGE, True)


def test_the_doctor_is_silent_when_all_is_well(drill):
    assert drill("doctor", "--fix", "--quiet") == (PASS, "", "")


def test_the_doctor_names_a_tool_that_does_not_work(drill, monkeypatch):
    monkeypatch.setenv("PROMETHEUS", "nowhere/prometheus")
    code, out, _ = drill("doctor", "--quiet")
    assert code == USAGE
    assert "PROMETHEUS has the value 'nowhere/prometheus', which is no working prometheus" in out


@pytest.mark.parametrize(("name", "command"), get_command(app).commands.items())
def test_every_command_that_takes_anything_helps_with_an_example(drill, name, command):
    code, out, _ = drill(name, "--help")
    assert code == PASS
    assert f"driftdrill {name}" in out.partition("Usage: ")[2]
    if command.params:
        assert f"driftdrill {name}" in out.partition("Example")[2]


def test_an_unknown_command_and_no_command_are_usage_errors(drill):
    assert drill("dril")[0] == USAGE
    assert drill()[0] == USAGE
