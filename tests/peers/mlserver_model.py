"""Fits the scikit-learn model that MLServer is to serve; runs in MLServer's own environment.

python mlserver_model.py ROWS.csv MODEL.joblib
"""

import sys

import joblib
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

frame = pd.read_csv(sys.argv[1])
outcome = frame.pop("outcome")
columns = make_column_transformer(
    (StandardScaler(), make_column_selector(dtype_include="number")),
    (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
)
model = make_pipeline(columns, SVC(probability=True)).fit(frame, outcome)
joblib.dump(model, sys.argv[2])
