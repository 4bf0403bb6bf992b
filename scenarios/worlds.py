"""The worlds that the shipped models live in."""

from __future__ import annotations

from functools import cache
from typing import Literal

from simulators.credit import CREDIT
from simulators.population import Population
from simulators.recorded import RecordedPopulation, ReplayedPopulation
from target_service.contract import DATA, RECIPES, load_dataset

MODELS = tuple(RECIPES)

Source = Literal["drawn", "reference", "following"]
"""Where rows come from: drawn from the reference world, or the record's own, one after the other:
those that are the model's reference, or those that came after them."""


@cache
def population(model: str, source: Source = "drawn") -> Population:
    """A model's world; ValueError, saying what was expected, when there is none."""
    if model not in RECIPES:
        raise ValueError(f"no model {model!r}; known: {', '.join(MODELS)}")
    if model == "credit" and source == "drawn":
        return CREDIT
    dataset = load_dataset(DATA / f"{model}.npz")
    fitted_on, reference = RECIPES[model].split(dataset)
    if source == "drawn":
        return RecordedPopulation(reference)
    if source == "reference":
        return ReplayedPopulation(reference)
    following = dataset[len(fitted_on) + len(reference) :]
    if not len(following):
        raise ValueError(f"the record of {model} ends with its reference: nothing follows")
    return ReplayedPopulation(following)
