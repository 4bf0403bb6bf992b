"""Who meets whom, and in which turn; nothing is evaluated."""

from __future__ import annotations

import pytest

from driftdrill.mutate.equivalents import Argument
from driftdrill.mutate.journal import Journal, Met
from driftdrill.mutate.mutants import Broken, Mutant
from driftdrill.mutate.progress import Progress
from scenarios.spec import load

SCENARIO = """\
name: {name}
summary: One of several.
model: credit
traffic: {{rate: 1}}
phases:
  - {{name: before, duration: 10m}}
  - {{name: after, duration: {length}}}
"""
BUSY = "expect:\n  - {alert: Busy, after: after, within: 5m}\n"
IDLE = "expect:\n  - {alert: Idle, after: after, within: 5m}\n"

PLAIN, ARGUED, SECOND = 0, 1, 2
ARGUMENTS = (Argument("Busy: argued: *", "No matter."), Argument("Busy: second: *", "None."))
BROKEN = Broken(
    (),
    tuple(Mutant("Busy", operator, "x", ()) for operator in ("plain", "argued", "second")),
    {"Busy": frozenset({"Busy"})},
)


@pytest.fixture
def folder(tmp_path):
    for name, length, told in (
        ("busy", "10m", BUSY),
        ("idle", "10m", IDLE),
        ("long", "2h", ""),
        ("quiet", "10m", ""),
    ):
        text = SCENARIO.format(name=name, length=length) + told
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def progress(folder, *arguments, names=("busy", "idle", "long", "quiet")) -> Progress:
    scenarios = [load(folder / f"{name}.yaml") for name in names]
    journals = {s.path: Journal(folder / f"{s.name}.jsonl") for s in scenarios}
    return Progress(scenarios, journals, BROKEN, arguments)


def note(folder, path, numbers, noticed=()):
    with Journal(folder / f"{path.stem}.jsonl").continued() as writer:
        for number in numbers:
            writer.add(Met(number, "It was silent." if number in noticed else None))


def turns(folder, study: Progress, noticed=()) -> list[tuple[str, frozenset[int]]]:
    """Everything that is done one after the other; `noticed` are (scenario, mutant)."""
    found = []
    while (chosen := study.next([])) is not None:
        path, numbers = chosen
        note(folder, path, numbers, {n for n in numbers if (path.stem, n) in noticed})
        found.append((path.stem, numbers))
    return found


def test_a_mutant_meets_the_drills_that_expect_its_alert_and_then_all_others(folder):
    done = turns(folder, progress(folder, *ARGUMENTS))
    met = [name for name, numbers in done if PLAIN in numbers]
    assert met[:2] == ["busy", "long"]
    assert sorted(met) == ["busy", "idle", "long", "quiet"]


def test_one_that_is_argued_comes_after_all_others_and_meets_every_drill_too(folder):
    done = turns(folder, progress(folder, *ARGUMENTS))
    assert [numbers for _, numbers in done] == [{PLAIN}] * 4 + [{ARGUED, SECOND}] * 4
    assert sorted(name for name, _ in done[4:]) == ["busy", "idle", "long", "quiet"]


def test_of_drills_that_as_many_wait_for_the_longest_comes_first(folder):
    assert [name for name, _ in turns(folder, progress(folder, *ARGUMENTS))[4:5]] == ["long"]


def test_whoever_is_probably_noticed_is_in_one_place_at_a_time_and_others_may_be_in_several(folder):
    (folder / "other.yaml").write_text(SCENARIO.format(name="other", length="10m") + BUSY)
    names = ("busy", "other", "quiet")
    study = progress(folder, *ARGUMENTS, names=names)
    first = study.next([])
    assert (first[0].stem, first[1]) == ("busy", {PLAIN})
    second = study.next([first])
    assert (second[0].stem, second[1]) == ("quiet", {PLAIN})
    third = study.next([first, second])
    assert (third[0].stem, third[1]) == ("other", {ARGUED, SECOND})
    assert study.next([first, second, third]) is None


def test_an_argument_that_a_drill_refutes_leaves_its_mutant_noticed(folder):
    study = progress(folder, *ARGUMENTS)
    done = turns(folder, study, noticed={("long", ARGUED)})
    assert done[-3:] == [("busy", {SECOND}), ("idle", {SECOND}), ("quiet", {SECOND})]
    findings = study.findings()
    assert {n: kill.scenario for n, kill in findings.kills.items()} == {ARGUED: "long"}
    assert [mutant.operator for mutant in findings.survivors] == ["plain", "second"]


def test_whoever_has_still_a_drill_to_meet_is_undecided_and_meets_that_alone(folder):
    study = progress(folder, *ARGUMENTS)
    assert study.findings().undecided == {PLAIN, ARGUED, SECOND}
    turns(folder, study)
    assert study.findings().undecided == frozenset()
    (folder / "idle.jsonl").unlink()
    note(folder, folder / "idle.yaml", [ARGUED])
    again = progress(folder, *ARGUMENTS)
    assert again.findings().undecided == {PLAIN, SECOND}
    assert [mutant.operator for mutant in again.findings().survivors] == ["argued"]
    assert turns(folder, again) == [("idle", {PLAIN}), ("idle", {SECOND})]
    assert again.findings().undecided == frozenset()
