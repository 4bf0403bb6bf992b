"""A target file -> a frozen Target: where a model service is, how it is asked, what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

from scenarios.endpoint import (
    Strict,
    Tls,
    TlsKeys,
    read_base_url,
    read_headers,
    read_tls,
    read_url,
)
from scenarios.presets import FEEDBACK, NUMBERS_ONLY, PRESETS, SHIPPED
from scenarios.template import (
    FOR_MANY,
    Rows,
    Template,
    parse_path,
    placeholders,
    row_fillers,
    value_of,
)
from scenarios.worlds import named, population
from scenarios.yamlfile import Located, read_yaml
from target_service.contract import Schema


@dataclass(frozen=True)
class Predict:
    """How a prediction is asked for.

    Attributes:
        path: Path below the target's URL.
        request: The body's template; see `row_fillers` for what it may hold.
        score: Path of the score in the answer.
        token: Path of what names the prediction when its outcome is told; None where none is told.
    """

    path: str
    request: Any
    score: tuple[str | int, ...]
    token: tuple[str | int, ...] | None = None

    @property
    def takes_many(self) -> bool:
        """Whether a body can hold several rows."""
        return set(placeholders(self.request)) <= FOR_MANY

    def template(self, schema: Schema) -> Template[Rows]:
        """The body's template for rows of a schema; ValueError where they do not fit."""
        return Template(self.request, row_fillers(schema))


@dataclass(frozen=True)
class Feedback:
    """How outcomes are told.

    Attributes:
        path: Path below the target's URL.
        request: The body's template: `{*labels}` is a list of `label`, one per outcome. Where it
            has `{token}` and `{outcome}` instead, outcomes are told one by one.
        label: Template of one outcome in the list, of `{token}` and `{outcome}`.
    """

    path: str
    request: Any
    label: Any = None

    def body(self, labels: list[tuple[Any, int]]) -> bytes:
        """The body that tells outcomes, (token, outcome) each; one where `label` is None."""
        fill = {"token": value_of("token"), "outcome": value_of("outcome")}
        if self.label is None:
            ((token, outcome),) = labels
            return Template(self.request, fill).render({"token": token, "outcome": outcome})
        one = Template(self.label, fill)
        each = [one.render({"token": token, "outcome": outcome}) for token, outcome in labels]
        listed = b"[" + b",".join(each) + b"]"
        return Template(self.request, {"*labels": lambda _: listed}).render({})


@dataclass(frozen=True)
class Target:
    """A model service that somebody runs.

    Attributes:
        url: Where it is, without a slash at the end.
        model: Whose rows it takes: a shipped model, or a file that describes rows.
        metrics: URL at which Prometheus scrapes it; None where it has none, and somebody's own
            Prometheus knows of it otherwise.
        feedback: None where no outcome is told.
        headers: Sent with every request; secrets are in them.
        rules: Rule files for its metrics; none are the shipped ones.
        path: The file; None is the shipped service.
    """

    url: str
    model: str
    predict: Predict
    metrics: str | None
    feedback: Feedback | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: Tls = field(default_factory=Tls)
    rules: tuple[Path, ...] = ()
    path: Path | None = None

    @property
    def scraped(self) -> str:
        """`metrics`, where something cannot do without; ValueError where there are none."""
        if self.metrics is None:
            raise ValueError(f"{self.path}: metrics: null leaves nothing to scrape")
        return self.metrics

    @property
    def authorization(self) -> str | None:
        """What `/metrics` is told as well: the header, where it lies on the service's own host."""
        same = urlsplit(self.metrics or "")[:2] == urlsplit(self.url)[:2]
        found = {name.lower(): value for name, value in self.headers.items()}
        return found.get("authorization") if same else None


def shipped_target(url: str, model: str) -> Target:
    """The service of this project, at a URL."""
    return Target(
        url=url,
        model=model,
        predict=Predict(
            path=SHIPPED["path"],
            request=SHIPPED["request"],
            score=parse_path(SHIPPED["score"]),
            token=parse_path(SHIPPED["token"]),
        ),
        metrics=f"{url}/metrics",
        feedback=Feedback(**FEEDBACK),
    )


# --- The file's shape -----------------------------------------------------------------------------


class PredictKeys(Strict, frozen=True):
    """`predict` of a target file."""

    path: str | None = None
    request: Any = None
    score: str | None = None
    token: str | None = None


