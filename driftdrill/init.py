"""A folder to drill a model of one's own from: rows, target, reference, rules and scenarios."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from driftdrill.rig import PROJECT
from driftdrill.rig.errors import UsageError
from driftdrill.rig.rig import new_folder
from scenarios.endpoint import read_base_url
from scenarios.rowsfile import Kind, infer, load_rows, read_outcomes
from scenarios.table import Table, read_table
from target_service.contract import Floats, Schema
from target_service.dependence import for_dependent_rows
from target_service.measuring import measure

RULES = ("feature_drift.yml", "score_drift.yml", "model_quality.yml")
"""The shipped rules that know nothing of how a service serves."""

FEWEST_ROWS = 1000
"""Below this chance alone moves a reference by 0.03 and more, half of what the rules alarm on."""

DECISION_QUANTILE = 0.9


@dataclass(frozen=True)
class Own:
    """What is known of a model of one's own.

    Attributes:
        name: Of the model, in metrics.
        rows: CSV or Parquet of reference rows: inputs, scores and outcomes.
        score: The column of the scores that the model gave them.
        outcome: The column that says what came true, 0 or 1.
        url: Where the service is.
        in_order: Whether rows are in the order in which they came, like those next to them.
    """

    name: str
    rows: Path
    score: str
    outcome: str
    url: str
    in_order: bool = False


def init(folder: Path, own: Own) -> Iterator[str]:
    """Write the folder; says line by line what was written and what was left out.

    Raises:
        UsageError: The folder holds something, or the rows do not fit.
        ValueError: The rows cannot be read.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", own.name):
        raise UsageError(f"expected a name of words-joined-by-dashes, got {own.name!r}")
    try:
        read_base_url(own.url)
    except ValueError as error:
        raise UsageError(f"--url: {error}") from error
    if own.score == own.outcome:
        raise UsageError(f"--score and --outcome both name {own.score}: a score is no outcome")
    table = read_table(own.rows)
    scores = _scores(table, own.score)
    read_outcomes(table, own.outcome)
    features, left_out = _features(table, {own.score, own.outcome})
    if not features:
        raise UsageError(f"{own.rows}: no column is left to be a feature: {'; '.join(left_out)}")
    if len(table) < FEWEST_ROWS:
        raise UsageError(f"{own.rows}: {len(table)} rows; a reference takes {FEWEST_ROWS} or more")
    new_folder(folder)
    (folder / "rules").mkdir()
    (folder / "scenarios").mkdir()

    rows = {
        "rows": os.path.relpath(own.rows.resolve(), folder.resolve()),
        "outcome": own.outcome,
        "features": {name: k if isinstance(k, str) else list(k) for name, k in features.items()},
    }
    yield _write(folder / "rows.yaml", rows)
    dataset = load_rows(folder / "rows.yaml").dataset
    reference = measure(dataset, scores, own.name, "1", DECISION_QUANTILE)
    if own.in_order:
        reference = for_dependent_rows(reference, dataset, scores)
    (folder / "reference.json").write_bytes(msgspec.json.encode(reference))
    yield str(folder / "reference.json")

    target = {
        "url": own.url,
        "model": "rows.yaml",
        "predict": {"path": "/predict", "request": "{*row}", "score": "score"},
        "rules": [f"rules/{name}" for name in RULES],
    }
    yield _write(folder / "service.yaml", target)
    for name in RULES:
        shutil.copyfile(PROJECT / "prometheus" / "rules" / name, folder / "rules" / name)
        yield str(folder / "rules" / name)
    for scenario in _scenarios(own.name, dataset.schema):
        yield _write(folder / "scenarios" / f"{scenario['name']}.yaml", scenario)
    page = Environment(
        loader=PackageLoader("driftdrill"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        keep_trailing_newline=True,
    ).get_template("init.md.j2")
    (folder / "README.md").write_text(page.render(own=own, folder=folder))
    yield str(folder / "README.md")
    yield from (f"left out: {reason}" for reason in left_out)


def _scores(table: Table, column: str) -> Floats:
    scores = table.numbers(column)
    if not np.isfinite(scores).all() or scores.min() == scores.max():
        raise UsageError(f"{table.path}: {column}: expected a score in every row, not all the same")
    return scores


def _features(table: Table, special: set[str]) -> tuple[Mapping[str, Kind], Sequence[str]]:
    for name in special:
        table.column(name)
    features, left_out = {}, []
    for name in table.columns:
        if name not in special:
            try:
                features[name] = infer(table, name)
            except ValueError as error:
                left_out.append(str(error))
    return features, left_out


def _scenarios(model: str, schema: Schema) -> Iterator[dict[str, Any]]:
    common = {"model": "../rows.yaml", "traffic": {"rate": 5}}
    yield {
        "name": f"{model}-steady",
        "summary": "Nothing changes, so every alert must stay silent.",
        **common,
        "phases": [{"name": "steady", "duration": "1h"}],
    }
    numeric = [feature.name for feature in schema.features if feature.kind == "numeric"]
    for name in numeric[:3]:
        words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "feature"
        drift = {"kind": "covariate-shift", "feature": name, "shift": 1.5}
        yield {
            "name": f"{model}-{words}-shift",
            "summary": f"From one minute to the next {name} is 1.5 standard deviations higher.",
            **common,
            "phases": [
                {"name": "baseline", "duration": "20m"},
                {"name": "shifted", "duration": "30m", "drifts": [drift]},
            ],
            "expect": [{"alert": "FeatureDrift", "labels": {"feature": name}, "within": "15m"}],
            # How far the scores follow is for the model to say; the outcomes stay as recorded.
            "allow": [{"alert": "ScoreDrift"}, {"alert": "ModelQualityDegraded"}],
        }


def _write(path: Path, document: Mapping[str, Any]) -> str:
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100))
    return str(path)
