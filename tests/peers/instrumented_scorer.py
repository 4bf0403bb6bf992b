"""A FastAPI service with the three lines of `driftdrill init` in it.

python instrumented_scorer.py PORT REFERENCE.json
"""

import math
import sys
from pathlib import Path
from typing import Any

import prometheus_client
import uvicorn
from fastapi import FastAPI

from target_service.metrics import ModelMetrics
from target_service.model import load_reference

app = FastAPI()
app.mount("/metrics", prometheus_client.make_asgi_app())
metrics = ModelMetrics(load_reference(Path(sys.argv[2])), None, prometheus_client.REGISTRY)


def risk(row: dict[str, Any]) -> float:
    return 1 / (1 + math.exp(2 - 4 * row["debt_ratio"] - row["utilisation"]))


@app.post("/predict")
async def predict(row: dict[str, Any]) -> dict[str, float]:
    score = risk(row)
    metrics.observe_rows([row], [score])
    return {"score": score}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
