"""Production time to drill time: every duration of rules and configurations divided by the speed.

A drill at speed 60 scrapes, evaluates and looks back 60 times faster, and gets 60 times the
requests. So a window holds as many scrapes, evaluations and events as in production, and a rule's
answer is the same. Pure functions; documents are what `yaml.safe_load` returns, and stay untouched.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

Document = dict[str, Any]

PER_SECOND = frozenset({"rate", "irate", "deriv"})
"""Functions whose answer is per second of the clock, and so is `speed` times that of production."""

READS_THE_CLOCK = frozenset(
    {
        "time",
        "timestamp",
        "minute",
        "hour",
        "day_of_week",
        "day_of_month",
        "day_of_year",
        "days_in_month",
        "month",
        "year",
    }
)
"""Functions that answer with calendar time, which runs at speed 1 whatever is done to a rule."""

_MILLISECONDS = {
    "y": 31_536_000_000,
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1000,
    "ms": 1,
}
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>[0-9]+){unit})?" for unit in _MILLISECONDS))

_MOST_PIECES, _DEEPEST = 1000, 100
"""How long and how deep an expression may be; of the shipped ones the longest has 200 pieces."""

# The lexical elements of PromQL. What stands in brackets is one of them: in `[1h:5m]` the colon
# divides two durations, where elsewhere it belongs to a name.
_TOKEN = re.compile(
    r"""
      (?P<space> \s+ | \#[^\n]* )
    | (?P<string> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*` )
    | (?P<brackets> \[[^\]]*\] )
    | (?P<duration> (?:\d+(?:ms|[smhdwy]))+ (?![\w.]) )
    | (?P<number> 0[xX][0-9a-fA-F_]+ | (?:\d[\d_]*\.?\d*|\.\d+) (?:[eE][+-]?\d+)? )
    | (?P<name> [A-Za-z_:][\w:]* )
    | (?P<symbol> . )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_SECONDS = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
_RANGE = re.compile(
    r"\[\s*(?P<range>[\w.]+)\s*(?:(?P<colon>:)\s*(?P<step>[\w.]+)?\s*)?\]", re.ASCII
)


class _Token(NamedTuple):
    kind: str
    text: str


def scale_duration(duration: str, speed: float) -> str:
    """A duration such as `1h30m`, divided by the speed and rounded to whole milliseconds.

    Args:
        duration: As Prometheus writes it: units from the longest to the shortest, or `0`.
        speed: Production seconds per second of the clock.

    Raises:
        ValueError: It is no duration, or less than a millisecond would be left of it.

    >>> scale_duration("1h30m", 60)
    '90000ms'
    """
    if speed == 1:
        return duration
    whole = milliseconds(duration)
    scaled = round(whole / speed)
    if whole > 0 and scaled < 1:
        raise ValueError(f"{duration} is less than a millisecond at speed {speed:g}")
    return f"{scaled}ms"


def milliseconds(duration: str) -> int:
    """A duration as Prometheus writes it, in milliseconds.

    Raises:
        ValueError: It is no duration.

    >>> milliseconds("1h30m")
    5400000
    """
    match = _DURATION.fullmatch("0s" if duration == "0" else duration)
    if match is None or not duration:
        raise ValueError(f"{duration!r} is not a duration such as 30s or 1h30m")
    return sum(
        int(count) * _MILLISECONDS[unit] for unit, count in match.groupdict(default="0").items()
    )


def scale_promql(expr: str, speed: float) -> str:
    """An expression that answers at `speed` what `expr` answers in production.

    Ranges, subqueries and offsets are divided by the speed, and so are the answers of the functions
    in `PER_SECOND` and the seconds that `predict_linear` looks ahead. A duration that is used as a
    number stays: `x / 5m` and `latency > 500ms` compare with what was counted and measured, and
    neither grows with the speed.

    Raises:
        ValueError: A duration is not understood or gets too short; names the expression.

    >>> scale_promql("rate(x[5m] offset 1h) > 2", 60)
    '(rate(x[5000ms] offset 60000ms) / 60) > 2'
    """
    if speed == 1:
        return expr
    try:
        return "".join(_scaled(_tokens(expr), speed))
    except ValueError as error:
        raise ValueError(f"{error}, in: {expr.strip()}") from None


def unscalable(expr: str) -> list[str]:
    """What ties an expression to the calendar, so that no drill at speed can test it.

    Returns:
        Names of functions in the order in which they come, and `@` for a fixed timestamp.

    >>> unscalable("time() - x > 60 and hour() < 8")
    ['time', 'hour']
    """
    found: dict[str, None] = {}
    tokens = [token for token in _tokens(expr) if token.kind != "space"]
    for token, following in zip(tokens, [*tokens[1:], _Token("end", "")], strict=True):
        if token.text in READS_THE_CLOCK and following.text == "(":
            found[token.text] = None
        elif token.text == "@" and following.text not in ("start", "end"):
            found["@"] = None
    return list(found)


def scale_rules(document: Mapping[str, Any], speed: float) -> Document:
    """A rule file in drill time: group intervals, `for`, and every expression."""
    scaled = copy.deepcopy(dict(document))
    groups = scaled.get("groups") or []
    if fault := fault_in(groups):
        raise ValueError(fault)
    if speed == 1:
        return scaled
    for group in groups:
        _scale_keys(group, ("interval",), speed)
        for rule in group.get("rules") or []:
            _scale_keys(rule, ("for", "keep_firing_for"), speed)
            rule["expr"] = scale_promql(str(rule["expr"]), speed)
    return scaled


def fault_in(groups: Sequence[Mapping[str, Any] | None]) -> str | None:
    """Says which group, rule or expression cannot be used although promtool finds it valid.

    One that is there but empty; one that is so long or so deep that parsers end with it; and a
    group that looks back: Prometheus dates its alerts back as well, so that they would seem to have
    fired earlier than anybody was told, or before the drill.

    >>> fault_in([{"rules": [{"alert": "Busy", "expr": None}]}])
    'groups[0].rules[0].expr: expected an expression, got nothing'
    """
    for number, group in enumerate(groups):
        if group is None:
            return f"groups[{number}]: expected a name and rules, got nothing"
        if group.get("query_offset"):
            return (
                f"groups[{number}].query_offset: Prometheus dates alerts back by it, so no drill"
                " can tell when they fired; a drill's samples are in time, so drill without it"
            )
        for place, rule in enumerate(group.get("rules") or []):
            if rule is None:
                return f"groups[{number}].rules[{place}]: expected a rule, got nothing"
            if fault := _fault_of(rule.get("expr")):
                return f"groups[{number}].rules[{place}].expr: {fault}"
    return None


def _fault_of(expr: object) -> str | None:
    if expr is None:
        return "expected an expression, got nothing"
    pieces = [text for kind, text in _tokens(str(expr)) if kind != "space"]
    if len(pieces) > _MOST_PIECES:
        return f"expected at most {_MOST_PIECES} names, numbers and signs, got {len(pieces)}"
    deepest = max(accumulate((text == "(") - (text == ")") for text in pieces), default=0)
    if deepest > _DEEPEST:
        return f"expected at most {_DEEPEST} parentheses in each other, got {deepest}"
    return None


def scale_prometheus_config(document: Mapping[str, Any], speed: float) -> Document:
    """A Prometheus configuration in drill time: scrapes and evaluations.

    Intervals that are left out get Prometheus' defaults, 1m, written out: they would not scale.
    """
    scaled = copy.deepcopy(dict(document))
    if speed == 1:
        return scaled
    defaults = {"scrape_interval": "1m", "evaluation_interval": "1m"}
    scaled["global"] = {**defaults, **(scaled.get("global") or {})}
    scrape_keys = ("scrape_interval", "scrape_timeout")
    _scale_keys(scaled["global"], (*scrape_keys, "evaluation_interval", "rule_query_offset"), speed)
    for job in scaled.get("scrape_configs") or []:
        _scale_keys(job, scrape_keys, speed)
    return scaled


def scale_alertmanager_config(document: Mapping[str, Any], speed: float) -> Document:
    """An Alertmanager configuration in drill time: when it groups, repeats and resolves.

    Times that are left out get Alertmanager's defaults, written out: they would not scale.
    """
    scaled = copy.deepcopy(dict(document))
    if speed == 1:
        return scaled
    scaled["global"] = {"resolve_timeout": "5m", **(scaled.get("global") or {})}
    _scale_keys(scaled["global"], ("resolve_timeout",), speed)
    defaults = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h"}
    scaled["route"] = {**defaults, **(scaled.get("route") or {})}
    routes = [scaled["route"]]
    while routes:
        route = routes.pop()
        _scale_keys(route, tuple(defaults), speed)
        routes.extend(route.get("routes") or [])
    return scaled


def _scale_keys(mapping: Document, keys: tuple[str, ...], speed: float) -> None:
    for key in keys:
        if mapping.get(key) is not None:
            try:
                mapping[key] = scale_duration(str(mapping[key]), speed)
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None


def _tokens(expr: str) -> list[_Token]:
    """The expression in pieces that join to it again; what stands in brackets is one piece."""
    return [_Token(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(expr)]


def _scaled(tokens: list[_Token], speed: float) -> Iterator[str]:
    """The pieces of the expression, scaled, with divisions put around and into function calls."""
    division = f" / {int(speed) if speed == int(speed) else speed})"
    opened: list[str] = []  # What stands before every open parenthesis, "{" for an open brace.
    recent = ["", ""]  # The last two pieces that are not space.
    for index, (kind, text) in enumerate(tokens):
        if kind == "space":
            yield text
            continue
        if kind == "brackets":
            yield _scaled_range(text, speed)
        elif kind in ("duration", "number") and _follows_offset(recent):
            yield _scaled_time(text, speed)
        elif text in PER_SECOND and _next(tokens, index) == "(":
            yield f"({text}"
        elif text == "," and opened and opened[-1] == "predict_linear":
            # From here to the end of the call stands the time to look ahead.
            opened[-1] = "predict_linear,"
            yield ",("
        elif text in (")", "}"):
            yield text
            call = opened.pop() if opened else ""
            if call in PER_SECOND or call == "predict_linear,":
                yield division
        else:
            yield text
        if text in ("(", "{"):
            opened.append(recent[-1] if text == "(" else text)
        recent = [recent[-1], text]


def _scaled_range(text: str, speed: float) -> str:
    """`[range]`, `[range:]` or `[range:step]`, scaled."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is not a range such as [5m] or [1h:5m]")
    step = match["step"] and _scaled_time(match["step"], speed)
    return f"[{_scaled_time(match['range'], speed)}{match['colon'] or ''}{step or ''}]"


def _scaled_time(text: str, speed: float) -> str:
    """A duration as PromQL writes it, where a bare number means seconds, scaled."""
    in_seconds = _SECONDS.fullmatch(text)
    return scale_duration(f"{round(float(text) * 1000)}ms" if in_seconds else text, speed)


def _follows_offset(recent: list[str]) -> bool:
    """Whether the last pieces were `offset`, or `offset` and a sign."""
    return recent[recent[-1] not in ("-", "+")].lower() == "offset"


def _next(tokens: list[_Token], index: int) -> str:
    """The next piece that is not space, or nothing."""
    return next((token.text for token in tokens[index + 1 :] if token.kind != "space"), "")
