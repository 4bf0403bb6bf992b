from __future__ import annotations

import pytest
from service_client import Client

from target_service.app import create_app
from target_service.contract import DATA, Dataset, load_dataset
from target_service.feedback import Tokens
from target_service.metrics import ModelMetrics
from target_service.model import Model
from target_service.training import train


@pytest.fixture(scope="session")
def credit_data() -> Dataset:
    return load_dataset(DATA / "credit.npz")


@pytest.fixture(scope="session")
def flights_data() -> Dataset:
    return load_dataset(DATA / "flights.npz")


@pytest.fixture(scope="session")
def credit(credit_data: Dataset) -> Model:
    return train(credit_data, "credit", "1.0.0")


@pytest.fixture(scope="session")
def flights(flights_data: Dataset) -> Model:
    return train(flights_data, "flights", "1.0.0")


@pytest.fixture
def metrics(credit: Model) -> ModelMetrics:
    return ModelMetrics(credit, "credit-service")


@pytest.fixture
def tokens(credit: Model) -> Tokens:
    return Tokens(b"a key of the tests", credit.name, credit.version)


@pytest.fixture
def client(credit: Model, metrics: ModelMetrics, tokens: Tokens) -> Client:
    return Client(create_app(credit, metrics, tokens))
