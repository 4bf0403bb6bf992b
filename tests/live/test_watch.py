"""Watching by hand: a browser chooses drills in Locust's page and sees their alerts come and go."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
import pytest
import yaml
from playwright.sync_api import Browser, FrameLocator, Page, Route, sync_playwright

from driftdrill.drill import RULES
from driftdrill.rig import BUILD, PROJECT
from driftdrill.rig.tools import find_tools
from scenarios.spec import CATALOGUE
from simulators.credit import CREDIT

pytestmark = pytest.mark.live

SPEED = 60
LIMIT_S = 90.0
STATIC = PROJECT / "scenarios" / "webui" / "static"
PICTURES = BUILD / "pictures"
"""Screenshots of the last run, for people and for the README."""


class Up:
    """A `driftdrill up` under way, and what it printed."""

    def __init__(self, folder: Path, scenario: Path, rule: Path) -> None:
        self.results = folder / "runs"
        self.scenario = scenario
        self.started = time.time()
        self._log = folder / "up.log"
        command = [sys.executable, "-m", "driftdrill", "up", str(scenario)]
        with self._log.open("wb") as log:
            self._popen = subprocess.Popen(
                [
                    *(*command, "--speed", str(SPEED), "--out", str(self.results)),
                    *("--rules", str(rule), *map(str, RULES)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "COLUMNS": "160"},
            )
        self._wait_for("Service +http")
        self.processes = psutil.Process(self._popen.pid).children(recursive=True)

    def url(self, server: str) -> str:
        found = re.search(rf"{server} +(http://127\.0\.0\.1:\d+)", self.said)
        assert found, self.said
        return found[1]

    @property
    def said(self) -> str:
        return self._log.read_text()

    def listening(self) -> set[str]:
        """Addresses that its processes listen on."""
        children = psutil.Process(self._popen.pid).children(recursive=True)
        return {
            connection.laddr.ip
            for process in (psutil.Process(self._popen.pid), *children)
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }

    def end(self) -> int:
        self._popen.send_signal(signal.SIGINT)
        return self._popen.wait(LIMIT_S)

    def _wait_for(self, pattern: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not re.search(pattern, self.said):
            assert self._popen.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)


def short_drill(folder: Path) -> Path:
    """`covariate-sudden` with an end and less traffic, over in 24 minutes: 24 seconds here."""
    document = yaml.safe_load((CATALOGUE / "covariate-sudden.yaml").read_text())
    for phase, duration in zip(document["phases"], ("8m", "12m"), strict=True):
        phase["duration"] = duration
    document["phases"].append({"name": "recovery", "duration": "4m"})
    document["traffic"]["rate"] = 2
    for expect in document["expect"]:
        expect["within"] = "12m"
    document["expect"].append({"alert": "IncomeLow", "within": "9m"})
    path = folder / "short-recession.yaml"
    path.write_text(yaml.safe_dump({**document, "name": "short-recession"}, sort_keys=False))
    return path


def quick_rule(folder: Path) -> Path:
    """An alert that waits, fires, and is over as soon as the recession is."""
    income = CREDIT.draw(np.random.default_rng(0), 4096).x[:, CREDIT.schema.index("income")]
    low = float(np.nanmean(income) - np.nanstd(income) / 2)
    total, count = (
        f'sum(increase(model_feature_{part}{{feature="income"}}[1m]))' for part in ("sum", "count")
    )
    rule = {"alert": "IncomeLow", "expr": f"{total} / {count} < {low:.6g}", "for": "5m"}
    path = folder / "quick.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "quick", "rules": [rule]}]}))
    return path


def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    assert found, f"none of {', '.join(names)} is on PATH: install chromium to test the web page"
    return found


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    running = Up(folder, short_drill(folder), quick_rule(folder))
    yield running
    assert running.end() == 0
    _, left = psutil.wait_procs(running.processes, timeout=5)  # whose end init may have to see
    assert not left, "processes were left behind"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium())
        yield chrome
        chrome.close()


@pytest.fixture(scope="module")
def page(browser: Browser, up: Up) -> Page:
    opened = browser.new_page(viewport={"width": 1200, "height": 1000})
    opened.route("**/stats/requests", slow_to_stop())
    opened.goto(up.url("Locust"))
    return opened


def slow_to_stop() -> Callable[[Route], None]:
    """Whenever a run has stopped, the page first hears that it is stopping, as a busy one tells."""
    states = [""]

    def handle(route: Route) -> None:
        answer = route.fetch()
        report = answer.json()
        states.append(report["state"])
        if states[-2] == "running" and states[-1] == "stopped":
            report["state"] = "cleanup"
        route.fulfill(response=answer, json=report)

    return handle


def live(page: Page) -> FrameLocator:
    return page.frame_locator("#drill-live")


def picture(page: Page, name: str, **how: Any) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", **how)


def state_of(page: Page, alert: str) -> str:
    rows = live(page).locator("tr", has=page.locator("td.name", has_text=alert))
    return rows.first.locator(".state").inner_text() if rows.count() else ""


def start(up: Up, **changes: str) -> httpx.Response:
    form = {"scenario": "steady", "speed": "60", "seed": "0", **changes}
    return httpx.post(f"{up.url('Locust')}/swarm", data=form, trust_env=False)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"scenario": "../etc/passwd"}, "scenario: no '../etc/passwd'; known: "),
        ({"speed": "nan"}, "speed: expected a number from 0.1 to 1000, got 'nan'"),
        ({"speed": "1001"}, "speed: expected a number from 0.1 to 1000"),
        ({"seed": "-1"}, "seed: expected a whole number of up to 18 digits, got '-1'"),
        ({"seed": "1" * 19}, "seed: expected a whole number of up to 18 digits, got '1111"),
        ({"host": "http://example.org"}, "host: the drill's own service"),
    ],
)
def test_what_a_drill_cannot_use_is_refused_by_name(up, changes, named):
    answer = start(up, **changes)
    assert answer.status_code == 400
    assert named in answer.json()["message"]


def test_another_page_in_the_same_browser_can_start_nothing(up):
    answer = httpx.post(
        f"{up.url('Locust')}/swarm",
        data={"scenario": "steady", "speed": "60", "seed": "0"},
        headers={"Origin": "http://example.org"},
        trust_env=False,
    )
    assert answer.status_code == 400
    assert "example.org" in answer.json()["message"]


@pytest.mark.parametrize("path", ["", "drill/view", "stats/requests"])
def test_a_site_whose_name_means_this_machine_reads_nothing(up, path):
    answer = httpx.get(
        f"{up.url('Locust')}/{path}", headers={"Host": "evil.example.org:8089"}, trust_env=False
    )
    assert answer.status_code == 403
    assert "not its own" in answer.json()["message"]


def test_nothing_listens_to_the_network(up):
    assert up.listening() == {"127.0.0.1"}


def test_the_choice_of_scenarios_is_open_and_explains_itself(page):
    chosen = page.locator('select[name="scenario"]')
    chosen.wait_for()
    assert chosen.input_value().endswith("short-recession.yaml")
    summary = page.locator("#drill-summary")
    summary.get_by_text("A recession").wait_for()
    chosen.select_option("steady")
    summary.get_by_text("Nothing changes").wait_for()
    assert page.locator('input[name="userCount"]').is_hidden()


def test_a_refused_start_says_why_on_the_page(page):
    speed = page.locator('input[name="speed"]')
    speed.fill("5000")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("alert").get_by_text("speed: expected a number").wait_for()
    speed.fill(str(SPEED))


def test_a_drill_is_seen_from_start_to_verdict(page, up):
    chosen = page.locator('select[name="scenario"]')
    chosen.select_option(chosen.locator("option").first.get_attribute("value"))
    picture(page, "start")
    page.get_by_role("button", name="Start", exact=True).press("Enter")
    banner = live(page).locator(".banner")
    banner.get_by_text("Running").wait_for(timeout=LIMIT_S * 1000)
    seen, deadline = [""], time.monotonic() + LIMIT_S
    running = True
    while running:
        assert time.monotonic() < deadline, seen
        running = banner.get_by_text("Running").count() > 0  # asked first: the end is seen, too
        state = state_of(page, "IncomeLow")
        if state and state != seen[-1]:
            seen.append(state)
            picture(page, f"alert-{state}")
        page.wait_for_timeout(100)
    # An evaluation that a busy machine is late with looks like an end, until it comes.
    first_seen = list(dict.fromkeys(seen))
    assert first_seen == ["", "inactive", "pending", "firing", "resolved"], seen
    assert seen[-1] == "resolved", seen
    assert banner.locator(".outcome").inner_text() == "PASS", up.said
    picture(page, "verdict")


def test_the_live_page_shows_scores_features_statistics_and_truth(page):
    for heading in ("Scores", "Features", "Timeline"):
        assert live(page).get_by_role("heading", name=heading).is_visible()
    farthest = live(page).locator("section[aria-labelledby=features] text.lane").first
    assert farthest.text_content() == "income"
    drawn = live(page).locator(".wide svg title").all_text_contents()
    assert any("income, at most" in title for title in drawn)
    assert any("covariate-shift: feature income" in title for title in drawn)
    steps = live(page).locator("path.reference").get_attribute("d")
    assert len(set(re.findall(r" (\d+\.\d)h", steps))) > 5, "the reference is drawn"


def dashboard_queries() -> list[Any]:
    return [
        pytest.param(target["expr"], id=f"{path.stem}: {panel['title']} {target['refId']}")
        for path in sorted((PROJECT / "grafana" / "dashboards").glob("*.json"))
        for panel in json.loads(path.read_text())["panels"]
        for target in panel.get("targets", ())
    ]


@pytest.mark.parametrize("expression", dashboard_queries())
def test_every_query_of_the_dashboards_has_data_of_the_drill(up, page, expression):
    """With Grafana's variables as it fills them: a rate over four scrapes, and all of the rest."""
    filled = expression.replace("$__rate_interval", f"{4 * 15_000 // SPEED}ms")
    for name in ("model", "version", "feature"):
        filled = filled.replace(f"${name}", ".*")
    server = live(page).locator("dt:text-is('Prometheus') + dd a")
    asked = {
        "query": filled,
        "start": str(up.started),
        "end": str(time.time()),
        "step": "1",
    }
    answer = httpx.get(
        f"{server.get_attribute('href')}/api/v1/query_range", params=asked, trust_env=False
    ).json()
    assert answer["status"] == "success", answer
    told = "node_" not in expression or find_tools().node_exporter is not None
    assert bool(answer["data"]["result"]) == told, filled


