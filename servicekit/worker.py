"""gunicorn's gevent worker, with an ending that loses no request, and its own errors as JSON.

On SIGTERM:
1. readiness says 503 at once, so that load balancers look elsewhere;
2. for DRAIN_SECONDS requests are still accepted and served, each answer with `Connection: close`;
3. what waits in the listening sockets is taken, then they close;
4. connections on which nothing happens are closed, requests in flight are finished (GRACEFUL_SECONDS at most).
"""

from __future__ import annotations

import gc
import json
import os
import re
import socket
import time
from functools import partial
from typing import Any

import gevent
from gevent import monkey
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.errors import AppImportError
from gunicorn.workers.ggevent import GeventWorker

from servicekit.config import ConfigError, Env, drain_seconds
from servicekit.health import drain_of

TICK = 0.1  # seconds between two looks at what has changed
LINGER = 1.0  # seconds for which the rest of a refused request is still read
GC_OBJECTS = 20_000  # new objects after which the garbage collector looks for cycles among them; Python's is 700
QUIET = 0.5  # seconds without a request after which a draining connection counts as idle


class _Recorder:
    """Stands in for a client's socket while gunicorn writes its own error page."""

    def __init__(self) -> None:
        self.written = b""

    def gettimeout(self) -> None:
        return None

    def setblocking(self, flag: bool) -> None:
        del flag

    def sendall(self, data: bytes) -> None:
        self.written += data


def json_error(page: bytes, detail: str) -> bytes:
    """The complete answer that replaces gunicorn's HTML error `page`.

    What the parser refuses is malformed: 400, as the contract has it, where gunicorn also knows 414, 417, 431 and 501.
    Only an error of this side stays 500, and says nothing of itself.
    """
    match = re.match(rb"HTTP/1\.1 (\d{3}) ([^\r\n]*)\r\n", page)
    status, reason = (int(match[1]), match[2].decode("latin1")) if match else (400, "Bad Request")
    if status == 500:
        line, message = b"500 Internal Server Error", "unexpected error in this service; its log has the details"
    else:
        line, message = b"400 Bad Request", f"{reason}: {detail}" if detail else reason
    body = json.dumps({"error": message}).encode()
    head = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Type: application/json\r\n" % line
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


class _Gathered:
    """Stands in for a client's socket while an answer is written: head and body leave together, in one packet."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._parts: list[bytes] = []
        self.sendall = self._parts.append

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def flush(self) -> None:
        if self._parts:
            self._client.sendall(b"".join(self._parts))

    def close(self) -> None:
        """gunicorn gives the answer up."""
        self._parts.clear()
        self._client.close()


def _end_reading(client: Any) -> None:
    """The reader of `client` gets what has arrived already, and then the end.

    gevent's own shutdown() would throw an error at the reader, so this goes past it, to the system's socket.
    """
    with monkey.get_original("socket", "socket")(fileno=os.dup(client.fileno())) as plain:
        plain.shutdown(socket.SHUT_RD)


class DrainingWorker(GeventWorker):  # type: ignore[misc]
    """See the module's text."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: dict[Any, float] = {}  # open connections without a request in flight, and since when
        self._drain_seconds = drain_seconds(Env())

    def load_wsgi(self) -> None:
        """Loads the app; a ConfigError ends the whole service with its message instead of a stack trace."""
        try:
            super().load_wsgi()
        except ConfigError as error:
            raise AppImportError(str(error)) from None
        # With `logconfig_dict` gunicorn gathers what an access log would say, `accesslog` or not.
        self.log.access = lambda *_: None
        # What is loaded stays: the garbage collector need not look at it again and again, and requests leave no cycles.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_OBJECTS)
        # gunicorn asks for some twenty settings in each request, and looks each up: they are attributes from now on.
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})

    def run(self) -> None:
        """Serves until SIGTERM, then ends as the module's text says."""
        servers = [self._serve(listener) for listener in self.sockets]
        while self.alive:
            self.notify()
            gevent.sleep(TICK)
        drain_of(self.wsgi).begin()
        deadline = time.monotonic() + self.cfg.graceful_timeout
        self._wait(min(time.monotonic() + self._drain_seconds, deadline))
        for server in servers:
            server.stop_accepting()
            while (waiting := server.do_read()) is not None:
                server.do_handle(*waiting)
            server.close()
        while any(len(server.pool) for server in servers) and time.monotonic() < deadline:
            self._close_idle(time.monotonic() - QUIET)
            self._wait(time.monotonic() + TICK)
        unfinished = sum(len(server.pool) for server in servers)
        if unfinished:
            self.log.warning("worker %s gives up on %d requests in flight", self.pid, unfinished)

    def _serve(self, listener: Any) -> StreamServer:
        listener.setblocking(True)
        pool = Pool(self.worker_connections)
        server = StreamServer(listener, handle=partial(self.handle, listener), spawn=pool)
        if self.cfg.workers > 1:
            server.max_accept = 1
        server.start()
        return server

    def _wait(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            self.notify()
            gevent.sleep(min(TICK, left))

    def _close_idle(self, before: float) -> None:
        for client, since in list(self._idle.items()):
            if since <= before:
                try:
                    _end_reading(client)
                except OSError:  # the client closed it first
                    self._idle.pop(client, None)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serves one connection."""
        self._idle[client] = time.monotonic()
        try:
            super().handle(listener, client, addr)
        finally:
            self._idle.pop(client, None)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Serves one request."""
        self._idle.pop(sock, None)
        answer = _Gathered(sock)
        try:
            super().handle_request(listener_name, req, answer, addr)
        except StopIteration:  # the last one on this connection
            answer.flush()
            raise
        answer.flush()
        self._idle[sock] = time.monotonic()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answers what gunicorn's parser refused, in the shape of every error of ours."""
        recorder = _Recorder()
        super().handle_error(req, recorder, addr, exc)
        if recorder.written:
            try:
                client.sendall(json_error(recorder.written, str(exc)))
                client.shutdown(socket.SHUT_WR)
                # Closing with unread input would reset the connection, and the client would never see its error.
                with gevent.Timeout(LINGER, False):
                    while client.recv(65536):
                        pass
            except OSError as error:
                self.log.debug("the client left before its error: %s", error)
