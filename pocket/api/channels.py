"""The WebSocket protocol of `kubectl exec` and `kubectl attach`.

v5.channel.k8s.io and v4.channel.k8s.io: every message begins with the number of its channel
(https://kubernetes.io/docs/reference/using-api/websockets/). In v5 the message 255 N closes channel N, which is how
the end of the standard input arrives.
"""

from __future__ import annotations

import contextlib

from aiohttp import web

from pocket.api import errors, upgrade
from pocket.api import web as w
from pocket.objects import Obj

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
SUCCESS: Obj = {"metadata": {}, "status": "Success"}

_MAX_MESSAGE = 4 << 20  # bytes


def refuse_others(request: web.Request) -> None:
    """Raises ApiError 400 for a client that does not want a WebSocket."""
    if upgrade.wanted(request) != "websocket":
        raise errors.bad_request(
            "pocket runs commands over WebSocket only: use kubectl 1.31 or newer, "
            "or set KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true"
        )


async def accept(request: web.Request) -> tuple[web.WebSocketResponse, bool]:
    """Shake hands; the socket, and whether it is open: a client without a protocol of ours is told so.

    Raises ApiError.
    """
    socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=_MAX_MESSAGE, compress=False, timeout=2)
    if not socket.can_prepare(request).ok:
        raise errors.bad_request("this is no WebSocket handshake")
    await socket.prepare(request)
    if socket.ws_protocol is None:
        await socket.close(code=1002, message=b"speak v5.channel.k8s.io or v4.channel.k8s.io")
        return socket, False
    return socket, True


async def finish(socket: web.WebSocketResponse, status: Obj) -> None:
    """Send the final status and close."""
    with contextlib.suppress(ConnectionError):
        await socket.send_bytes(bytes([ERROR]) + w.encode(status))
        await socket.close()
