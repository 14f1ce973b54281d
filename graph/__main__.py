"""`python -m graph serve | report | snapshot`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from graph import graphs, png, report_text, reports, svg
from graph.errors import Advice, BadParameter, GraphError
from graph.focus import Focus
from graph.params import GraphOptions, check_name, parse_duration
from graph.servers import Servers
from graph.settings import Settings, check_url, from_environment
from graph.traffic import GRAPH_TYPES

_EPILOG = """
Prometheus is found by --prometheus, else PROMETHEUS_URL, else through the current context of kubectl (on pocket it is
on this machine); in another cluster: kubectl -n istio-system port-forward svc/prometheus 9090
"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m graph", description="The traffic graph and the traffic report.")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "serve", help="serve the graph; HOST, PORT, PROMETHEUS_URL, KUBECONFIG ... from the environment"
    )
    report = commands.add_parser("report", help="the traffic of a service in numbers", epilog=_EPILOG)
    report.add_argument("--namespace", default="c756ns")
    report.add_argument("--service", default="cmpt756s2")
    report.add_argument("--format", choices=("text", "json", "csv"), default="text")
    snapshot = commands.add_parser("snapshot", help="the graph as a picture", epilog=_EPILOG)
    snapshot.add_argument("--namespace", default="c756ns", help="or several, separated by commas")
    snapshot.add_argument("--graph-type", choices=GRAPH_TYPES, default="versionedApp")
    snapshot.add_argument("--app", help="zoomed: only this app, who asks it and whom it asks; of one namespace")
    snapshot.add_argument("--no-service-nodes", action="store_true")
    snapshot.add_argument("--idle-nodes", action="store_true")
    snapshot.add_argument("-o", "--output", type=Path, required=True, help="a file that ends in .svg or .png")
    for command in (report, snapshot):
        command.add_argument("--last", default="10m", metavar="TIME", help="the window up to --at: 60s, 10m, 1h")
        command.add_argument("--at", type=int, default=None, metavar="SECONDS", help="unix time; now")
        command.add_argument("--prometheus", metavar="URL")
    return made


def serve() -> None:
    """Becomes gunicorn, so that signals reach it directly."""
    settings = from_environment()
    arguments = [
        "gunicorn",
        "--bind", settings.host if settings.host.startswith("unix:") else f"{settings.host}:{settings.port}",
        "--worker-class", "gthread",
        "--workers", "1",
        "--threads", str(2 * settings.threads),  # while half of them wait for a slow Prometheus, others tell of health
        "--keep-alive", "75",  # seconds: longer than the Envoy in front uses an idle connection, as the services'
        "--graceful-timeout", "10",
        "--no-control-socket",
        "--log-level", "warning",
        "graph.server:create_app()",
    ]  # fmt: skip
    os.execvp(arguments[0], arguments)  # noqa: S606


def report(options: argparse.Namespace, servers: Servers) -> None:
    namespace, name = check_name("--namespace", options.namespace), check_name("--service", options.service)
    answer, advice = reports.ask(servers, namespace, name, _at(options), parse_duration("--last", options.last))
    _warn(advice)
    if options.format == "json":
        print(json.dumps(answer, indent=2))
    elif options.format == "csv":
        print(report_text.as_csv(answer), end="")
    else:
        print(report_text.text(answer))


def snapshot(options: argparse.Namespace, servers: Servers) -> None:
    if options.output.suffix not in (".svg", ".png"):
        raise BadParameter("--output", f"'{options.output}' ends neither in .svg nor in .png")
    namespaces = tuple(check_name("--namespace", name) for name in options.namespace.split(","))
    if options.app and len(namespaces) > 1:
        raise BadParameter("--app", f"zooms into one namespace, and --namespace names {len(namespaces)}")
    wanted = GraphOptions(
        namespaces=namespaces,
        graph_type=options.graph_type,
        duration=parse_duration("--last", options.last),
        query_time=_at(options),
        inject_service_nodes=not options.no_service_nodes or options.graph_type == "service",
        focus=Focus(namespaces[0], app=check_name("--app", options.app)) if options.app else None,
    )
    left_out = {"aggregateNode"} if options.idle_nodes else {"aggregateNode", "idleNode"}
    wanted = replace(wanted, appenders=wanted.appenders - left_out)
    answer = graphs.graph(servers, wanted)
    _warn([Advice(**warning) for warning in answer["c756"]["warnings"]])
    if answer["c756"]["empty"]:
        _warn([Advice(**answer["c756"]["empty"])])
    picture = svg.draw(answer)
    if options.output.suffix == ".svg":
        options.output.write_text(picture)
    else:
        png.convert(picture, options.output)
    nodes, edges = (len(answer["elements"][kind]) for kind in ("nodes", "edges"))
    print(f"{options.output}: {nodes} nodes, {edges} edges, the last {options.last}")


def _at(options: argparse.Namespace) -> int:
    return int(time.time()) if options.at is None else int(options.at)


def _warn(advice: Sequence[Advice]) -> None:
    for one in advice:
        print(f"graph: {one.message} {one.cure}", file=sys.stderr)


def _settings(options: argparse.Namespace) -> Settings:
    settings = from_environment()
    if options.prometheus:
        settings = replace(settings, prometheus_url=check_url("--prometheus", options.prometheus))
    return settings


def main(arguments: Sequence[str] | None = None) -> int:
    """0 for success, 1 where an answer cannot be given; why not is on standard error."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "serve":
            serve()
        logging.disable(logging.WARNING)  # what a person should know is part of the answer
        servers = Servers(_settings(options))
        try:
            {"report": report, "snapshot": snapshot}[options.command](options, servers)
        finally:
            servers.close()
    except (GraphError, OSError) as error:
        print(f"graph: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