def test_the_page_fits_a_phone_and_the_dark(page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme="dark")
    frame = live(page).locator("html")
    assert frame.evaluate("root => root.scrollWidth - root.clientWidth") <= 0
    background = frame.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert background == "rgb(15, 19, 24)"
    picture(page, "phone-dark")
    page.set_viewport_size({"width": 1200, "height": 1000})
    page.emulate_media(color_scheme="light")


def test_the_verdict_links_to_the_whole_report(page, up, browser):
    link = live(page).get_by_role("link", name="Open the report")
    address = f"{up.url('Locust')}{link.get_attribute('href')}"
    report = browser.new_page()
    report.goto(address)
    assert report.get_by_role("heading", name="short-recession").is_visible()
    assert report.locator(".banner .outcome").inner_text() == "PASS"
    report.close()
    (folder,) = up.results.iterdir()
    assert (folder / "verdict.json").exists()


def test_alerts_are_followed_after_the_traffic(page):
    """Nobody asks for predictions any more, and the alert on that says so."""
    deadline = time.monotonic() + LIMIT_S
    while (state := state_of(page, "NoTraffic")) != "firing":
        assert time.monotonic() < deadline, state
        page.wait_for_timeout(200)
    assert live(page).locator(".banner .outcome").inner_text() == "PASS", "judged is judged"


