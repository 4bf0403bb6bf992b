"""Mutants that change nothing, each with the argument why: a file that people write and read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from driftdrill.mutate.mutants import Mutant
from scenarios.yamlfile import read_yaml


class Argument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why some mutants need not be noticed.

    Attributes:
        mutant: Their names, `rule: operator: change`; `*` stands for anything.
        because: Why no drill could, or should, tell them from the sound rules.
    """

    mutant: str
    because: str

    def covers(self, mutant: Mutant) -> bool:
        """Whether it is about a mutant."""
        pattern = ".*".join(map(re.escape, self.mutant.split("*")))
        return re.fullmatch(pattern, mutant.name, re.DOTALL) is not None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    equivalent: tuple[Argument, ...]


def read_arguments(path: Path) -> tuple[Argument, ...]:
    """The arguments in a file; BadFileError, naming file, line and key, where it does not fit."""
    source = read_yaml(path)
    found = source.convert(_File).equivalent
    for i, argument in enumerate(found):
        with source.at(f"equivalent[{i}].because"):
            if not argument.because.strip():
                raise ValueError("expected the reason why nobody could notice")
    return found


def argued(mutant: Mutant, arguments: Sequence[Argument]) -> Argument | None:
    """The first argument that covers a mutant."""
    return next((a for a in arguments if a.covers(mutant)), None)


def idle(mutants: Sequence[Mutant], arguments: Sequence[Argument]) -> Iterator[Argument]:
    """The arguments that cover no mutant."""
    for argument in arguments:
        if not any(map(argument.covers, mutants)):
            yield argument
