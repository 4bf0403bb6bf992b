"""Why mutants survive, in a file that people write and read: an argument for each.

Some change nothing, or nothing that matters; they leave the score. Others are wrong, and why no
drill tells is all that is said for them; they count against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from driftdrill.mutate.mutants import Mutant
from scenarios.yamlfile import read_yaml


class Argument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why some mutants need not be noticed.

    Attributes:
        mutant: Their names, `rule: operator: change`; `*` stands for anything.
        because: Why no drill could, or should, tell them from the sound rules.
        noticed_by: A file of rule tests, beside the argument's, that does; mutate asks it.
    """

    mutant: str
    because: str
    noticed_by: str | None = None

    def covers(self, mutant: Mutant) -> bool:
        """Whether it is about a mutant."""
        pattern = ".*".join(map(re.escape, self.mutant.split("*")))
        return re.fullmatch(pattern, mutant.name, re.DOTALL) is not None


class Arguments(NamedTuple):
    """What a file says: of mutants that are equivalent, and of others that are accepted."""

    equivalent: tuple[Argument, ...] = ()
    accepted: tuple[Argument, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    equivalent: tuple[Argument, ...] = ()
    accepted: tuple[Argument, ...] = ()


def read_arguments(path: Path) -> Arguments:
    """The arguments in a file; BadFileError, naming file, line and key, where it does not fit."""
    source = read_yaml(path)
    file = source.convert(_File)
    for key, told in (("equivalent", file.equivalent), ("accepted", file.accepted)):
        for i, argument in enumerate(told):
            with source.at(f"{key}[{i}].because"):
                if not argument.because.strip():
                    raise ValueError("expected the reason why nobody could notice")
            with source.at(f"{key}[{i}].noticed_by"):
                if argument.noticed_by and not (path.parent / argument.noticed_by).is_file():
                    raise ValueError(f"no file {path.parent / argument.noticed_by}")
    return Arguments(file.equivalent, file.accepted)


def argued(mutant: Mutant, arguments: Sequence[Argument]) -> Argument | None:
    """The first argument that covers a mutant."""
    return next((a for a in arguments if a.covers(mutant)), None)


def idle(mutants: Sequence[Mutant], arguments: Sequence[Argument]) -> Iterator[Argument]:
    """The arguments that cover no mutant."""
    for argument in arguments:
        if not any(map(argument.covers, mutants)):
            yield argument
