"""Blocks of Prometheus' storage, written as they lie on its disk.

A tenth of what it costs to send the samples: Prometheus would take each apart, log it, and compress
it. The format is that of https://github.com/prometheus/prometheus/tree/main/tsdb/docs/format, which
has been the same since 2.0. Prometheus spends as few bits as it can on the difference between two
values, we spend all 64: its readers take both, and numpy can write that.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from driftdrill.virtual.timelines import EngineError
from driftdrill.virtual.varints import varint, varints
from target_service.contract import Floats

MAX_SAMPLES = 1_440
"""Of a chunk: a day of minutes. A reader walks through a chunk from its beginning."""

_SEGMENT_BYTES = 512_000_000
"""As Prometheus' own; the place of a chunk in its segment has 32 bits."""

_SEGMENT_HEADER = bytes.fromhex("85bd40dd 01 000000")
_INDEX_HEADER = bytes.fromhex("baaad700 02")
_XOR = b"\x01"

# A chunk's data: how many samples there are, the first one's time and value, and from there to the
# second: the step in time, that all 64 bits of a difference follow, and those of the values.
_COUNT, _TIME, _VALUE, _STEP = 2, 7, 8, 5
_FIXED = _COUNT + _TIME + _VALUE + _STEP
_ALL_64 = 0b11_00000_0, 0b00000_000
_ALL_64_BITS = 13

# For each later one: 0, for the same step; 10, for as many bits as before; and the difference. Here
# these three bits stand at the end of the sample before. Eight are so many bytes.
_SAME = 0b010
_BITS = 64 + 3

_ALIGNED = 16
"""Bytes that series are placed by in an index."""

Labels = tuple[tuple[str, str], ...]
"""(name, value) in order; the metric's name is one of them."""


class _Chunk(NamedTuple):
    """First and last unix milliseconds; segment and place in it."""

    first: int
    last: int
    reference: int


class BlockWriter:
    """Samples on their way into blocks.

    Args:
        folder: New or empty folder for the blocks.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._series: dict[Labels, list[_Chunk]] = {}
        self._segments: list[Path] = []
        self._blocks = 0
        folder.mkdir(parents=True)

    def add(self, series: Iterable[tuple[Mapping[str, str], Floats, Floats]]) -> None:
        """Add series that are not there yet.

        Args:
            series: Labels with the name among them; (n,) ascending unix times; (n,) values.

        Raises:
            EngineError: The times do not ascend.
        """
        with _Segments(self._folder, self._segments) as segments:
            for labels, times, values in series:
                milliseconds = np.rint(times * 1000).astype(np.int64)
                key = tuple(sorted((name, value) for name, value in labels.items() if value))
                if key in self._series or (np.diff(milliseconds) <= 0).any():
                    raise EngineError(f"the samples of {dict(labels)} are out of order")
                parts = _of_one_step(milliseconds, values)
                chunks = [chunk for part in parts for chunk in segments.add(*part)]
                if chunks:
                    self._series[key] = chunks

    def block(self) -> Path:
        """Make one block of all that was added: the folder of data that a Prometheus finds it in.

        What was in an earlier block is in this one, too, and lies on the disk once.
        """
        self._blocks += 1
        name = f"{self._blocks:026d}"
        data = self._folder / f"data-{self._blocks}"
        chunks = [chunk for found in self._series.values() for chunk in found]
        (data / name / "chunks").mkdir(parents=True)
        for segment in self._segments:
            os.link(segment, data / name / "chunks" / segment.name)
        about = {
            "version": 1,
            "ulid": name,
            "minTime": min((chunk.first for chunk in chunks), default=0),
            "maxTime": max((chunk.last for chunk in chunks), default=0) + 1,
            "compaction": {"level": 1, "sources": [name]},
        }
        (data / name / "meta.json").write_bytes(msgspec.json.encode(about))
        (data / name / "index").write_bytes(_index(self._series))
        return data


class _Segments:
    """New files of chunks; a context manager.

    Args:
        folder: Where they are put.
        files: Those there are, in their order, to be added to.
    """

    def __init__(self, folder: Path, files: list[Path]) -> None:
        self._folder, self._files = folder, files
        self._stack = ExitStack()

    def __enter__(self) -> _Segments:
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _begin(self) -> None:
        self._stack.close()
        self._files.append(self._folder / f"{len(self._files) + 1:06d}")
        self._file: BinaryIO = self._stack.enter_context(self._files[-1].open("wb"))
        self._place = self._file.write(_SEGMENT_HEADER)

    def add(self, times: NDArray[np.int64], values: Floats) -> Iterator[_Chunk]:
        """Write (c, n) samples, n at one step each, as c chunks."""
        ends = times[:, [0, -1]].tolist()
        for (first, last), data in zip(ends, _chunks(times, values), strict=True):
            content = _XOR + data.tobytes()
            chunk = varint(len(data)) + content + _crc(content)
            if self._place + len(chunk) > _SEGMENT_BYTES:
                self._begin()
            reference = len(self._files) - 1 << 32 | self._place
            self._place += self._file.write(chunk)
            yield _Chunk(first, last, reference)


def _of_one_step(
    times: NDArray[np.int64], values: Floats
) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Samples in parts of (c, n), each row with one step between its times."""
    begin = 0
    for stop in (*(np.flatnonzero(np.diff(times, n=2)) + 2).tolist(), len(times)):
        if stop == begin + 1 and stop < len(times):
            continue  # A sample alone has no step that another one could differ from.
        rows = (stop - begin) // MAX_SAMPLES
        middle = begin + rows * MAX_SAMPLES
        if rows:
            shape = (rows, MAX_SAMPLES)
            yield times[begin:middle].reshape(shape), values[begin:middle].reshape(shape)
        if middle < stop:
            yield times[None, middle:stop], values[None, middle:stop]
        begin = stop


