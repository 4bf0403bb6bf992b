"""What the documentation consists of: linked pages, runbooks, pictures; none names a machine."""

import re
from typing import Any

import promql_parser
import pytest
from pages import (
    PAGES,
    PROJECT,
    README,
    machine_rules,
    rules,
    run,
)

from target_service.contract import METRICS

RUNBOOKS = sorted((PROJECT / "docs" / "runbooks").glob("*.md"))
OF_EACH_SCRAPE = {"up", "scrape_samples_scraped"}
OF_THE_MACHINE = {
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_resident_memory_bytes",
}


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
