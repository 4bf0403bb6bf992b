"""What `doctor --target` says of a service's metrics."""

from __future__ import annotations

import pytest

from driftdrill.drill import RULES
from driftdrill.exposition import parse
from driftdrill.rig.errors import RigError
from driftdrill.target_checks import find_problems, missing_metrics

HEAD = "# HELP x_total X.\n# TYPE x_total counter\n"


def problems(text: str) -> list[str]:
    return list(find_problems(parse(text, "text/plain", "here")))


def labelled(label: str, values: list[str]) -> str:
    return HEAD + "".join(f'x_total{{{label}="{value}"}} 1\n' for value in values)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("ids", [f"user-{n}" for n in range(10, 20)]),
        ("ids", [f"2024-{n}" for n in range(1000, 1008)]),
        ("ids", [f"89abcdef012{n}" for n in range(8)]),
        ("UUIDs", [f"0123456{n}-89ab-cdef-0123-456789abcdef" for n in range(2)]),
        ("paths", [f"/items/{n}/view" for n in range(3)]),
        ("paths", [*(f"/items/{n}" for n in range(3)), "/", "/about", "/help", "/terms"]),
        ("e-mail addresses", ["ann@example.org", "-", "unknown"]),
        ("IP addresses", [f"10.0.0.{n}:5{n}" for n in range(8)]),
    ],
)
def test_values_that_clients_choose_are_recognised(kind: str, values: list[str]) -> None:
    (found,) = problems(labelled("who", values))

    assert found.startswith(f"x: label 'who' holds {kind}: {len(values)} values")


def test_many_values_of_any_look_are_a_question() -> None:
    words = [a + b for a in "abcdefgh" for b in "qrstuvwx"]

    assert "may be unbounded: 64 values" in problems(labelled("word", words))[0]


@pytest.mark.parametrize("label", ["user_id", "requestId", "uuid", "username", "session", "ip"])
def test_a_label_that_is_called_like_a_client_is_named_however_few_there_are_yet(label) -> None:
    (found,) = problems(labelled(label, ["7"]))

    assert found.startswith(f"x: label '{label}' is called like what each client has its own of")


@pytest.mark.parametrize("label", ["path", "model_id", "client_version", "zip", "user_group"])
def test_labels_with_other_names_are_judged_by_their_values(label: str) -> None:
    assert problems(labelled(label, ["seven"])) == []


@pytest.mark.parametrize(
    "values",
    [
        ["200", "404", "500"],
        ["/items/{item}", "/users/{user}"],
        ["/v1/predict", "/v1/feedback", "/v2/predict", "/healthz"],
        ["credit", "flights"],
        ["0-0.113", "0.113-0.186", "0.186-0.336", "0.336-0.45", "0.45-0.6", "0.6-1"],
        ["0.0316132204", "0.045788", "6.2e-05", "0.25", "1.5e-07"],
        ["10.0.0.1:8000", "10.0.0.2:8000", "10.0.0.3:8000"],
    ],
)
def test_bounded_labels_are_no_problem(values: list[str]) -> None:
    assert problems(labelled("endpoint", values)) == []


def test_missing_help_and_type_are_named_once() -> None:
    assert problems('x{a="b"} 1\nx{a="c"} 1\n') == [
        "x: no HELP: nobody will know what it counts",
        "x: no TYPE: say whether it is a counter, a gauge or a histogram",
    ]


def test_a_series_that_stands_there_twice_is_named() -> None:
    assert problems(HEAD + "x_total 1\nx_total 2\n") == [
        "x: 1 series stand there twice: Prometheus keeps one of each"
    ]
    assert "x: 1 series stand there twice: Prometheus keeps one of each" in problems("x 1\nx 2\n")


def histogram(*buckets: tuple[str, int]) -> str:
    lines = "".join(f'h_bucket{{le="{le}"}} {count}\n' for le, count in buckets)
    total = buckets[-1][1]
    return f"# HELP h H.\n# TYPE h histogram\n{lines}h_count {total}\nh_sum 1\n"


def test_a_histogram_with_everything_in_one_bucket_is_named_with_the_bucket() -> None:
    bad = histogram(("0.1", 0), ("1.0", 1000), ("+Inf", 1000))
    good = histogram(("0.1", 400), ("1.0", 900), ("+Inf", 1000))

    assert problems(bad) == [
        "h{}: 100% of 1000 values lie in the bucket up to 1.0: its edges do not fit"
    ]
    assert problems(good) == []


def test_a_histogram_with_few_values_is_not_judged() -> None:
    assert problems(histogram(("0.1", 0), ("1.0", 50), ("+Inf", 50))) == []


def test_an_le_that_prometheus_3_writes_otherwise_is_named() -> None:
    (found,) = problems(histogram(("1", 400), ("1000000", 900), ("+Inf", 1000)))

    assert found == "h: le written as 1, 1000000: Prometheus 3 writes 1.0 and 1e+06"


def test_what_the_shipped_rules_would_miss_is_named() -> None:
    found = list(missing_metrics(parse(labelled("a", ["b"]), "text/plain", "here"), RULES))

    assert any(note.endswith("would find no http_request_count_total") for note in found)
    assert not any("ALERTS" in note or " up" in note for note in found)


@pytest.mark.parametrize("text", ["<html>", "", 'x{a="b} 1'])
def test_what_is_no_exposition_is_refused(text: str) -> None:
    with pytest.raises(RigError, match=r"^here answers"):
        parse(text, "text/plain", "here")
