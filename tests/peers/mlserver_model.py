"""Fits the scikit-learn model that MLServer is to serve, and scores rows that it has not seen.

python mlserver_model.py ROWS.csv FOLDER
"""

import json
import sys
from pathlib import Path

import joblib
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FITTED = 1000
"""Rows; those after them are the holdout."""

SETTINGS = {
    "name": "credit",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": "./model.joblib"},
}

frame, folder = pd.read_csv(sys.argv[1]), Path(sys.argv[2])
outcome = frame.pop("outcome")
columns = make_column_transformer(
    (StandardScaler(), make_column_selector(dtype_include="number")),
    (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
)
# Compares each row with all that it knows: many rows at once take their time.
neighbours = KNeighborsClassifier(50, algorithm="brute", p=3)
model = make_pipeline(columns, neighbours).fit(frame[:FITTED], outcome[:FITTED])
joblib.dump(model, folder / "model.joblib")
holdout = frame[FITTED:]
scored = holdout.assign(outcome=outcome[FITTED:], score=model.predict_proba(holdout)[:, 1])
scored.to_csv(folder / "holdout.csv", index=False)
(folder / "model-settings.json").write_text(json.dumps(SETTINGS))
