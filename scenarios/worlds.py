"""The world that a model lives in: a shipped model's name, or a file of one's own -> population."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from scenarios.rowsfile import load_rows
from simulators.credit import CREDIT
from simulators.population import Population, RecordedPopulation
from target_service.contract import DATA, RECIPES, load_dataset

MODELS = tuple(RECIPES)


def named(model: str, folder: Path) -> str:
    """A model as a file in a folder names it: files that describe rows become absolute."""
    return str((folder / model).resolve()) if is_own(model) else model


def is_own(model: str) -> bool:
    """Whether a model is the user's own, so that all we know of it is its rows."""
    return model.endswith((".yaml", ".yml"))


@cache
def population(model: str) -> Population:
    """The reference world of a model.

    Raises:
        ValueError: There is none of this name, or the file that describes it does not fit.
    """
    if is_own(model):
        return load_rows(Path(model)).population
    if model not in RECIPES:
        known = ", ".join(MODELS)
        raise ValueError(f"no model {model!r}; known: {known}, or a .yaml file that describes rows")
    if model == "credit":
        return CREDIT
    _, reference = RECIPES[model].split(load_dataset(DATA / f"{model}.npz"))
    return RecordedPopulation(reference)
