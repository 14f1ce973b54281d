"""Logs: one line of JSON per event on standard output, each with the id of its request."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g
from flask.globals import request_ctx

from servicekit import trace

access_log = logging.getLogger("servicekit.access")


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON; what was given as `extra={"fields": {...}}` stands at the top level."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line without its line break."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record_id := trace.request_id():
            line["request_id"] = record_id
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encode(line)


_encode = json.JSONEncoder(default=str).encode  # json.dumps would make one for each line


def log_config(level: str) -> dict[str, Any]:
    """What logging.config.dictConfig takes: everything, gunicorn's own lines included, as JSON to standard output.

    What no line shows is not looked up either: where in the code it was written, and by which thread and process
    (https://docs.python.org/3/howto/logging.html#optimization).
    """
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "servicekit.logs.JsonFormatter"}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
        "root": {"level": level, "handlers": ["stdout"]},
        "loggers": {
            "gunicorn.error": {"level": level, "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "ERROR", "handlers": [], "propagate": True},
            "urllib3": {"level": "ERROR"},  # it warns of every connection that a server closed while idle
        },
    }


def install(app: Flask, service: str, version: str) -> None:
    """Logs every request of `app` except probes and scrapes, which say nothing and are many."""
    quiet = frozenset(("health", "readiness", "metrics"))

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        now = request_ctx.request  # not the proxy, which looks it up for each attribute
        if now.endpoint not in quiet:
            fields = {
                "service": service,
                "version": version,
                "method": now.method,
                "path": now.path,
                "status": response.status_code,
                "ms": round((time.perf_counter() - g.started) * 1000, 2),
            }
            access_log.info("request", extra={"fields": fields})
        return response
