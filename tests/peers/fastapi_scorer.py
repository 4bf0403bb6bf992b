"""A scorer as many are written: FastAPI, scikit-learn, metrics by an instrumentator. Not ours.

python fastapi_scorer.py PORT
"""

import os
import sys
from typing import Annotated

import numpy as np
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_fastapi_instrumentator import Instrumentator
from pydantic import BaseModel
from sklearn.linear_model import LogisticRegression


class Applicant(BaseModel):
    age: float
    payment_delay: float
    debt_ratio: float


class Application(BaseModel):
    applicants: list[Applicant]


def fitted() -> LogisticRegression:
    rng = np.random.default_rng(0)
    x = rng.normal([42, 7, 0.3], [10, 3, 0.1], (500, 3))
    return LogisticRegression().fit(x, x[:, 2] > rng.normal(0.3, 0.05, 500))


app = FastAPI()
Instrumentator().instrument(app).expose(app)
model = fitted()
Caller = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]


@app.post("/score")
def score(application: Application, caller: Caller) -> dict[str, list[float]]:
    if caller.credentials != os.environ["SCORER_TOKEN"]:
        raise HTTPException(401)
    risks = []
    for applicant in application.applicants:  # one by one: why this service is slow on many
        row = [[applicant.age, applicant.payment_delay, applicant.debt_ratio]]
        risks.append(float(model.predict_proba(row)[0, 1]))
    return {"risks": risks}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