def test_another_drill_starts_without_a_restart_and_has_its_own_verdict(page, up):
    """The file was changed meanwhile: now it expects an alert that has no reason to fire."""
    document = yaml.safe_load(up.scenario.read_text())
    quiet = [{"name": "quiet", "duration": "6m"}]
    expected = [{"alert": "IncomeLow", "after": "quiet", "within": "5m"}]
    up.scenario.write_text(yaml.safe_dump({**document, "phases": quiet, "expect": expected}))
    begin_another(page, str(up.scenario.resolve()))
    banner = live(page).locator(".banner")
    banner.get_by_text("FAIL", exact=True).wait_for(timeout=LIMIT_S * 1000)
    assert "IncomeLow" in live(page).locator(".reasons").inner_text(), up.said


def test_a_third_one_can_be_stopped(page, up):
    begin_another(page, "steady")
    banner = live(page).locator(".banner")
    banner.get_by_text("Running").wait_for(timeout=LIMIT_S * 1000)
    assert start(up).json()["message"] == "a drill is under way: stop it first"
    page.get_by_role("button", name="Stop").click()
    banner.get_by_text("INCONCLUSIVE").wait_for(timeout=LIMIT_S * 1000)
    reasons = live(page).locator(".reasons").inner_text()
    assert "somebody stopped it" in reasons
    assert len(list(up.results.iterdir())) == 3


def begin_another(page: Page, scenario: str) -> None:
    page.get_by_role("button", name="New").click(timeout=LIMIT_S * 1000)
    page.locator('select[name="scenario"]').select_option(scenario)
    page.get_by_role("button", name="Start", exact=True).click()


LOCUST = """\
<!doctype html><script src="start.js"></script>
<main><div role="tablist"><button role="tab" aria-selected="true">Alerts</button></div></main>
"""
SERVED = {
    "/": ("text/html", LOCUST),
    "/start.js": ("text/javascript", (STATIC / "start.js").read_text()),
    "/drill/scenarios": ("application/json", "{}"),
    "/drill/live": ("text/html", '<meta name="color-scheme" content="light dark">'),
}


def test_the_live_page_is_as_dark_as_the_page_around_it(browser: Browser) -> None:
    page = browser.new_page(
        color_scheme="null"
    )  # what is emulated would hold within frames as well

    def serve(route: Route) -> None:
        kind, body = SERVED[urlsplit(route.request.url).path]
        route.fulfill(content_type=kind, body=body)

    page.route("http://locust.test/**", serve)
    page.goto("http://locust.test/")
    for background, dark in (("rgb(18, 18, 18)", True), ("rgb(255, 255, 255)", False)):
        # Locust's toggle changes the background, and with it the icon that shows it.
        page.evaluate(f"document.body.style.background = '{background}'; document.body.append('.')")
        live = page.frame(url="**/drill/live")
        assert live is not None
        live.wait_for_function(
            f"matchMedia('(prefers-color-scheme: dark)').matches === {str(dark).lower()}",
            timeout=LIMIT_S * 1000,
        )
    page.close()