class FeedbackKeys(Strict, frozen=True):
    """`feedback` of a target file."""

    path: str
    request: Any
    label: Any = None


class TargetKeys(Strict, frozen=True):
    """All that a target file may hold."""

    url: str
    model: str
    preset: str = "json"
    predict: PredictKeys = PredictKeys()
    feedback: FeedbackKeys | None = None
    metrics: str | None = "/metrics"
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    tls: TlsKeys = TlsKeys()
    rules: tuple[str, ...] = ()


# --- Reading it -----------------------------------------------------------------------------------


def load_target(path: Path) -> Target:
    """Read one target file; BadFileError, naming file, line and key, where it does not fit."""
    source = read_yaml(path)
    file = source.convert(TargetKeys)
    with source.at("url"):
        url = read_base_url(file.url)
    with source.at("model"):
        model = named(file.model, path.parent)
        schema = population(model).schema
    feedback = _feedback(source, file)
    predict = _predict(source, file, schema, told=feedback is not None)
    with source.at("metrics"):
        metrics = None if file.metrics is None else _metrics(url, file.metrics)
    return Target(
        url=url,
        model=model,
        predict=predict,
        metrics=metrics,
        feedback=feedback,
        headers=read_headers(source, "headers", file.headers),
        tls=read_tls(source, "tls", file.tls),
        rules=tuple(_file(source, f"rules[{i}]", rule, path) for i, rule in enumerate(file.rules)),
        path=path,
    )


def _predict(source: Located, file: TargetKeys, schema: Schema, told: bool) -> Predict:
    with source.at("preset"):
        if file.preset not in PRESETS:
            raise ValueError(f"no preset {file.preset!r}; known: {', '.join(PRESETS)}")
    preset = PRESETS[file.preset]
    given: dict[str, Any] = {}
    for name in ("path", "request", "score", "token"):
        value = getattr(file.predict, name)
        given[name] = preset.get(name) if value is None else value
        with source.at(f"predict.{name}"):
            if given[name] is None and (name != "token" or told):
                raise ValueError(f"missing, and preset {file.preset!r} has none")
    with source.at("predict.path"):
        _require_path(given["path"])
    with source.at("predict.score"):
        score = parse_path(given["score"])
    with source.at("predict.token"):
        token = parse_path(given["token"]) if told else None
    categories = [feature.name for feature in schema.features if feature.categories]
    with source.at("preset"):
        if file.preset in NUMBERS_ONLY and file.predict.request is None and categories:
            raise ValueError(
                f"{file.preset} sends one tensor of numbers, and {', '.join(categories)} are"
                " categories: take preset mlserver, or write predict.request"
            )
    predict = Predict(given["path"], given["request"], score, token)
    with source.at("predict.request"):
        predict.template(schema)
        if not set(placeholders(predict.request)) - {"*names", "*width", "*count"}:
            raise ValueError("no value of a row is in it; expected {*rows}, {*row} or {feature}")
    return predict


def _metrics(url: str, text: str) -> str:
    if not text.startswith("/") and "://" not in text:
        raise ValueError(f"expected a URL, a path such as /metrics, or null for none, got {text!r}")
    return read_url(urljoin(f"{url}/", text))


def _feedback(source: Located, file: TargetKeys) -> Feedback | None:
    raw = file.feedback
    if raw is None:
        return Feedback(**FEEDBACK) if file.preset == "driftdrill" else None
    feedback = Feedback(raw.path, raw.request, raw.label)
    with source.at("feedback.path"):
        _require_path(raw.path)
    with source.at("feedback"):
        feedback.body([("token", 1)])
        named = {*placeholders(raw.request), *placeholders(raw.label)}
        needed = {"token", "outcome"} | ({"*labels"} if raw.label is not None else set())
        if missing := needed - named:
            raise ValueError(f"no {{{min(missing)}}} in it, so nobody is told what came true")
    return feedback


def _require_path(path: str) -> None:
    if not path.startswith("/"):
        raise ValueError(f"expected a path that begins with /, got {path!r}")


def _file(source: Located, key: str, name: str, beside: Path) -> Path:
    found = beside.parent / name
    with source.at(key):
        if not found.is_file():
            raise ValueError(f"no file {found}")
    return found
