"""What the documentation shows is so: its commands parse and run, its examples are valid."""

import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import (
    BLOCKS,
    FILES,
    PROJECT,
    TEXT,
    page,
    rules,
    run,
)
from typer.main import get_command

from driftdrill import checks
from driftdrill.cli import app, spread_rules
from driftdrill.monitoring import find_monitoring
from driftdrill.rig.tools import find_tools
from scenarios.rowsfile import load_rows
from scenarios.spec import find, load
from scenarios.target import load_target


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


def of(*languages: str) -> list[Any]:
    found = [block for block in BLOCKS if block.language in languages]
    return [pytest.param(block, id=f"{block.page}-{i}") for i, block in enumerate(found)]


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
