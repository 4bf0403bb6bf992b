"""The app of each server process, made of settings that its parent has left in the environment."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector
from starlette.applications import Starlette

from target_service.app import create_app
from target_service.feedback import Tokens
from target_service.instrument import serve_metrics
from target_service.metrics import ModelMetrics
from target_service.model import load

APP = "target_service.serving:worker"
"""What uvicorn imports in each process."""

_VARIABLE = "DRIFTDRILL_SERVING"


class Settings(msgspec.Struct, frozen=True):
    """What every process of a service shares.

    Attributes:
        model: Folder of the artifact.
        app_name: The label of that name on HTTP metrics.
        key: Signs prediction tokens: each process honours those of the others.
        metrics: Whether to count at all.
        host: Where to listen.
        metrics_ports: One for the metrics of each of several processes; of one process /metrics is
            beside /predict.
    """

    model: str
    app_name: str
    key: bytes
    metrics: bool
    host: str
    metrics_ports: tuple[int, ...]


def hand_over(settings: Settings) -> None:
    """Leave the settings to `worker`, in this process or in those that it starts."""
    os.environ[_VARIABLE] = msgspec.json.encode(settings).decode()


def worker() -> Starlette:
    """The app of this process."""
    settings = msgspec.json.decode(os.environ[_VARIABLE], type=Settings)
    model = load(Path(settings.model))
    tokens = Tokens(settings.key, model.name, model.version)
    if not settings.metrics:
        return create_app(model, None, tokens)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = ModelMetrics(model, settings.app_name, registry)
    if not settings.metrics_ports:
        return create_app(model, metrics, tokens)
    serve_metrics(metrics, settings.metrics_ports, settings.host)
    return create_app(model, metrics, tokens, expose=False)
