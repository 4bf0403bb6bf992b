"""What the documentation says is so: its commands parse, its examples run, its tables are whole."""

import re
import shlex
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import promql_parser
import pytest
import yaml
from typer.main import get_command

from driftdrill import checks
from driftdrill.cli import app, spread_rules
from driftdrill.monitoring import find_monitoring
from driftdrill.rig.tools import find_tools
from scenarios.presets import PRESETS
from scenarios.rowsfile import load_rows
from scenarios.spec import find, load
from scenarios.target import load_target
from scenarios.yamlfile import BadFileError
from simulators.kinds import KINDS
from target_service.contract import METRICS

PROJECT = Path(__file__).parents[1]
README = PROJECT / "README.md"
PAGES = [README, *sorted((PROJECT / "docs").glob("*.md"))]
RUNBOOKS = sorted((PROJECT / "docs" / "runbooks").glob("*.md"))
OF_EACH_SCRAPE = {"up", "scrape_samples_scraped"}
OF_THE_MACHINE = {
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_resident_memory_bytes",
}
TEXT = "\n".join(page.read_text() for page in PAGES)


class Block(NamedTuple):
    """A fenced block, and where it stands."""

    page: str
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that a reader is to save the block as: its first line names it."""
        named = re.match(r"# (\S+\.ya?ml)$", self.text.splitlines()[0])
        return named[1] if named else None


BLOCKS = [
    Block(page.name, language, text)
    for page in PAGES
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.S | re.M)
]
FILES = {block.file: block.text for block in BLOCKS if block.file}


def page(name: str) -> str:
    return (PROJECT / "docs" / name).read_text()


def of(*languages: str) -> list[Any]:
    found = [block for block in BLOCKS if block.language in languages]
    return [pytest.param(block, id=f"{block.page}-{i}") for i, block in enumerate(found)]


def shell_lines() -> list[list[str]]:
    lines = [line for block in BLOCKS if block.language == "sh" for line in block.text.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines]
    return [[command.removeprefix(".venv/bin/"), *rest] for command, *rest in words]


def inline_commands() -> list[list[str]]:
    return [shlex.split(found) for found in re.findall(r"`(driftdrill [^`\[]+)`", TEXT)]


def parse(arguments: list[str]) -> None:
    """Let the real command line parse arguments without running anything; raises where it fails."""
    group = get_command(app)
    with group.make_context("driftdrill", list(arguments)) as context:
        name, command, rest = group.resolve_command(context, list(arguments))
        command.make_context(name, rest, parent=context)


def rules() -> list[dict[str, Any]]:
    files = sorted((PROJECT / "prometheus" / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def machine_rules() -> list[dict[str, Any]]:
    text = (PROJECT / "prometheus" / "machine" / "machine.yml").read_text()
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def table_rows(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]


# --- Commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", shell_lines() + inline_commands(), ids=shlex.join)
def test_every_command_is_one_that_exists(words):
    program, *arguments = words
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", (PROJECT / "Makefile").read_text(), re.M)
    elif program == "python":
        if arguments[0].endswith(".py"):
            assert (PROJECT / arguments[0]).exists()
            return
        assert arguments[:2] == ["-m", "target_service"]
        done = run([sys.executable, *arguments[:3], "--help"], PROJECT)
        assert all(word in done.stdout for word in arguments[3:] if word.startswith("--"))
    elif program == "promtool":
        promtool = str(find_tools().promtool.path)
        assert f"usage: promtool {shlex.join(arguments[:2])} " in promtool_help(promtool, arguments)
    elif program in STACK_PROGRAMS:
        STACK_PROGRAMS[program](arguments)
    elif program == "pytest":
        assert all((PROJECT / word).exists() for word in arguments if not word.startswith("-"))
    else:
        assert program == "driftdrill"
        parse(arguments)


def compose_accepts(arguments: list[str]) -> None:
    """Compose has the options, and the services and profiles that follow them are the stack's."""
    stack = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    profiles = {name for service in stack.values() for name in service.get("profiles", ())}
    assert arguments[0] == "compose"
    command = next(word for word in arguments if word in {"up", "down"})
    program = Path(sys.executable).with_name("docker-compose")
    known = run([str(program), command, "--help"], PROJECT).stdout + "--profile"
    for word in set(arguments) - {"compose", command}:
        name = word.partition("=")[0]
        assert name in (known if word.startswith("--") else {*stack, *profiles})


