"""The world that a model lives in: a shipped model's name, or a file of one's own -> population."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from scenarios.rowsfile import load_rows
from simulators.credit import CREDIT
from simulators.population import Population, RecordedPopulation
from target_service.contract import DATA, RECIPES, load_dataset

MODELS = tuple(RECIPES)

SYNTHETIC = ("credit", "seasonal-credit")
"""The models of one world. What the second one has seen of it had a season, which is for scenarios
to bring: by itself the world knows no hours."""

Source = Literal["drawn", "reference", "following"]
"""Where rows come from: drawn from the reference world, or the record's own, one after the other:
those that are the model's reference, or those that came after them."""


def named(model: str, folder: Path) -> str:
    """A model as a file in a folder names it: files that describe rows become absolute."""
    return str((folder / model).resolve()) if is_own(model) else model


def is_own(model: str) -> bool:
    """Whether a model is the user's own, so that all we know of it is its rows."""
    return model.endswith((".yaml", ".yml"))


@cache
def population(model: str, source: Source = "drawn") -> Population:
    """A model's world, before anything changes it.

    Raises:
        ValueError: There is none of this name, the file that describes it does not fit, or there
            are no such rows.
    """
    if is_own(model):
        if source != "drawn":
            raise ValueError("rows of one's own: their file says in which order they come")
        return load_rows(Path(model)).population
    if model not in RECIPES:
        known = ", ".join(MODELS)
        raise ValueError(f"no model {model!r}; known: {known}, or a .yaml file that describes rows")
    if model in SYNTHETIC and source == "drawn":
        return CREDIT
    dataset = load_dataset(DATA / f"{model}.npz")
    fitted_on, reference = RECIPES[model].split(dataset)
    if source != "following":
        return RecordedPopulation(reference, in_order=source == "reference")
    following = dataset[len(fitted_on) + len(reference) :]
    if not len(following):
        raise ValueError(f"the record of {model} ends with its reference: nothing follows")
    return RecordedPopulation(following, in_order=True)
