"""Series as promtool prints and reads them: Go's string literals and PromQL's label sets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

NAME = "__name__"

_STRING = r'"(?:[^"\\]|\\.)*"'
_LABEL = rf"(?:[a-zA-Z_]\w*|{_STRING})={_STRING}"
_SAMPLE = re.compile(rf"\{{((?:{_LABEL}(?:, )?)*)\}} ([^\s,]+)(?:, |$)")
_PAIR = re.compile(rf"([a-zA-Z_]\w*|{_STRING})=({_STRING})")
_ESCAPE = re.compile(r"""\\(?:x(\w{2})|u(\w{4})|U(\w{8})|([abfnrtv\\'"]))""")
_SIMPLE = dict(zip("abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\"", strict=True))


def samples(text: str) -> Iterator[tuple[dict[str, str], str]]:
    r"""The labels, metric name included, and the value of each sample in a list of them.

    Raises:
        ValueError: The text is something else.

    >>> list(samples(r'{__name__="x", a="b}\", c"} 1E+00, {} NaN'))
    [({'__name__': 'x', 'a': 'b}", c'}, '1E+00'), ({}, 'NaN')]
    """
    position = 0
    while position < len(text):
        match = _SAMPLE.match(text, position)
        if match is None:
            raise ValueError(f"not a list of samples: {text[position:]}")
        yield {_word(name): _word(value) for name, value in _PAIR.findall(match[1])}, match[2]
        position = match.end()


def series(labels: Mapping[str, str]) -> str:
    r"""A series as PromQL writes it.

    >>> series({"__name__": "x", "a": 'b"'})
    'x{a="b\\""}'
    """
    inside = (f"{name}={quoted(value)}" for name, value in labels.items() if name != NAME)
    return f"{labels.get(NAME, '')}{{{','.join(inside)}}}"


def labels(series: str) -> dict[str, str]:
    r"""The labels, metric name included, of a series as PromQL writes it.

    >>> labels('x{a="b\\""}')
    {'__name__': 'x', 'a': 'b"'}
    """
    name, _, inside = series.partition("{")
    return {NAME: name} | {_word(key): _word(value) for key, value in _PAIR.findall(inside)}


def quoted(text: str) -> str:
    """A string literal that Go and PromQL read."""
    return json.dumps(text, ensure_ascii=False)


def _word(text: str) -> str:
    """An identifier as it is, or what a string literal holds."""
    return _ESCAPE.sub(_unescaped, text[1:-1]) if text.startswith('"') else text


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    return chr(int(code, 16)) if code else _SIMPLE[match[4]]
