"""The app that every service starts from: JSON errors, logs, traces, metrics, probes and its OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SessionInterface, SessionMixin
from werkzeug.routing import BaseConverter, MapAdapter

from servicekit import errors, health, logs, metrics, openapi, trace
from servicekit.config import BaseConfig

_NO_SESSION = SecureCookieSession()


def new_app(
    *,
    service: str,
    version: str,
    prefix: str,
    config: BaseConfig,
    check_ready: Callable[[], None],
    document: dict[str, Any],
    reserved: tuple[str, ...] = (),
) -> Flask:
    """A Flask app with everything but the routes of the service itself.

    `check_ready` raises ServiceError where something that the service depends on does not answer. `reserved` are the
    service's own words that stand in the place of an id, as in /api/v1/user/login: they are never taken for an id.
    Example: `new_app(service="cmpt756s2", version="v1", prefix="/api/v1/music", ...)`.
    """
    app = _App(service, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = config.max_body_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]
    # With or without the slash at the end: the same path. A redirect would cost the caller a round trip.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["default"] = _id_converter("health", "readiness", "openapi.json", *reserved)
    trace.install(app)
    logs.install(app, service, version)
    metrics.install(app, service, version, uncounted=("health", "readiness"))
    errors.install(app)
    health.install(app, prefix, check_ready)
    openapi.install(app, prefix, document)
    return app


class _NoSessions(SessionInterface):
    """There are tokens; a cookie would be looked for in each request."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin | None:
        del app, request
        return _NO_SESSION

    def is_null_session(self, obj: object) -> bool:
        del obj
        return True


class _App(Flask):
    """Flask without what is not used here and every request would pay: sessions, and hosts with routes of their own."""

    session_interface = _NoSessions()

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        if request is None:
            return super().create_url_adapter(request)
        return MapAdapter(self.url_map, "", "/", "", "http", request.path, request.method)


def _id_converter(*words: str) -> type[BaseConverter]:
    """What `<user_id>` stands for in a route: one segment of the path, but none of `words`."""

    class Id(BaseConverter):
        regex = rf"(?!(?:{'|'.join(map(re.escape, words))})\Z)[^/]+"

    return Id
