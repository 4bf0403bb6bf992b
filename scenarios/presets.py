"""How well-known model servers are asked: the parts of a target file that need not be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHIPPED: Mapping[str, Any] = {
    "path": "/predict",
    "request": {"rows": "{*rows}"},
    "score": "predictions[0].score",
    "token": "predictions[0].token",
}
"""The service of this project."""

FEEDBACK: Mapping[str, Any] = {
    "path": "/feedback",
    "request": {"labels": "{*labels}"},
    "label": {"token": "{token}", "outcome": "{outcome}"},
}
"""How the service of this project is told what came true."""

NUMBERS_ONLY = frozenset({"open-inference"})
"""Presets whose request has no place for a category."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "driftdrill": SHIPPED,
    # The row as it is.
    "json": {"request": "{*row}"},
    # https://github.com/kserve/open-inference-protocol: one tensor of all features.
    "open-inference": {
        "request": {
            "inputs": [
                {
                    "name": "predict",
                    "shape": ["{*count}", "{*width}"],
                    "datatype": "FP64",
                    "data": "{*matrix}",
                }
            ]
        },
        "score": "outputs[0].data[0]",
    },
    # The same protocol with MLServer's content type `pd`: a tensor for each column of a data frame.
    "mlserver": {
        "request": {"parameters": {"content_type": "pd"}, "inputs": "{*columns}"},
        "score": "outputs[0].data[0]",
    },
    # KServe's first protocol, which TensorFlow Serving speaks, too.
    "kserve-v1": {"request": {"instances": "{*matrix}"}, "score": "predictions[0]"},
    # `mlflow models serve`.
    "mlflow": {
        "path": "/invocations",
        "request": {"dataframe_split": {"columns": "{*names}", "data": "{*matrix}"}},
        "score": "predictions[0]",
    },
    # As in BentoML's scikit-learn example; the key is the name of the API method's argument.
    "bentoml": {
        "path": "/classify",
        "request": {"input_series": "{*matrix}"},
        "score": "[0]",
    },
}
"""Preset -> defaults of `predict`. What a preset lacks, the target file must say."""
