"""HTTP/1.1 to one server over pooled connections, with as little work per call as there can be.

The usual answer (one Content-Length, not chunked) is read here. Every other is left to the standard library's
http.client, and so are connections, TLS and proxies' tunnels. Nothing is decoded, redirected or remembered (cookies).
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
from collections import deque
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BufferedReader
from types import SimpleNamespace
from typing import NamedTuple, cast
from urllib.parse import unquote, urlsplit

from requests.utils import get_environ_proxies, select_proxy

# Statuses below 200, 204 and 304 have no body whatever their fields say (RFC 9112 section 6.3): for http.client.
_STATUS = re.compile(rb"HTTP/1\.1 (?!204|304)([2-5]\d\d)[ \r]")
_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|connection)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_READ_BYTES = 65536


class WireError(Exception):
    """A call without an answer; itself where what came cannot be read, and of a class below otherwise."""


class NoConnection(WireError):
    """Nobody there, or not in time."""


class Cut(NoConnection):
    """The connection ended before the answer began."""


class ReadTimeout(WireError):
    """No answer in time."""


class Answer(NamedTuple):
    """What came back; `head` is the status line and the fields as they were sent, empty where http.client read them."""

    status: int
    head: bytes
    body: bytes


class _Connection(NamedTuple):
    sock: socket.socket
    reader: BufferedReader

    def close(self) -> None:
        self.reader.close()
        self.sock.close()


class Wire:
    """Calls to the server at `url`, through the proxy that the environment names for it unless `proxies` is false.

    Timeouts are in seconds; `read_timeout` is for each piece of an answer. `ca_file` replaces the system's authorities.
    """

    def __init__(
        self,
        url: str,
        connect_timeout: float,
        read_timeout: float,
        pool_size: int,
        proxies: bool = True,
        ca_file: str | None = None,
    ) -> None:
        server = urlsplit(url)
        proxy = urlsplit((select_proxy(url, get_environ_proxies(url)) if proxies else None) or "")
        self.host = server.netloc.rpartition("@")[2]
        self._timeouts = connect_timeout, read_timeout
        self._idle: deque[_Connection] = deque(maxlen=pool_size)
        self._context = ssl.create_default_context(cafile=ca_file) if server.scheme == "https" else None
        peer = proxy if proxy.hostname else server
        self._peer = peer.hostname or "", peer.port or (443 if peer.scheme == "https" else 80)
        self._tunnel = (server.hostname or "", server.port or 443) if proxy.hostname and self._context else None
        pair = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}".encode()
        secret = {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"} if proxy.username else {}
        self._tunnel_fields = secret if self._tunnel else {}
        # RFC 9112 section 3.2.2: a proxy without a tunnel is told the whole URL.
        self._target = url if proxy.hostname and not self._tunnel else server.path
        own = {"Host": self.host, "Accept-Encoding": "identity"} | ({} if self._tunnel else secret)
        self._fields = "".join(f"{name}: {value}\r\n" for name, value in own.items())

    def call(self, method: str, path: str, fields: str = "", body: bytes = b"", *, repeat: bool = False) -> Answer:
        """Sends a request with the header `fields` (lines that end in CRLF) and returns the answer of whatever status.

        `repeat`: where the connection was cut before the answer, the request goes out once more, on a new one.
        Raises WireError.
        """
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {self._target}{path} HTTP/1.1\r\n{self._fields}{length}{fields}\r\n"
        request = head.encode("latin1") + body
        try:
            return self._exchange(self._pooled() or self._connect(), request)
        except Cut:
            if not repeat:
                raise
            return self._exchange(self._connect(), request)

    def _pooled(self) -> _Connection | None:
        """A connection on which nothing has come since the last answer: neither the end, nor what nobody asked for."""
        while self._idle:
            connection = self._idle.pop()
            connection.sock.settimeout(0)
            try:
                connection.sock.recv(1)
            except (BlockingIOError, ssl.SSLWantReadError):
                connection.sock.settimeout(self._timeouts[1])
                return connection
            except OSError:
                pass  # it was reset: as good as closed
            connection.close()
        return None

    def _connect(self) -> _Connection:
        opened = HTTPConnection(*self._peer, timeout=self._timeouts[0])
        if self._context:
            opened = HTTPSConnection(*self._peer, timeout=self._timeouts[0], context=self._context)
        if self._tunnel:
            opened.set_tunnel(*self._tunnel, headers=self._tunnel_fields)
        try:
            opened.connect()
        except OSError as error:
            raise NoConnection(str(error)) from error
        opened.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        opened.sock.settimeout(self._timeouts[1])
        return _Connection(opened.sock, cast(BufferedReader, opened.sock.makefile("rb", _READ_BYTES)))

    def _exchange(self, connection: _Connection, request: bytes) -> Answer:
        """One request and its answer; the connection is kept where it can be used again, and closed otherwise."""
        keep, begun = False, b""
        try:
            connection.sock.sendall(request)
            begun = connection.reader.peek()
            if not begun:
                raise Cut("closed before the answer")
            answer, keep = _receive(connection.reader, begun)
            return answer
        except TimeoutError as error:
            raise ReadTimeout(str(error)) from error
        except (OSError, HTTPException, ValueError) as error:
            raise (WireError if begun else Cut)(f"{type(error).__name__}: {error}") from error
        finally:
            if keep and len(self._idle) < (self._idle.maxlen or 0):
                self._idle.append(connection)
            else:
                connection.close()


def _receive(reader: BufferedReader, begun: bytes) -> tuple[Answer, bool]:
    """The answer that begins with `begun`, and whether another can follow on this connection."""
    end = begun.find(b"\r\n\r\n") + 4
    status = _STATUS.match(begun)
    found = _FRAMING.findall(begun, 0, end)
    framing = {name.lower(): value for name, value in found}
    length = framing.get(b"content-length", b"")
    usual = len(framing) == len(found) and b"transfer-encoding" not in framing
    if status and end > 4 and length.isdigit() and usual:
        raw = reader.read(end + int(length))
        if len(raw) < end + int(length):
            raise ValueError("the answer ends before its Content-Length")
        keep = framing.get(b"connection", b"keep-alive").lower() == b"keep-alive"
        return Answer(int(status[1]), raw[:end], raw[end:]), keep
    response = HTTPResponse(cast(socket.socket, SimpleNamespace(makefile=lambda _: reader)))
    response.begin()
    return Answer(response.status, b"", response.read()), False
