"""A scorer that speaks as `mlflow models serve` does, with metrics by prometheus_client. Not ours.

python mlflow_scorer.py PORT
"""

import sys
import time

import numpy as np
import uvicorn
from prometheus_client import Counter, Histogram, make_asgi_app
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

ANSWERED = Counter("invocations", "Requests answered.", ["status"])
SECONDS = Histogram("invocation_seconds", "Time per request.")
COLUMNS = ("age", "income", "debt_ratio")


async def invocations(request: Request) -> JSONResponse:
    began = time.perf_counter()
    frame = (await request.json())["dataframe_split"]
    numbers = [frame["columns"].index(name) for name in COLUMNS]
    try:
        x = np.array([[row[i] for i in numbers] for row in frame["data"]], dtype=float)
        if np.isnan(x).any():
            raise ValueError("Input X contains NaN.")  # as scikit-learn says it
        scores = []
        for row in x:  # a model that is asked row by row
            weights = np.linalg.lstsq(np.outer(row, row) + np.eye(3), row, rcond=None)[0]
            scores.append(float(1 / (1 + np.exp(-weights.sum()))))
        status, answer = 200, {"predictions": scores}
    except (TypeError, ValueError) as error:
        status, answer = 500, {"error_code": "BAD_REQUEST", "message": str(error)}
    SECONDS.observe(time.perf_counter() - began)
    ANSWERED.labels(status).inc()
    return JSONResponse(answer, status)


for known in (200, 500):
    ANSWERED.labels(known)

app = Starlette(
    routes=[Route("/invocations", invocations, methods=["POST"]), Mount("/metrics", make_asgi_app())]
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
