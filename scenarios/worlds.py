"""The world that each shipped model lives in: model name -> population."""

from __future__ import annotations

from functools import cache

from simulators.credit import CREDIT
from simulators.population import Population, RecordedPopulation
from target_service.contract import DATA, RECIPES, load_dataset

MODELS = tuple(RECIPES)


@cache
def population(model: str) -> Population:
    """The reference world of a model; ValueError, naming the known ones, when there is none."""
    if model not in RECIPES:
        raise ValueError(f"no model {model!r}; known: {', '.join(MODELS)}")
    if model == "credit":
        return CREDIT
    _, reference = RECIPES[model].split(load_dataset(DATA / f"{model}.npz"))
    return RecordedPopulation(reference)
