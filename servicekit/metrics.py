"""Metrics for Prometheus at /metrics: requests and durations, labelled by route template and never by raw path.

The label values are bounded: paths outside of every route share one value, and methods that no HTTP standard names are
not counted (anyone can send any word). With several workers the counts of all of them are added up: gunicorn_conf sets
PROMETHEUS_MULTIPROC_DIR then, before anything imports prometheus_client.
"""

from __future__ import annotations

import os

from flask import Flask, Request, Response, request
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_flask_exporter import PrometheusMetrics

UNMATCHED = "unmatched"
# RFC 9110 section 9 and RFC 5789
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})


def url_rule(incoming: Request) -> str:
    """The value of the label `url_rule`; its name is the name of this function.

    Example: "/api/v1/music/<music_id>".
    """
    return incoming.url_rule.rule if incoming.url_rule is not None else UNMATCHED


def install(app: Flask, service: str, version: str, uncounted: tuple[str, ...]) -> None:
    """Counts the requests of `app`, except those to the endpoints `uncounted`, and serves /metrics."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series per label set, which nobody reads
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:  # these describe one process only
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    @app.before_request
    def leave_out() -> None:  # must stand before the exporter's own hook
        if request.endpoint in uncounted or request.endpoint == "metrics" or request.method not in _METHODS:
            request.prom_do_not_track = True  # type: ignore[attr-defined]

    # path=None: the exporter's own view takes ?name[]=..., which fails with several workers.
    metrics = PrometheusMetrics(app, path=None, group_by=url_rule, registry=registry)
    metrics.info("app_info", "The service and its version", service=service, version=version)

    def view() -> Response:
        text, content_type = metrics.generate_metrics(request.headers.get("Accept"))
        return Response(text, content_type=content_type)

    app.add_url_rule("/metrics", "metrics", view)
