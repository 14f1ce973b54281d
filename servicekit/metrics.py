"""Metrics for Prometheus at /metrics: requests and durations, labelled by route template and never by raw path.

The label values are bounded: paths outside of every route share one value, and methods that no HTTP standard names are
not counted (anyone can send any word). With several workers the counts of all of them are added up: gunicorn_conf sets
PROMETHEUS_MULTIPROC_DIR then, before anything imports prometheus_client.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache

from flask import Flask, Response, g, request
from flask.globals import request_ctx
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_flask_exporter import PrometheusMetrics

UNMATCHED = "unmatched"
# RFC 9110 section 9 and RFC 5789
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})


def install(app: Flask, service: str, version: str, uncounted: tuple[str, ...]) -> None:
    """Counts the requests of `app` but for the endpoints `uncounted`, and serves /metrics. Needs logs.install."""
    left_out = frozenset((*uncounted, "metrics"))
    disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series per label set, which nobody reads
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:  # these describe one process only
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    # path=None: the exporter's own view takes ?name[]=..., which fails with several workers. Its two counts have the
    # same names and labels here, but what belongs to a label set is looked up once, and not in every request.
    metrics = PrometheusMetrics(app, path=None, export_defaults=False, registry=registry)
    metrics.info("app_info", "The service and its version", service=service, version=version)
    durations = Histogram(
        "flask_http_request_duration_seconds",
        "Flask HTTP request duration in seconds",
        ("method", "url_rule", "status"),
        registry=registry,
    )
    total = Counter(
        "flask_http_request_total", "Total number of HTTP requests", ("method", "status"), registry=registry
    )

    @cache  # as many as there are series
    def counted(method: str, rule: str, status: int) -> tuple[Callable[[float], None], Callable[[], None]]:
        return durations.labels(method, rule, status).observe, total.labels(method, status).inc

    @app.after_request
    def count(response: Response) -> Response:
        now = request_ctx.request
        if now.endpoint not in left_out and now.method in _METHODS:
            rule = now.url_rule.rule if now.url_rule else UNMATCHED
            observe, inc = counted(now.method, rule, response.status_code)
            observe(time.perf_counter() - g.started)
            inc()
        return response

    def view() -> Response:
        text, content_type = metrics.generate_metrics(request.headers.get("Accept"))
        return Response(text, content_type=content_type)

    app.add_url_rule("/metrics", "metrics", view)
