"""What we add to Locust's own page: a start form that comes to the point, and a live view.

Everything is served by Locust's process, from this folder and the board: nothing comes from
outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, jsonify, make_response, request, send_from_directory
from locust.env import Environment
from locust.runners import STATE_CLEANUP, STATE_STOPPING

from scenarios.board import Board
from scenarios.spec import find
from scenarios.webui.exposition import View, ground_truth, load
from scenarios.webui.names import is_own_name

STATIC = Path(__file__).parent / "static"
SPEEDS = (0.1, 1000.0)
"""Slowest and fastest drill that may be asked for."""

_HEAD = """\
<link rel="stylesheet" href="./drill/start.css">
<script src="./drill/start.js"></script>
</head>"""
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"


SEED_DIGITS = 18
"""What fits into 64 bits."""


def install(
    environment: Environment,
    board: Board,
    names: Callable[[], list[str]],
    speeds: tuple[float, float],
    view_of_drill: Callable[[], View | None],
) -> None:
    """Extend the web page of a Locust that has one.

    Args:
        environment: Locust's.
        board: Where the harness shows what it sees.
        names: The scenarios to choose from, as of now.
        speeds: The slowest and the fastest that a drill may have.
        view_of_drill: The drill under way, if one is.
    """
    app = environment.web_ui.app if environment.web_ui else None
    if environment.web_ui is None or app is None:
        raise RuntimeError("this Locust has no web page")
    environment.web_ui.template_args["extended_tabs"] = [{"title": "Alerts", "key": "alerts"}]
    app.register_blueprint(_pages(environment, board, names, view_of_drill))
    _guard(app, environment, names, speeds)

    @app.after_request
    def add_head(response: Response) -> Response:
        if request.endpoint == "locust.index" and response.status_code == 200:
            response.set_data(response.get_data(as_text=True).replace("</head>", _HEAD, 1))
        return response


def _pages(
    environment: Environment,
    board: Board,
    names: Callable[[], list[str]],
    view_of_drill: Callable[[], View | None],
) -> Blueprint:
    pages = Blueprint("drill", __name__, url_prefix="/drill")

    @pages.get("/<path:name>")
    def static(name: str) -> Response:
        return send_from_directory(STATIC, name)

    @pages.get("/live")
    def live() -> Response:
        page = send_from_directory(STATIC, "live.html")
        page.headers["Content-Security-Policy"] = _POLICY
        return page

    @pages.get("/view")
    def view() -> Response:
        if not board.view_file.exists():
            return Response(status=204)  # the servers are still starting
        shown = send_from_directory(board.folder, board.view_file.name, max_age=0)
        shown.headers["Cache-Control"] = "no-cache"
        return shown

    @pages.get("/scenarios")
    def scenarios() -> Response:
        return jsonify({name: find(name).summary for name in names()})

    @pages.get("/reports/<int:number>")
    def report(number: int) -> Response:
        return send_from_directory(board.folder / str(number), "report.html")

    @pages.get("/metrics")
    def metrics() -> Response:
        text = ground_truth(view_of_drill()) + load(environment)
        return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")

    return pages


def _guard(
    app: Flask,
    environment: Environment,
    names: Callable[[], list[str]],
    speeds: tuple[float, float],
) -> None:
    own_host = environment.host or ""

    @app.before_request
    def refuse_names() -> Response | None:
        """Any site can have its name mean this machine, and then counts as this page's origin."""
        options = environment.parsed_options
        if is_own_name(request.host, options.web_host if options else None):
            return None
        problem = "refused: this page is asked for under a name that is not its own"
        return make_response(jsonify({"success": False, "message": problem}), 403)

    @app.before_request
    def check() -> Response | None:
        """Locust takes what is posted as it is: what a drill cannot use is refused here."""
        if request.method != "POST":
            return None
        problem = _foreign() or (
            _start_problem(environment, own_host, names(), speeds)
            if request.endpoint == "locust.swarm"
            else None
        )
        if problem is None:
            return None
        return make_response(jsonify({"success": False, "message": problem}), 400)


def _foreign() -> str | None:
    """Any page that is open in the same browser can post here; only our own may."""
    origin = request.headers.get("Origin")
    if origin is None or urlsplit(origin).netloc == request.host:
        return None
    return f"refused: the request comes from {origin}"


def _start_problem(
    environment: Environment, own_host: str, names: list[str], speeds: tuple[float, float]
) -> str | None:
    runner = environment.runner
    # One that is stopping would end the next drill with the one before.
    if runner and (runner.shape_greenlet or runner.state in (STATE_CLEANUP, STATE_STOPPING)):
        return "a drill is under way: stop it first"
    form = request.form
    name = form.get("scenario", "")
    if name not in names:
        return f"scenario: no {name!r}; known: {', '.join(names)}"
    slowest, fastest = speeds
    speed = _number(form.get("speed", ""))
    if speed is None or not slowest <= speed <= fastest:
        given = form.get("speed", "")
        wanted = f"a number from {slowest:g} to {fastest:g}"
        if slowest == fastest:
            wanted = f"{slowest:g}, which Prometheus is configured for"
        return f"speed: expected {wanted}, got {given!r}"
    seed = form.get("seed", "")
    if not (seed.isascii() and seed.isdecimal() and len(seed) <= SEED_DIGITS):
        return f"seed: expected a whole number of up to {SEED_DIGITS} digits, got {seed[:40]!r}"
    if form.get("host", own_host) not in ("", environment.host, own_host):
        return "host: the drill's own service gets the traffic, no other"
    try:
        find(name)
    except ValueError as error:
        return str(error)
    return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
