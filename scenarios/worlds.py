"""The world that each shipped model lives in: model name -> population."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import target_service
from simulators.credit import CREDIT
from simulators.population import Population, RecordedPopulation
from target_service.contract import load_dataset

MODELS = ("credit", "flights")


@cache
def population(model: str) -> Population:
    """The reference world of a model; ValueError, naming the known ones, when there is none."""
    if model == "credit":
        return CREDIT
    if model == "flights":
        return RecordedPopulation(
            load_dataset(Path(target_service.__path__[0]) / "data/flights.npz")
        )
    raise ValueError(f"no model {model!r}; known: {', '.join(MODELS)}")
