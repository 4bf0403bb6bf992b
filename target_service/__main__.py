"""`python -m target_service train` and `python -m target_service serve`."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
from pathlib import Path

from target_service.contract import RECIPES
from target_service.model import ArtifactError, load

KEY_VARIABLE = "DRIFTDRILL_TOKEN_KEY"

DRAIN_SECONDS = 30

logger = logging.getLogger("target_service")


def main() -> None:
    """Run the command that the arguments name; exit status 2 when it cannot be done."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    parser = argparse.ArgumentParser(prog="python -m target_service", description=__doc__)
    commands = parser.add_subparsers(required=True)

    training = commands.add_parser("train", help="train models from the data sets that ship")
    training.add_argument("names", nargs="*", metavar="NAME", help="credit, flights; default: both")
    training.add_argument("--out", type=Path, default=Path("build/models"), metavar="DIR")
    training.add_argument("--version", default="1.0.0")
    training.set_defaults(run=_train)

    serving = commands.add_parser(
        "serve",
        help="serve one trained model over HTTP",
        epilog=f"{KEY_VARIABLE} holds the key that signs prediction tokens; without it each start "
        "makes its own, and outcomes of earlier predictions are refused.",
    )
    serving.add_argument("--model", type=Path, required=True, metavar="DIR")
    serving.add_argument("--host", default="127.0.0.1")
    serving.add_argument("--port", type=int, default=8000)
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


def _train(arguments: argparse.Namespace) -> None:
    from target_service.training import train_named  # scikit-learn takes seconds to load

    for name in arguments.names or RECIPES:
        path = train_named(name, arguments.version).save(arguments.out / name)
        logger.info("trained %s %s: %s", name, arguments.version, path)


def _serve(arguments: argparse.Namespace) -> None:
    load(arguments.model)  # so that what is wrong with it is said once, and here

    import uvicorn

    from target_service.serving import APP, Settings, hand_over

    hand_over(
        Settings(
            model=str(arguments.model),
            app_name=arguments.app_name,
            key=_token_key(),
            metrics=not arguments.without_metrics,
            host=arguments.host,
            metrics_ports=tuple(
                range(arguments.metrics_port, arguments.metrics_port + arguments.workers)
                if arguments.workers > 1
                else ()
            ),
        )
    )
    uvicorn.run(
        APP,
        factory=True,
        workers=arguments.workers,
        host=arguments.host,
        port=arguments.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def _token_key() -> bytes:
    key = os.environ.get(KEY_VARIABLE, "")
    if key:
        return key.encode()
    logger.info(
        "%s is not set: outcomes of predictions before this start are refused", KEY_VARIABLE
    )
    return secrets.token_bytes(32)


if __name__ == "__main__":
    main()