def _chunks(times: NDArray[np.int64], values: Floats) -> NDArray[np.uint8]:
    """(c, bytes) the data of c chunks."""
    chunks, samples = times.shape
    raw = np.ascontiguousarray(values, dtype=np.float64).view(np.uint64)
    heads = [
        np.full((chunks, _COUNT), divmod(samples, 256), dtype=np.uint8),
        varints(times[:, 0] << 1, _TIME),  # a number with a sign, which is its last bit
        raw[:, :1].astype(">u8").view(np.uint8),
    ]
    if samples == 1:
        return np.hstack(heads)
    heads.append(varints(times[:, 1] - times[:, 0], _STEP))
    size = _FIXED - (-(_ALL_64_BITS + _BITS * (samples - 1)) // 8)
    # The last sample's three bits may need another byte, and those of its 16 that are written a
    # second one: they say nothing, as no sample follows.
    data = np.zeros((chunks, size + 2), dtype=np.uint8)
    data[:, :_FIXED] = np.hstack(heads)
    data[:, _FIXED : _FIXED + 2] = _ALL_64
    differences = raw[:, 1:] ^ raw[:, :-1]
    for first in range(min(samples - 1, 8)):
        column = differences[:, first::8]
        offset, shift = divmod(_FIXED * 8 + _ALL_64_BITS + first * _BITS, 8)
        upper = _every_eighth(data, offset, column.shape[1], ">u8")
        upper |= column >> np.uint64(shift)
        lower = _every_eighth(data, offset + 8, column.shape[1], ">u2")
        rest = (column & np.uint64((1 << shift) - 1)).astype(np.uint16)
        lower |= (rest << 3 | _SAME) << (16 - 3 - shift)
    return data[:, :-2]


def _every_eighth(
    data: NDArray[np.uint8], offset: int, count: int, kind: str
) -> NDArray[np.unsignedinteger[Any]]:
    """(c, count) the numbers in each row that begin at the places of every eighth sample."""
    strides = (data.shape[1], _BITS)
    return np.ndarray((len(data), count), dtype=kind, buffer=data, offset=offset, strides=strides)


def _index(series: Mapping[Labels, Sequence[_Chunk]]) -> bytes:
    """What leads from labels to chunks."""
    symbols = sorted({"", *(text for labels in series for pair in labels for text in pair)})
    number = {symbol: place for place, symbol in enumerate(symbols)}
    out = bytearray(_INDEX_HEADER)
    symbols_at = len(out)
    out += _section(_word(len(symbols)) + b"".join(map(_text, symbols)))

    series_at = len(out)
    every = ("", "")
    postings: defaultdict[tuple[str, str], list[int]] = defaultdict(list, {every: []})
    for labels, chunks in sorted(series.items()):
        out += bytes(-len(out) % _ALIGNED)
        for pair in (every, *labels):
            postings[pair].append(len(out) // _ALIGNED)
        names = b"".join(varint(number[text]) for pair in labels for text in pair)
        content = varint(len(labels)) + names + _places(chunks)
        out += varint(len(content)) + content + _crc(content)

    postings_at = len(out)
    entries = []
    for (name, value), references in sorted(postings.items()):
        out += bytes(-len(out) % 4)
        entries.append(b"\x02" + _text(name) + _text(value) + varint(len(out)))
        out += _section(_word(len(references)) + b"".join(map(_word, references)))
    entries_at = len(out)
    out += _section(_word(len(entries)) + b"".join(entries))

    # The third and the fourth belong to tables of label names that nothing reads any more.
    places = (symbols_at, series_at, 0, 0, postings_at, entries_at)
    contents = b"".join(place.to_bytes(8, "big") for place in places)
    return bytes(out + contents + _crc(contents))


def _places(chunks: Sequence[_Chunk]) -> bytes:
    """The chunks of a series, each told from the one before."""
    begin = chunks[0]
    out = varint(len(chunks)) + varint(begin.first << 1)
    out += varint(begin.last - begin.first) + varint(begin.reference)
    for before, chunk in pairwise(chunks):
        out += varint(chunk.first - before.last) + varint(chunk.last - chunk.first)
        out += varint(chunk.reference - before.reference << 1)
    return out


def _section(content: bytes) -> bytes:
    return _word(len(content)) + content + _crc(content)


def _text(text: str) -> bytes:
    data = text.encode()
    return varint(len(data)) + data


def _word(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _crc(content: bytes) -> bytes:
    return _word(crc32c(content))
