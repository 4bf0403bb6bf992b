from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from report_examples import HOSTILE, Drill

import driftdrill.report
from driftdrill.report import write_reports
from driftdrill.report.html import report_html
from driftdrill.text import printable

CSS = "\n".join(
    (Path(driftdrill.report.__file__).parent / name).read_text()
    for name in ("drawing.css", "report.css")
)
VOID = {"meta", "link"}


class Page(HTMLParser):
    """The page's elements and text, as a browser reads them; an unbalanced page is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(drill: Drill) -> Page:
    return Page(report_html(drill.scenario, drill.observation, drill.verdict))


def test_the_page_loads_nothing_and_runs_nothing(drill: Drill) -> None:
    read = page(drill)
    loading = {"script", "img", "iframe", "object", "embed", "use", "image", "foreignobject", "a"}
    assert not loading & {tag for tag, _ in read.elements}
    for tag, attributes in read.elements:
        assert not [name for name in attributes if name == "src" or name.startswith("on")], tag
    assert read.all("link") == [{"rel": "icon", "href": "data:,"}]
    assert not re.search(r"url\(|@import|https?:", CSS)


def test_hostile_names_stay_text(failed: Drill) -> None:
    read = page(failed)
    assert printable(HOSTILE) in read.texts
    html = report_html(failed.scenario, failed.observation, failed.verdict)
    assert "<script" not in html
    assert not {"\x00", "\x1b", "\u202e"} & set(html)


def test_equal_drills_give_equal_pages(drill: Drill) -> None:
    assert report_html(drill.scenario, drill.observation, drill.verdict) == report_html(
        drill.scenario, drill.observation, drill.verdict
    )


@pytest.mark.parametrize("outcome", ["pass", "fail", "inconclusive"])
def test_the_verdict_comes_first_and_in_words(passed: Drill, outcome: str) -> None:
    verdict = msgspec.structs.replace(passed.verdict, outcome=outcome)
    texts = [
        text
        for text in Page(report_html(passed.scenario, passed.observation, verdict)).texts
        if text
    ]
    assert texts.index(outcome.upper()) < texts.index("Expectations") < texts.index("Timeline")


def test_expectations_alerts_versions_and_the_command_are_there(passed: Drill) -> None:
    texts = page(passed).texts
    for text in (
        'FeatureDrift{feature="income"}',
        "2m30s",
        'ScoreDrift{model="credit", version="1.0.0"}',
        "25m30s",
        "still firing",
        "5.74 of 5.75 requests/s (99.8%)",
        "20,700 sent, 0 failed",
        "3.5.0",
        "driftdrill run covariate-sudden --live --speed 60 --seed 7",
        "Never raised: HighErrorRate, ModelQualityDegraded, NoTraffic, TargetDown.",
    ):
        assert text in texts


def test_a_drill_that_died_at_once_still_gives_a_whole_page(died: Drill) -> None:
    texts = page(died).texts
    assert "Prometheus was killed by SIGKILL; its last lines:\nlevel=info\nlevel=warn <b>&" in texts
    assert "No alert left the inactive state." in texts
    assert 'FeatureDrift{feature="income"} (never raised)' in "".join(texts)


def test_every_drawing_is_named_and_described_and_every_id_is_unique(drill: Drill) -> None:
    read = page(drill)
    drawings = read.all("svg")
    assert len(drawings) == 2, "one for a screen, one for a phone"
    assert {drawing["role"] for drawing in drawings} == {"img"}
    assert len(read.all("desc")) == 2
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_class_of_the_drawings_has_a_rule(drill: Drill) -> None:
    read = page(drill)
    used = {
        name
        for tag, attributes in read.elements
        if tag in {"svg", "path", "rect", "text"}
        for name in attributes.get("class", "").split()
    }
    assert used - set(re.findall(r"\.([a-z]+\d?)", CSS)) == set()


def test_no_coordinate_is_nan_or_infinite(drill: Drill) -> None:
    for tag, attributes in page(drill).elements:
        for name in ("d", "x", "y", "width", "height"):
            assert not re.search("nan|inf", attributes.get(name, "")), (tag, name)


def palettes() -> Iterator[dict[str, str]]:
    for block in re.findall(r":root \{(.*?)\}", CSS, flags=re.DOTALL):
        yield dict(re.findall(r"--([\w-]+): (#\w{6});", block))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", list(palettes()), ids=["light", "dark"])
def test_text_and_lines_have_the_contrast_that_wcag_asks_for(palette: dict[str, str]) -> None:
    for text, behind in (
        ("ink", "page"),
        ("ink", "card"),
        ("soft", "page"),
        ("soft", "card"),
        *((outcome, f"{outcome}-tint") for outcome in ("pass", "fail", "inconclusive")),
    ):
        assert contrast(palette[text], palette[behind]) >= 4.5, (text, behind)
    for line in ("threshold", "firing", "pass", "fail", *(f"hue{i}" for i in range(6))):
        assert contrast(palette[line], palette["card"]) >= 3, line


def test_write_reports_makes_the_folder_and_its_files(passed: Drill, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "one"
    write_reports(passed.scenario, passed.observation, passed.verdict, out)
    assert sorted(path.name for path in out.iterdir()) == [
        "junit.xml",
        "report.html",
        "summary.md",
        "verdict.json",
    ]
    html = (out / "report.html").read_text(encoding="utf-8")
    assert html == report_html(passed.scenario, passed.observation, passed.verdict)
