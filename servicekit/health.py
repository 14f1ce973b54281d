"""Health and readiness.

/health: the process answers. /readiness: what the service depends on answers, and the service is not shutting down.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from flask import Flask, Response, jsonify

from servicekit.errors import ServiceError, error_response

FRESH_SECONDS = 1.0  # an answer this old is still good: probes of many callers cannot pile up on what is behind
_EXTENSION = "servicekit.drain"


class Drain:
    """Whether this process is shutting down. The gunicorn worker begins it, readiness reports it."""

    def __init__(self) -> None:
        self.begun = False

    def begin(self) -> None:
        """From now on the service is not ready."""
        self.begun = True


class Readiness:
    """Asks `check` (which raises ServiceError where something is missing), at most once per `fresh` seconds."""

    def __init__(
        self, check: Callable[[], None], fresh: float = FRESH_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._check = check
        self._fresh = fresh
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: float | None = None
        self._problem: ServiceError | None = None

    def problem(self) -> ServiceError | None:
        """What is missing; None where the service is ready. Those who ask at the same time share one answer."""
        with self._lock:
            if self._asked is None or self._clock() - self._asked >= self._fresh:
                try:
                    self._check()
                    self._problem = None
                except ServiceError as error:
                    self._problem = error
                self._asked = self._clock()
            return self._problem


def drain_of(app: Flask) -> Drain:
    """The Drain of `app`."""
    drain: Drain = app.extensions[_EXTENSION]
    return drain


def install(app: Flask, prefix: str, check: Callable[[], None]) -> None:
    """Serves /health and /readiness under `prefix`."""
    drain = app.extensions[_EXTENSION] = Drain()
    readiness = Readiness(check)

    def health() -> Response:
        return jsonify({"status": "alive"})

    def ready() -> Response:
        if drain.begun:
            return error_response(503, "shutting down")
        problem = readiness.problem()
        if problem is not None:
            return error_response(503, problem.message)
        return jsonify({"status": "ready"})

    app.add_url_rule(f"{prefix}/health", "health", health)
    app.add_url_rule(f"{prefix}/readiness", "readiness", ready)