def page_accepts(arguments: list[str]) -> None:
    """The form has the fields of Locust's page, at an address of the stack."""
    fields = [value for option, value in pairwise(arguments) if option == "--data"]
    assert [field.partition("=")[0] for field in fields] == ["scenario", "speed", "seed"]
    assert arguments[-1] == "http://127.0.0.1:8089/swarm"


def stack_reads(arguments: list[str]) -> None:
    """The variables are those that the stack reads."""
    text = (PROJECT / "docker-compose.yml").read_text()
    names = [word.partition("=")[0] for word in arguments if "=" in word]
    assert names
    assert all(f"${{{name}" in text for name in names)


STACK_PROGRAMS = {"docker": compose_accepts, "curl": page_accepts, "export": stack_reads}


def promtool_help(promtool: str, arguments: list[str]) -> str:
    done = run([promtool, *arguments[:2], "--help"], PROJECT)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [
        w
        for w in shell_lines()
        if w[0] == "driftdrill" and w[1] in {"list", "show", "check"} and "--probe" not in w
    ],
    ids=shlex.join,
)
def test_every_command_that_starts_no_server_runs_on_the_files_of_the_docs(tmp_path, words):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "prometheus").symlink_to(PROJECT / "prometheus")
    done = run([sys.executable, "-m", *words], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_command_and_option_is_explained():
    for name, command in get_command(app).commands.items():
        assert f"driftdrill {name}" in TEXT
        for parameter in command.params:
            assert all(option in TEXT for option in parameter.opts if option.startswith("--"))


def test_a_misspelt_key_is_answered_as_the_page_on_scenarios_shows(tmp_path):
    (shown,) = (block.text for block in BLOCKS if block.language == "console")
    command, expected = shown.strip().split("\n")
    misspelt = FILES["my-drill.yaml"].replace("shift: 1.5", "shfit: 1.5")
    (tmp_path / "my-drill.yaml").write_text(misspelt)
    done = run([sys.executable, "-m", *shlex.split(command.removeprefix("$ "))], tmp_path)
    assert (done.returncode, done.stderr.strip()) == (2, expected)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


# --- Examples -------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", of("yaml"))
def test_every_yaml_example_is_a_valid_file_of_its_kind(tmp_path, monkeypatch, certificate, block):
    for variable in ("SCORER_TOKEN", "PROMETHEUS_TOKEN", "ALERTMANAGER_LOGIN"):
        monkeypatch.setenv(variable, "secret")
    path = tmp_path / "example.yml"
    path.write_text(block.text)
    document = yaml.safe_load(block.text)
    if "groups" in document:
        checks.check_rules([path], 60)
    elif "alertmanager" in document:
        (tmp_path / document["tls"]["ca"]).write_bytes(certificate.file.read_bytes())
        assert find_monitoring(str(path)).alertmanager
    elif "url" in document:
        assert load_target(path).predict
    elif "jobs" in document:
        steps = document["jobs"]["drills"]["steps"]
        commands = [shlex.split(step["run"]) for step in steps if "run" in step]
        for program, *arguments in commands:
            if program == "driftdrill":
                parse(spread_rules(arguments))
        assert ["cat", "results/summary.md"] in [command[:2] for command in commands]
    elif "rows" in document:
        header = [document["outcome"], document["delay"], *document["features"]]
        (tmp_path / document["rows"]).write_text(
            ",".join(header) + "\n1,90d" + ",1" * (len(header) - 2)
        )
        assert load_rows(path).dataset.schema.names == tuple(document["features"])
    else:
        assert load(path).expects


@pytest.mark.parametrize("block", of("python"))
def test_every_python_example_runs(block):
    exec(compile(block.text, block.page, "exec"), {})  # noqa: S102  our own page


def test_the_runtime_of_mlserver_is_the_one_that_the_tests_run():
    (shown,) = (block.text for block in BLOCKS if block.text.startswith("# runtime.py\n"))
    tested = (PROJECT / "tests" / "peers" / "mlserver_runtime.py").read_text()
    assert shown.partition("\n")[2] in tested


def test_no_block_is_in_a_language_that_no_test_reads():
    known = {"sh", "console", "yaml", "python", "promql", "text"}
    assert {block.language for block in BLOCKS} == known


def test_the_verdict_in_the_readme_is_that_of_the_shipped_scenario_and_alerts():
    (shown,) = (b.text for b in BLOCKS if b.page == "README.md" and "PASS" in b.text)
    judged = re.findall(r"^(\w+)\S* +(fires|may fire|silent) ", shown, re.M)
    scenario, alerts = find("covariate-sudden"), {r["alert"] for r in rules() if "alert" in r}
    expected = {expect.alert for expect in scenario.expects}
    allowed = {allow.alert for allow in scenario.allows}
    assert {name for name, kind in judged if kind == "fires"} == expected
    assert {name for name, kind in judged if kind == "may fire"} == allowed
    silent = alerts - expected - allowed
    assert {name for name, kind in judged if kind == "silent"} < silent
    assert f"{len(silent)} of {len(silent)} others stayed silent" in shown


def test_the_drills_of_the_tutorial_are_about_the_alerts_that_it_names():
    named = re.findall(r"driftdrill run (\S+) .*# (.*)$", page("tutorial.md"), re.M)
    assert len(named) == 4
    for name, comment in named:
        alerts = set(re.findall(r"\b[A-Z]\w+[A-Z]\w+\b", comment))
        assert alerts <= {expect.alert for expect in find(name).expects}, name
    assert "ModelQualityDegraded" in {e.alert for e in find("concept-sudden").expects}


# --- Tables ---------------------------------------------------------------------------------------


def test_the_metrics_table_is_the_contract():
    shown = {
        row[0].strip("`"): tuple(re.findall(r"`(\w+)`", row[1]))
        for row in table_rows(page("service.md").partition("## Metrics")[2])
        if row[0].startswith("`") and len(row) == 3
    }
    assert {name: shown.get(name) for name in METRICS} == METRICS


@pytest.mark.parametrize(
    "alert", [rule for rule in rules() if "alert" in rule], ids=lambda rule: rule["alert"]
)
def test_every_alert_is_in_the_table_with_its_delay_and_severity(alert):
    (row,) = (r for r in table_rows(page("rules.md")) if r[0] == f"`{alert['alert']}`")
    assert row[2:] == [alert["for"], alert["labels"]["severity"]]


def test_every_recorded_series_is_named():
    # The page says once that features have the series of the scores.
    names = {
        r["record"].replace("drift:feature_", "drift:score_") for r in rules() if "record" in r
    }
    assert names <= set(re.findall(r"`([\w:]+)`", page("rules.md")))


def test_the_thresholds_worked_out_are_those_of_the_formula():
    for seconds, shown in ((600, "0.091 in 10 minutes"), (3600, "0.069 in an\nhour")):
        value = 0.05 + 2.2 * (1 / (5 * seconds) + 1 / 60_188) ** 0.5
        assert shown.startswith(f"{value:.3f}")
        assert shown in page("rules.md")


def known_keys(path: Path, document: dict[str, Any]) -> set[str]:
    """The keys that the reader says it knows, where one is wrong."""
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(BadFileError) as caught:
        load(path)
    return set(str(caught.value).rpartition("known: ")[2].split(", "))


@pytest.mark.parametrize(
    "place",
    ["", "traffic", "labels", "scrapes", "phases", "canary", "drifts", "expect", "allow"],
)
def test_every_key_of_a_scenario_is_explained_and_in_the_example(tmp_path, place):
    (example,) = (b.text for b in BLOCKS if b.page == "scenarios.md" and b.language == "yaml")
    document = yaml.safe_load(example)
    phases = document["phases"]
    drifts = [drift for phase in phases for drift in phase.get("drifts", ())]
    at_place = {
        "": [document],
        "traffic": [document["traffic"]],
        "labels": [document["labels"]],
        "scrapes": [document["scrapes"]],
        "phases": phases,
        "canary": [phase["canary"] for phase in phases if "canary" in phase],
        "drifts": drifts,
        "expect": document["expect"],
        "allow": document["allow"],
    }[place]
    shown = {key for mapping in at_place for key in mapping}
    for mapping in at_place:
        mapping["nonsense"] = 1
        keys = known_keys(tmp_path / "example.yaml", document)
        del mapping["nonsense"]
        assert keys <= shown
        assert all(
            re.search(rf"^\| `(\S+\.)?{key}[`.\[]", page("scenarios.md"), re.M) for key in keys
        )


def test_every_kind_of_drift_is_explained():
    explained = re.findall(r"^\*\*`([\w-]+)`\*\*", page("scenarios.md"), re.M)
    assert set(explained) == set(KINDS)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_explained(preset):
    assert f"| `{preset}` |" in page("targets.md")


@pytest.mark.parametrize("place", ["", "predict", "feedback", "tls"])
def test_every_key_of_a_target_is_explained(tmp_path, place):
    document: dict[str, Any] = {"url": "http://127.0.0.1:1", "model": "credit"}
    nonsense = {"path": "/x", "request": "{*row}", "nonsense": 1}
    document |= {place: nonsense if place == "feedback" else {"nonsense": 1}} if place else nonsense
    (tmp_path / "target.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(BadFileError) as caught:
        load_target(tmp_path / "target.yaml")
    keys = str(caught.value).rpartition("known: ")[2].split(", ")
    rows = {row[0].strip("`") for row in table_rows(page("targets.md"))}
    leaves = {f"{place}.{key}".lstrip(".") for key in keys} - {"predict", "feedback", "tls"}
    assert leaves <= rows


def test_every_key_of_a_file_of_rows_is_explained(tmp_path):
    (tmp_path / "rows.yaml").write_text("rows: x.csv\nnonsense: 1\n")
    with pytest.raises(BadFileError) as caught:
        load_rows(tmp_path / "rows.yaml")
    keys = str(caught.value).rpartition("known: ")[2].split(", ")
    assert keys == [row[0].strip("`") for row in table_rows(page("data.md"))[1:]]


def test_every_dependency_has_a_reason():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    listed = [*project["dependencies"], *(name for extra in extras for name in extra)]
    names = {re.split(r"[\[<>=]", name)[0] for name in listed}
    explained = {name for row in table_rows(page("decisions.md")) for name in row[0].split(", ")}
    assert names <= explained


# --- Files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_between_pages_leads_somewhere(path):
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    missing = [link for link in links if not (path.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize(
    "rule",
    [r for r in [*rules(), *machine_rules()] if "alert" in r],
    ids=lambda r: r["alert"],
)
def test_every_alert_has_a_runbook_that_says_what_it_means_how_to_confirm_it_and_what_to_do(rule):
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
    text = (PROJECT / rule["annotations"]["runbook_url"]).read_text()
    assert re.findall("^#+ (.+)$", text, re.M) == [
        rule["alert"], "What it means", "Confirm it", "What to do",
    ]  # fmt: skip


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_every_query_of_a_runbook_reads_series_that_exist(path):
    recorded = (r["record"] for r in [*rules(), *machine_rules()] if "record" in r)
    known = {*METRICS, *recorded, *OF_EACH_SCRAPE, *OF_THE_MACHINE}
    queries = re.findall(r"^```promql\n(.*?)^```$", path.read_text(), re.S | re.M)
    assert queries
    for line in "".join(queries).splitlines():
        read = promql_names(line.partition("#")[0])
        assert read <= known
        assert read


def promql_names(query: str) -> set[str]:
    """The metrics that a query reads; a selector that names none is of all of them."""
    names: set[str] = set()

    def collect(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            names.add(node.name or "up")
        return True

    promql_parser.walk(promql_parser.parse(query), collect)
    return names


def test_every_runbook_is_of_an_alert():
    every = [*rules(), *machine_rules()]
    assert {path.stem for path in RUNBOOKS} == {r["alert"] for r in every if "alert" in r}


def test_every_page_is_linked_from_the_readme():
    assert all(f"docs/{path.name}" in README.read_text() for path in PAGES[1:])


def test_pictures_are_small():
    sizes = [path.stat().st_size for path in (PROJECT / "docs" / "images").iterdir()]
    assert sizes
    assert max(sizes) < 300_000


def test_no_file_names_a_machine_or_a_package_index():
    listed = run(["git", "-c", "safe.directory=*", "ls-files"], PROJECT)
    assert listed.returncode == 0, listed.stderr
    foreign = re.compile(
        rf"{re.escape(str(PROJECT))}\b|/(home|root|Users)/\w|index[-_]url|https?://[^\s/]+/+simple\b"
    )
    texts = [PROJECT / name for name in listed.stdout.split("\n") if name]
    found = {
        path.name: foreign.findall(path.read_text())
        for path in texts
        if path.suffix not in {".npz", ".png"}
        and path.exists()
        and foreign.search(path.read_text())
    }
    assert found == {}
