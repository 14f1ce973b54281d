"""gunicorn's settings, from the environment: `gunicorn -c python:servicekit.gunicorn_conf "app:create_app()"`.

HOST, PORT        where to listen (0.0.0.0 and 30000; each image sets its own PORT); or HOST=unix:PATH, a Unix socket,
                  as the label io.c756.listens of our images promises
WORKERS           processes: 1 where services share cores, as one per service is then the fastest; `auto` is one per
                  core that this process may use, for pods that have cores of their own
CONNECTIONS       requests at the same time, per worker
KEEPALIVE_SECONDS how long an idle connection stays open: longer than the callers' pools use it
DRAIN_SECONDS     how long a stopping worker goes on accepting, until every load balancer knows (1; a pod's preStop
                  has given them time before)
GRACEFUL_SECONDS  when a stopping worker gives up on requests in flight (9: with the pods' preStop of 5 s it is over
                  before their sidecars end, 15 s after the deletion)
LOG_LEVEL         DEBUG, INFO, WARNING, ERROR

This module is loaded before gevent patches the standard library: it must not import requests, boto3 or ssl.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

from servicekit.config import MAX_PORT, ConfigError, Env, drain_seconds
from servicekit.logs import log_config


def worker_count(wanted: str, cores: int) -> int:
    """The number of workers for WORKERS=`wanted`; raises ValueError for what is neither `auto` nor 1..64."""
    count = cores if wanted == "auto" else int(wanted)
    if not 1 <= count <= 64:
        raise ValueError(wanted)
    return count


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _settings(env: Env) -> dict[str, Any]:
    raw_workers = env.text("WORKERS", "1")
    try:
        workers = worker_count(raw_workers, _cores())
    except ValueError:
        raise ConfigError(f"cannot start: WORKERS={raw_workers!r} is neither `auto` nor from 1 to 64") from None
    level = env.text("LOG_LEVEL", "INFO").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ConfigError(f"cannot start: LOG_LEVEL={level!r} is none of DEBUG, INFO, WARNING, ERROR")
    host = env.text("HOST", "0.0.0.0")  # noqa: S104  a pod listens for its whole network
    port = env.integer("PORT", 30000, 1, MAX_PORT)
    settings = {
        "bind": [host if host.startswith("unix:") else f"{f'[{host}]' if ':' in host else host}:{port}"],
        "workers": workers,
        "worker_connections": env.integer("CONNECTIONS", 1000, 1, 100_000),
        "keepalive": env.integer("KEEPALIVE_SECONDS", 75, 0, 3600),
        "graceful_timeout": env.integer("GRACEFUL_SECONDS", 9, 1, 3600),
        "logconfig_dict": log_config(level),
    }
    drain_seconds(env)  # the worker reads it too; a wrong value should stop us here
    env.check()
    return settings


try:
    _values = _settings(Env())
except ConfigError as _error:
    sys.exit(str(_error))

bind = _values["bind"]
workers = _values["workers"]
worker_connections = _values["worker_connections"]
keepalive = _values["keepalive"]
graceful_timeout = _values["graceful_timeout"]
logconfig_dict = _values["logconfig_dict"]
worker_class = "servicekit.worker.DrainingWorker"
worker_tmp_dir = tempfile.gettempdir()  # gunicorn's heartbeat file
control_socket_disable = True  # its place is under HOME, which several services may share
backlog = 2048
limit_request_line = 8190  # bytes, the most that gunicorn allows; ids in a query are up to 255 characters
accesslog = None  # servicekit.logs writes one line per request, with its id

if workers > 1:
    # Before anything imports prometheus_client, which chooses its storage at import.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="metrics-")


def when_ready(server: Any) -> None:
    """A Unix socket stays when the stopping master closes it, as one of systemd's does: its workers go on accepting."""
    server.systemd = True


def child_exit(server: Any, worker: Any) -> None:
    """Gauges of a dead worker are no longer added up; its counters stay."""
    del server
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
