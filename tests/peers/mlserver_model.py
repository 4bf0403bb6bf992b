"""Fits the scikit-learn model that MLServer is to serve; runs in MLServer's own environment.

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
joblib.dump(make_pipeline(columns, neighbours).fit(frame, outcome), folder / "model.joblib")
(folder / "model-settings.json").write_text(json.dumps(SETTINGS))
