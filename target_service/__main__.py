"""`python -m target_service train` and `python -m target_service serve`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import secrets
import sys
from pathlib import Path
from random import Random
from typing import Any

from starlette.applications import Starlette

from target_service.builds import BUILDS, STANDING_BY, USUAL
from target_service.contract import RECIPES
from target_service.model import ArtifactError, Model, load

KEY_VARIABLE = "DRIFTDRILL_TOKEN_KEY"
KEY_FILE_VARIABLE = f"{KEY_VARIABLE}_FILE"

DRAIN_SECONDS = 30

CONNECTIONS = 65_536
"""That may be open at a time, where the system allows it."""

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}

logger = logging.getLogger("target_service")


def main() -> None:
    """Run the command that the arguments name; exit status 2 when it cannot be done."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    parser = argparse.ArgumentParser(prog="python -m target_service", description=__doc__)
    commands = parser.add_subparsers(required=True)

    training = commands.add_parser("train", help="train models from the data sets that ship")
    training.add_argument("names", nargs="*", metavar="NAME", help="default: all that ship")
    training.add_argument("--out", type=Path, default=Path("build/models"), metavar="DIR")
    training.add_argument("--version", help="default: the build's, 1.0.0 or 1.1.0")
    _add_build(training)
    training.set_defaults(run=_train)

    serving = commands.add_parser(
        "serve",
        help="serve one trained model over HTTP",
        epilog=f"{KEY_VARIABLE} holds the key that signs prediction tokens, or "
        f"{KEY_FILE_VARIABLE} the path of the file that does; without them each start "
        "makes its own, and outcomes of earlier predictions are refused.",
    )
    serving.add_argument("--model", type=Path, required=True, metavar="DIR")
    serving.add_argument("--host", default="127.0.0.1")
    serving.add_argument("--port", type=int, default=8000)
    serving.add_argument(
        "--standby",
        action="store_true",
        help="load everything, then wait for a line on standard input before taking the port",
    )
    _add_build(serving)
    serving.add_argument(
        "--drill-lost-scrapes",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="for drills: fail this share of the scrapes",
    )
    serving.add_argument(
        "--drill-clock",
        action="store_true",
        help="for drills: it is what time the requests say, for a reference that goes by the hour",
    )
    serving.add_argument("--app-name", default="target-service", help="a label of HTTP metrics")
    serving.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes that share the port; each is scraped at a port of its own",
    )
    serving.add_argument(
        "--metrics-port",
        type=int,
        default=9100,
        help="of the first of several workers; the others follow",
    )
    serving.add_argument(
        "--exemplars",
        action="store_true",
        help="name the trace of a recent request for each bucket of the score, in OpenMetrics",
    )
    serving.add_argument(
        "--without-metrics", action="store_true", help="count nothing: to see what counting costs"
    )
    serving.set_defaults(run=_serve)

    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except ArtifactError as error:
        parser.error(f"{error}\nTo train it: python -m target_service train")
    except (ValueError, OSError) as error:
        parser.error(str(error))


def _add_build(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--drill-build",
        choices=BUILDS,
        default=USUAL,
        help="for drills: a build with a fault made on purpose",
    )


def _train(arguments: argparse.Namespace) -> None:
    from target_service.training import train_named  # scikit-learn takes seconds to load

    build = BUILDS[arguments.drill_build]
    version = arguments.version or build.version
    for name in arguments.names or RECIPES:
        path = train_named(name, version, build.lost_positives).save(arguments.out / name)
        logger.info("trained %s %s: %s", name, version, path)


def _serve(arguments: argparse.Namespace) -> None:
    model = load(arguments.model)
    if arguments.host not in _LOOPBACK:
        logger.warning(
            "listening on %s: whoever reaches it may predict and read the metrics",
            json.dumps(arguments.host),
        )

    import uvicorn

    _allow_connections()
    server: dict[str, Any] = {
        "host": arguments.host,
        "port": arguments.port,
        "loop": "uvloop",
        "http": "target_service.protocol:GuardedProtocol",
        "ws": "none",
        "lifespan": "off",
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": DRAIN_SECONDS,
    }
    if arguments.workers > 1:
        uvicorn.run(_share_out(arguments), factory=True, workers=arguments.workers, **server)
        return
    app = _app(arguments, model)
    if arguments.standby:
        logger.info(STANDING_BY)
        if not sys.stdin.readline():
            return  # whoever was to say when is gone
    uvicorn.run(app, **server)


def _allow_connections() -> None:
    """Let idle clients have descriptors to waste: 1024 are usual, and would soon be gone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, CONNECTIONS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _share_out(arguments: argparse.Namespace) -> str:
    """Leave to the workers what they are to serve; what each of them imports."""
    from target_service.workers import WORKER, Settings, hand_over

    alone = ("standby", "drill_lost_scrapes", "drill_clock", "without_metrics", "exemplars")
    if any(getattr(arguments, name) for name in alone) or arguments.drill_build != USUAL:
        raise ValueError("--workers serves the sound service alone, without exemplars")
    first = arguments.metrics_port
    ports = tuple(range(first, first + arguments.workers))
    name, key = arguments.app_name, _token_key()
    hand_over(Settings(str(arguments.model), name, key, arguments.host, ports))
    return WORKER


def _app(arguments: argparse.Namespace, model: Model) -> Starlette:
    from prometheus_client import CollectorRegistry, ProcessCollector

    from target_service.app import create_app
    from target_service.clock import drill_clock, wall_clock
    from target_service.feedback import Tokens
    from target_service.metrics import ModelMetrics

    clock = drill_clock if arguments.drill_clock else wall_clock
    build = BUILDS[arguments.drill_build]
    tokens = Tokens(_token_key(), model.name, model.version)
    if arguments.without_metrics:
        return create_app(model, None, tokens)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    if build == BUILDS[USUAL] and not arguments.drill_lost_scrapes:
        metrics = ModelMetrics(model, arguments.app_name, registry)
        return create_app(model, metrics, tokens, exemplars=arguments.exemplars, clock=clock)

    from target_service.faulty import create_faulty_app

    logger.warning("for drills: build %s", arguments.drill_build)
    return create_faulty_app(
        model,
        build,
        tokens,
        arguments.app_name,
        registry,
        arguments.drill_lost_scrapes,
        Random(arguments.port),  # noqa: S311  nothing secret; replicas are to differ
        clock,
    )


def _token_key() -> bytes:
    key = os.environ.get(KEY_VARIABLE, "")
    if path := os.environ.get(KEY_FILE_VARIABLE, ""):
        key = Path(path).read_text().strip()
        if not key:
            raise ValueError(f"{path}, which {KEY_FILE_VARIABLE} names, holds no key")
    if key:
        return key.encode()
    logger.info(
        "%s is not set: outcomes of predictions before this start are refused", KEY_VARIABLE
    )
    return secrets.token_bytes(32)


if __name__ == "__main__":
    main()
