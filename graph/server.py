"""The HTTP server: the page, Kiali's API and our own. It only reads; every parameter is checked.

Kiali's paths and shapes: /api/status, /api/config, /api/namespaces, /api/namespaces/graph and the node graphs.
Ours: /api/c756/details/*, /api/c756/changes, /api/c756/weights, /api/c756/dashboards.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path, PurePath

from flask import Blueprint, Flask, Response, jsonify, redirect, request, send_from_directory
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from graph import boards, dashboards, graphs, health, lists, panel
from graph.details import Selection, Window
from graph.errors import Advice, BadParameter, GraphError, NotFound
from graph.focus import Focus
from graph.params import Reader, check_name, read_graph_options
from graph.servers import Servers
from graph.settings import HERE, Settings, from_environment
from graph.traffic import GRAPH_TYPES

log = logging.getLogger("graph")

VERSION = "c756"
DURATIONS = (60, 300, 600, 1800, 3600)
REFRESH = (0, 10, 15, 30, 60, 300)
VENDOR = {
    "cytoscape.mjs": "cytoscape/dist/cytoscape.esm.min.mjs",
    "cytoscape-dagre.mjs": "cytoscape-dagre/dist/cytoscape-dagre.min.mjs",
}
"""The libraries of the page, by the name that it loads them under: files in node_modules (see Dockerfile)."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'self'; form-action 'none'; frame-ancestors 'self'"
)
"""Content-Security-Policy: the page loads nothing from elsewhere and runs nothing that stands in its text."""

TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""Media types of the page's files: what the system knows about them differs from machine to machine."""


