"""`python -m graph serve | report | snapshot`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from graph.errors import GraphError
from graph.settings import from_environment


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m graph", description="The traffic graph and the traffic report.")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "serve", help="serve the graph (HOST, PORT, PROMETHEUS_URL, KUBECONFIG ... from the environment)"
    )
    return made


def serve() -> None:
    """Becomes gunicorn, so that signals reach it directly."""
    settings = from_environment()
    arguments = [
        "gunicorn",
        "--bind", f"{settings.host}:{settings.port}",
        "--worker-class", "gthread",
        "--workers", "1",
        "--threads", str(settings.threads),
        "--graceful-timeout", "10",
        "--no-control-socket",
        "--log-level", "warning",
        "graph.server:create_app()",
    ]  # fmt: skip
    os.execvp(arguments[0], arguments)  # noqa: S606


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        if options.command == "serve":
            serve()
    except GraphError as error:
        print(f"graph: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
