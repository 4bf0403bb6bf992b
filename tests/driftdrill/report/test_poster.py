"""A scenario as a picture."""

import xml.etree.ElementTree as ET

import pytest

from driftdrill.report.canvas import LEFT, RIGHT
from driftdrill.report.poster import WIDTH, poster
from scenarios.spec import catalogue, find, load

SVG = "{http://www.w3.org/2000/svg}"


def boxes(drawing: ET.Element, style: str) -> dict[str | None, tuple[float, float]]:
    """Title -> from where to where each box of a style goes, as shares of the time axis."""
    found = {}
    for box in drawing.iter(f"{SVG}rect"):
        if box.get("class") == style and box.find(f"{SVG}title") is not None:
            left, width = float(box.get("x", "nan")), float(box.get("width", "nan"))
            scale = WIDTH - LEFT - RIGHT
            found[box.findtext(f"{SVG}title")] = (
                (left - LEFT) / scale,
                (left + width - LEFT) / scale,
            )
    return found


@pytest.mark.parametrize("scenario", catalogue(), ids=lambda scenario: scenario.name)
def test_every_scenario_is_drawn_and_names_its_expectations(scenario):
    drawing = ET.fromstring(poster(scenario))
    texts = "\n".join(element.text or "" for element in drawing.iter())
    assert drawing.findtext(f"{SVG}title") == scenario.name
    assert all(expect.alert in texts for expect in (*scenario.expects, *scenario.allows))
    assert all(phase.name[:3] in texts for phase in scenario.schedule.phases)


def test_windows_are_drawn_where_alerts_must_begin():
    # A third of the hour is calm.
    windows = boxes(ET.fromstring(poster(find("covariate-sudden"))), "window")
    assert windows["must begin to fire from 20m to 30m"] == pytest.approx((1 / 3, 1 / 2), abs=0.001)
    assert windows["must begin to fire from 20m to 35m"] == pytest.approx(
        (1 / 3, 7 / 12), abs=0.001
    )


def test_what_must_resolve_is_drawn_from_then_on(tmp_path):
    path = tmp_path / "blip.yaml"
    path.write_text(
        """\
name: blip
summary: A blip.
model: credit
traffic: {rate: 5}
phases:
  - {name: calm, duration: 30m}
  - name: blip
    duration: 15m
    drifts: [{kind: covariate-shift, feature: income, shift: 1}]
  - {name: after, duration: 75m}
expect:
  - {alert: FeatureDrift, within: 10m, resolves: 45m}
"""
    )
    over = boxes(ET.fromstring(poster(load(path))), "over")
    assert over == {"must be over from 1h30m on": pytest.approx((0.75, 1.0), abs=0.001)}
