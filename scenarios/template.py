"""Request templates and answer paths: JSON with placeholders -> rows on the wire and back.

A template is compiled once into the constant pieces of its JSON text and the values between them:
a request costs one encoding per value, not a walk through the template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from target_service.contract import Feature, Schema

Rows = Sequence[Mapping[str, Any]]
"""One or more rows, feature -> value."""

Filled = TypeVar("Filled")
Filler = Callable[[Filled], bytes]
"""What fills a hole: something -> JSON text."""

_PLACEHOLDER = re.compile(r'\{([^{}"]+)\}')
_STEP = re.compile(r"\[(\d+)\]|(?:^|\.)([^.\[\]]+)")

_SHOWN = 40
"""Characters of a value that a message shows."""

_encode = msgspec.json.Encoder().encode


class Template(Generic[Filled]):
    """A JSON document with holes; fills them, and gives its text.

    Args:
        document: The document; a string `{name}` is a hole, and nothing else is one.
        fill: Per hole its filler.

    Raises:
        ValueError: A hole has no filler; names the known ones.
    """

    def __init__(self, document: Any, fill: Mapping[str, Filler[Filled]]) -> None:
        self._pieces = tuple(_merged(_pieces(document, fill)))

    def render(self, values: Filled) -> bytes:
        """The document's JSON text.

        >>> Template({"a": ["{x}", 1]}, {"x": value_of("x")}).render({"x": None})
        b'{"a":[null,1]}'
        """
        return b"".join(
            [piece if isinstance(piece, bytes) else piece(values) for piece in self._pieces]
        )


def value_of(name: str) -> Callable[[Mapping[str, Any]], bytes]:
    """A filler: one value under its name."""
    return lambda values: _encode(values[name])


FOR_MANY = frozenset({"*rows", "*matrix", "*columns", "*count", "*names", "*width"})
"""The holes of a prediction's template that several rows fit into."""


def row_fillers(schema: Schema) -> dict[str, Callable[[Rows], bytes]]:
    """What a prediction's template may hold, for one or more rows of a schema.

    `{*rows}` are the rows as objects, `{*matrix}` as lists of values, `{*columns}` as one Open
    Inference tensor per feature; `{*count}` is their number, `{*names}` the features' names and
    `{*width}` the number of these. Of the first row, `{feature}` is one value, `{*row}` the object
    and `{*values}` the list.
    """
    names = schema.names
    every_name, width = _encode(names), _encode(len(names))
    return {
        **{name: _first(name) for name in names},
        "*row": lambda rows: _encode(rows[0]),
        "*values": lambda rows: _encode([rows[0][name] for name in names]),
        "*rows": _encode,
        "*matrix": lambda rows: _encode([[row[name] for name in names] for row in rows]),
        "*columns": lambda rows: _encode([_tensor(feature, rows) for feature in schema.features]),
        "*count": lambda rows: _encode(len(rows)),
        "*names": lambda _: every_name,
        "*width": lambda _: width,
    }


def _first(name: str) -> Callable[[Rows], bytes]:
    return lambda rows: _encode(rows[0][name])


def _tensor(feature: Feature, rows: Rows) -> dict[str, Any]:
    return {
        "name": feature.name,
        "shape": [len(rows)],
        "datatype": "BYTES" if feature.categories else "FP64",
        "data": [row[feature.name] for row in rows],
    }


def placeholders(document: Any) -> Iterator[str]:
    """The names of a document's holes."""
    if isinstance(document, dict):
        for value in document.values():
            yield from placeholders(value)
    elif isinstance(document, list | tuple):
        for value in document:
            yield from placeholders(value)
    elif isinstance(document, str) and (hole := _PLACEHOLDER.fullmatch(document)):
        yield hole[1]


def parse_path(text: str) -> tuple[str | int, ...]:
    """The steps of a path into a JSON document.

    >>> parse_path("outputs[0].data[1]")
    ('outputs', 0, 'data', 1)
    """
    steps: list[str | int] = []
    end = 0
    for match in _STEP.finditer(text):
        if match.start() != end:
            break
        steps.append(int(match[1]) if match[1] else match[2])
        end = match.end()
    if not steps or end != len(text):
        raise ValueError(f"expected a path such as predictions[0].score, got {text!r}")
    return tuple(steps)


def follow(document: Any, path: Sequence[str | int]) -> Any:
    """The value at a path.

    >>> follow({"scores": [0.1, 0.9]}, ("scores", 1))
    0.9

    Raises:
        ValueError: The path leads nowhere; says how far it goes and what is there.
    """
    value = document
    for depth, step in enumerate(path):
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            raise ValueError(
                f"nothing at {write_path(path[: depth + 1])}: {_describe(value)}"
            ) from None
    return value


def write_path(path: Sequence[str | int]) -> str:
    """The text of a path, as `parse_path` reads it."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).lstrip(".")


def shortened(value: Any) -> str:
    """A value of JSON as a message shows it, however long it is.

    >>> shortened("a" * 100)
    '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…'
    """
    text = _encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return f"there is an object with {', '.join(map(repr, value)) or 'nothing in it'}"
    if isinstance(value, list):
        return f"there is a list of {len(value)}"
    return f"there is {shortened(value)}"


def _pieces(document: Any, fill: Mapping[str, Filler[Filled]]) -> Iterator[bytes | Filler[Filled]]:
    if isinstance(document, dict):
        yield b"{"
        for number, (key, value) in enumerate(document.items()):
            yield (b"," if number else b"") + _encode(key) + b":"
            yield from _pieces(value, fill)
        yield b"}"
    elif isinstance(document, list | tuple):
        yield b"["
        for number, value in enumerate(document):
            yield b"," if number else b""
            yield from _pieces(value, fill)
        yield b"]"
    elif isinstance(document, str) and (hole := _PLACEHOLDER.fullmatch(document)):
        filler = fill.get(hole[1])
        if filler is None:
            known = ", ".join(f"{{{name}}}" for name in fill)
            raise ValueError(f"no such placeholder: {document}; known: {known}")
        yield filler
    else:
        yield _encode(document)


def _merged(pieces: Iterator[bytes | Filler[Filled]]) -> Iterator[bytes | Filler[Filled]]:
    constant = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            constant += piece
            continue
        yield constant
        yield piece
        constant = b""
    yield constant