def create_app(settings: Settings | None = None, servers: Servers | None = None) -> Flask:
    """The application. gunicorn calls it without arguments; settings come from the environment then."""
    settings = settings or from_environment()
    app = Flask("graph", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    servers = servers or Servers(settings)
    app.register_blueprint(_pages(settings), url_prefix=settings.base_path)
    app.register_blueprint(_api(settings, servers), url_prefix=settings.base_path + "/api")
    app.add_url_rule("/", "root", lambda: redirect(settings.base_path + "/"))
    app.add_url_rule("/healthz", "healthz", lambda: _text("ok"))
    for path in ("/grafana", "/grafana/", "/grafana/<path:_rest>"):
        app.add_url_rule(path, path, lambda _rest="": redirect(settings.base_path + "/metrics"))
    app.register_error_handler(GraphError, _graph_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)
    app.after_request(_headers)
    return app


# -- pages


def _pages(settings: Settings) -> Blueprint:
    pages = Blueprint("pages", __name__)

    def page(name: str) -> Callable[..., BaseResponse]:
        def show() -> BaseResponse:
            file = HERE / "static" / name
            if not file.is_file():
                raise NotFound(f"The page {name} is not installed.", "The API under api/ works without it.")
            return Response(file.read_text().replace("%BASE%", settings.base_path + "/"), mimetype="text/html")

        return show

    pages.add_url_rule("/", "index", page("index.html"))
    for path in ("/console", "/console/", "/console/graph/namespaces", "/console/graph/namespaces/"):
        pages.add_url_rule(path, path.replace("/", "_"), page("index.html"))
    pages.add_url_rule("/metrics", "metrics", page("metrics.html"))
    pages.add_url_rule("/healthz", "healthz", lambda: _text("ok"))

    @pages.get("/static/<path:name>")
    def static(name: str) -> BaseResponse:
        return _file(HERE / "static", name)

    @pages.get("/vendor/<name>")
    def vendor(name: str) -> BaseResponse:
        if name not in VENDOR:
            raise NotFound(f"There is no library {name}.", f"There are: {', '.join(VENDOR)}.")
        folder = HERE / "node_modules"
        if not (folder / VENDOR[name]).is_file():
            raise NotFound(f"The library {name} is not installed.", "Install it: npm ci --prefix graph")
        return _file(folder, VENDOR[name])

    return pages


def _file(folder: Path, name: str) -> Response:
    return send_from_directory(folder, name, mimetype=TYPES.get(PurePath(name).suffix))


# -- API


def _api(settings: Settings, servers: Servers) -> Blueprint:
    api = Blueprint("api", __name__)
    api.add_url_rule("/status", "status", lambda: _status(servers))
    api.add_url_rule("/config", "config", lambda: _config(settings))
    api.add_url_rule("/namespaces", "namespaces", lambda: _namespaces(servers))
    api.add_url_rule("/namespaces/graph", "graph", lambda: _graph(servers))
    _node_graphs(api, servers)
    _details(api, servers)
    _extras(api, servers)
    _dashboards(api, settings, servers)
    return api


def _status(servers: Servers) -> Response:
    _no_parameters()
    asked, advice = lists.versions_of_servers(servers)
    return jsonify(
        {
            "status": {"Kiali state": "running", "Kiali version": VERSION, "Kiali core version": VERSION},
            "externalServices": asked,
            "warningMessages": [one.as_json() for one in advice],
            "istioEnvironment": {"isMaistra": False},
        }
    )


def _config(settings: Settings) -> Response:
    _no_parameters()
    return jsonify(
        {
            "istioNamespace": settings.istio_namespace,
            "istioLabels": {"appLabelName": "app", "versionLabelName": "version"},
            "prometheus": {"globalScrapeInterval": 15, "storageTsdbRetention": 21600},
            "kialiFeatureFlags": {
                "uiDefaults": {
                    "namespaces": list(settings.default_namespaces),
                    "metricsPerRefresh": "1m",
                    "refreshInterval": "15s",
                }
            },
            "c756": {
                "basePath": settings.base_path + "/",
                "defaultNamespaces": list(settings.default_namespaces),
                "graphTypes": list(GRAPH_TYPES),
                "durations": list(DURATIONS),
                "refreshIntervals": list(REFRESH),
                "health": [tolerance.as_json() for tolerance in health.TOLERANCES],
                "version": VERSION,
            },
        }
    )


def _namespaces(servers: Servers) -> Response:
    _no_parameters()
    return jsonify(lists.namespaces(servers, time.time()))


def _graph(servers: Servers) -> Response:
    return jsonify(graphs.graph(servers, read_graph_options(_parameters(), _now())))


def _node_graphs(api: Blueprint, servers: Servers) -> None:
    """Kiali's zoomed graphs: the node is in the path."""

    def node_graph(namespace: str, **fields: str) -> Response:
        options = read_graph_options(_parameters(), _now(), Focus(namespace, **fields))
        return jsonify(graphs.graph(servers, options))

    for number, path in enumerate(
        (
            "applications/<app>/versions/<version>",
            "applications/<app>",
            "services/<service>",
            "workloads/<workload>",
        )
    ):
        api.add_url_rule(f"/namespaces/<namespace>/{path}/graph", f"node_graph_{number}", node_graph)


def _details(api: Blueprint, servers: Servers) -> None:
    @api.get("/c756/details/graph")
    def graph_details() -> Response:
        reader = Reader(_parameters())
        namespaces = reader.names("namespaces")
        window = _window(reader, servers, 60)
        return jsonify(panel.graph_details(servers, namespaces, window))

    @api.get("/c756/details/node")
    def node_details() -> Response:
        reader = Reader(_parameters())
        selection = _selection(reader, "")
        return jsonify(panel.node_details(servers, selection, _window(reader, servers, 60)))

    @api.get("/c756/details/edge")
    def edge_details() -> Response:
        reader = Reader(_parameters())
        source, target = _selection(reader, "source."), _selection(reader, "dest.")
        reader.ignore("protocol")
        return jsonify(panel.edge_details(servers, source, target, _window(reader, servers, 60)))


def _extras(api: Blueprint, servers: Servers) -> None:
    """What Kiali does not tell: what was changed, and whether weights are kept."""

    def asked() -> tuple[tuple[str, ...], int, int]:
        reader = Reader(_parameters())
        names, seconds = reader.names("namespaces"), reader.duration("duration", "60s")
        end = reader.whole("queryTime", _now(), 0, 10**11)
        reader.done()
        return names, end, seconds

    @api.get("/c756/changes")
    def changes() -> Response:
        return jsonify(panel.changes_within(servers, *asked()))

    @api.get("/c756/weights")
    def weights() -> Response:
        return jsonify(panel.all_weights(servers, *asked()))


def _dashboards(api: Blueprint, settings: Settings, servers: Servers) -> None:
    @api.get("/c756/dashboards")
    def all_dashboards() -> Response:
        _no_parameters()
        boards = dashboards.load(settings.dashboards).values()
        return jsonify([board.summary() for board in sorted(boards, key=lambda board: board.title)])

    @api.get("/c756/dashboards/<uid>")
    def one_dashboard(uid: str) -> Response:
        board = dashboards.find(dashboards.load(settings.dashboards), uid)
        reader = Reader(_parameters())
        asked = reader.rest("var-")
        return jsonify(boards.dashboard(servers, board, asked, _window(reader, servers, 120, "10m")))


def _selection(reader: Reader, prefix: str) -> Selection:
    """A node by its own fields, as they stand in the graph's JSON."""
    kinds = ("app", "service", "workload", "unknown", "box", "aggregate")
    node_type = reader.choice(prefix + "nodeType", kinds)
    texts = {name: reader.text(prefix + name, "") for name in ("namespace", "workload", "app", "version", "service")}
    aggregate = reader.text(prefix + "aggregate", "")
    for name in ("namespace", "workload", "app"):
        if texts[name]:
            check_name(prefix + name, texts[name])
    if node_type == "unknown":
        return Selection("unknown")
    if not texts["namespace"]:
        raise BadParameter(prefix + "namespace", "is missing")
    needed = {"service": "service", "workload": "workload", "aggregate": "aggregate"}.get(node_type)
    if needed and not {**texts, "aggregate": aggregate}[needed]:
        raise BadParameter(prefix + needed, f"is missing; a node of type {node_type} has one")
    if node_type == "app" and not texts["app"] and not texts["workload"]:
        raise BadParameter(prefix + "app", "is missing; a node of type app has one")
    if aggregate:
        label, _, value = aggregate.partition("=")
        if not value or not label.isidentifier():
            raise BadParameter(prefix + "aggregate", f"'{aggregate}' is not of the form label=value")
    return Selection(
        node_type,
        texts["namespace"],
        texts["workload"],
        texts["app"],
        texts["version"],
        texts["service"],
        aggregate=aggregate,
    )


def _window(reader: Reader, servers: Servers, points: int, duration: str = "60s") -> Window:
    """Reads the last parameters of a request, then refuses what is left over."""
    seconds = reader.duration("duration", duration)
    end = reader.whole("queryTime", _now(), 0, 10**11)
    points = reader.whole("points", points, 2, 500)
    reader.done()
    return panel.window(servers, end, seconds, points)


def _parameters() -> dict[str, list[str]]:
    return request.args.to_dict(flat=False)


def _no_parameters() -> None:
    Reader(_parameters()).done()


def _now() -> int:
    return int(time.time())


# -- answers


def _text(text: str) -> Response:
    return Response(text, mimetype="text/plain")


def _error(status: int, advice: Advice) -> tuple[Response, int]:
    return jsonify({"error": advice.message, "reason": advice.reason, "cure": advice.cure}), status


def _graph_error(error: GraphError) -> tuple[Response, int]:
    if error.status >= 500:
        log.warning("%s %s: %s", request.method, request.path, error)
    return _error(error.status, error.advice)


def _http_error(error: HTTPException) -> BaseResponse | tuple[Response, int]:
    code = error.code or 500
    if code < 400:
        return error.get_response()  # a redirect that the router made
    return _error(code, Advice("notFound" if code == 404 else "http", f"{error.name}: {request.path}", ""))


def _unexpected(error: Exception) -> tuple[Response, int]:
    log.exception("%s %s", request.method, request.path, exc_info=error)
    return _error(500, Advice("bug", "The graph server has made a mistake; its log says where.", "Please report it."))


def _headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-cache")
    if response.mimetype == "application/json":
        response.headers["Cache-Control"] = "no-store"
    return response
