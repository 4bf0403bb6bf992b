"""YAML with line numbers: every value that fails validation is named by file, line and key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

T = TypeVar("T")

MAX_BYTES = 1_000_000
MAX_DEPTH = 20


class BadFileError(ValueError):
    """A file that a user wrote does not say what it must; the message names the place."""

    def __init__(self, path: Path, line: int | None, key: str, problem: str) -> None:
        place = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{place}: {key}: {problem}" if key else f"{place}: {problem}")


class Located(msgspec.Struct, frozen=True):
    """A plain value read from YAML, with the line of each of its keys."""

    path: Path
    value: Any
    lines: Mapping[str, int]

    def error(self, key: str, problem: str) -> BadFileError:
        """An error at a key such as `phases[1].drifts[0].feature`."""
        known = key
        while known and known not in self.lines:
            known = known[: max(known.rfind("."), known.rfind("["), 0)]
        return BadFileError(self.path, self.lines.get(known, 1), key, problem)

    @contextmanager
    def at(self, key: str) -> Iterator[None]:
        """Turn a ValueError inside the block into an error at a key."""
        try:
            yield
        except BadFileError:
            raise
        except msgspec.ValidationError as error:
            problem, _, place = str(error).partition(" - at `$")
            raise self.error(key + place.rstrip("`"), problem) from error
        except (ValueError, OverflowError) as error:
            raise self.error(key, str(error)) from error

    def convert(self, kind: type[T]) -> T:
        """The value as a msgspec type; BadFileError where it does not fit."""
        try:
            return msgspec.convert(self.value, kind)
        except msgspec.ValidationError as error:
            problem, _, place = str(error).partition(" - at `$")
            key = place.rstrip("`").lstrip(".")
            field = re.search(r"unknown field `(.*)`", problem)
            if field:
                key, problem = f"{key}.{field[1]}".lstrip("."), "unknown key" + _known(kind, key)
            raise self.error(key, problem) from None


def read_bounded(path: Path) -> bytes:
    """What a file holds, which may be a device without an end; BadFileError past MAX_BYTES."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadFileError(path, None, "", f"cannot be read: {reason}") from error
    if len(raw) > MAX_BYTES:
        raise BadFileError(path, None, "", f"larger than {MAX_BYTES} bytes")
    return raw


def read_yaml(path: Path) -> Located:
    """Read one YAML document of mappings, sequences, strings, numbers and booleans."""
    raw = read_bounded(path)
    try:
        text = raw.decode()
        # An alias that is used again and again makes a small file enormous.
        # Brackets in brackets take a time that grows with their square.
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                deep: Any = event.start_mark
                raise BadFileError(path, deep.line + 1, "", f"nested over {MAX_DEPTH} deep")
            if isinstance(event, yaml.AliasEvent):
                mark: Any = event.start_mark
                raise BadFileError(path, mark.line + 1, "", "aliases (*name) are not supported")
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        lines: dict[str, int] = {}
        value = _plain(loader, node, "", lines, path) if node else None
    except UnicodeDecodeError as error:
        raise BadFileError(path, None, "", f"not UTF-8: {error.reason}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadFileError(
            path, mark.line + 1 if mark else None, "", f"not YAML: {error.problem}"
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise BadFileError(path, None, "", f"not YAML: {error}") from error
    if not isinstance(value, dict):
        raise BadFileError(path, 1, "", "expected a mapping of keys to values")
    return Located(path, value, lines)


def _plain(
    loader: yaml.SafeLoader, node: yaml.Node, key: str, lines: dict[str, int], path: Path
) -> Any:
    lines.setdefault(key, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            name = name_node.value
            if not isinstance(name, str):
                raise BadFileError(path, line, key, "expected a plain key")
            inner = f"{key}.{name}".lstrip(".")
            if name in mapping:
                raise BadFileError(path, line, inner, "given twice")
            lines[inner] = line
            mapping[name] = _plain(loader, value_node, inner, lines, path)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(loader, item, f"{key}[{i}]", lines, path) for i, item in enumerate(node.value)
        ]
    try:
        return loader.construct_object(node)
    except (ValueError, OverflowError) as error:
        raise BadFileError(path, node.start_mark.line + 1, key, str(error)) from error


def _known(kind: Any, key: str) -> str:
    """The keys that a struct takes at a place, for an error message."""
    info: Any = msgspec.inspect.type_info(kind)
    for name in re.findall(r"[^.\[\]]+", key):
        if isinstance(info, msgspec.inspect.VarTupleType):
            info = info.item_type
        else:
            info = next(field.type for field in info.fields if field.encode_name == name)
        if isinstance(info, msgspec.inspect.UnionType):  # a mapping that may be left out
            info = next(kind for kind in info.types if isinstance(kind, msgspec.inspect.StructType))
    return f"; known: {', '.join(field.encode_name for field in info.fields)}"
