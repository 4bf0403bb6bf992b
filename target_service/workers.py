"""The app of one of several workers, made of settings that its parent has left it."""

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

WORKER = "target_service.workers:worker"
"""What uvicorn imports in each process."""

_VARIABLE = "DRIFTDRILL_WORKERS"


class Settings(msgspec.Struct, frozen=True):
    """What the workers share.

    Attributes:
        model: Folder of the artifact.
        app_name: The label of that name on HTTP metrics.
        key: Signs prediction tokens: each worker honours those of the others.
        host: Where to listen.
        metrics_ports: One for the metrics of each.
    """

    model: str
    app_name: str
    key: bytes
    host: str
    metrics_ports: tuple[int, ...]


def hand_over(settings: Settings) -> None:
    """Leave the settings to the processes that this one starts."""
    os.environ[_VARIABLE] = msgspec.json.encode(settings).decode()


def worker() -> Starlette:
    """The app of this process."""
    settings = msgspec.json.decode(os.environ[_VARIABLE], type=Settings)
    model = load(Path(settings.model))
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = ModelMetrics(model, settings.app_name, registry)
    serve_metrics(metrics, settings.metrics_ports, settings.host)
    tokens = Tokens(settings.key, model.name, model.version)
    return create_app(model, metrics, tokens, expose=False)
