"""`pilot-agent request METHOD PATH`: a word with the Envoy of this pod, as in Istio's proxy image.

    python pilot_agent.py SOCKET GET config_dump

Started for each request, so it imports nothing of pocket.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
from pathlib import Path

_TIMEOUT = 10  # seconds


def main(argv: list[str]) -> int:
    """Print the answer of the admin interface; 1 when there is none or it is an error."""
    if len(argv) != 3 or argv[1].upper() not in ("GET", "POST"):
        print("usage: pilot-agent request GET|POST PATH", file=sys.stderr)
        return 1
    admin, method, path = argv
    try:
        status, body = request(Path(admin), method.upper(), path)
    except (OSError, http.client.HTTPException) as error:
        print(f"pilot-agent: Envoy's admin interface does not answer: {error}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(body)
    sys.stdout.flush()
    return 0 if status < 400 else 1


def request(admin: Path, method: str, path: str) -> tuple[int, bytes]:
    """Status and body. Raises OSError."""
    connection = http.client.HTTPConnection("envoy", timeout=_TIMEOUT)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(_TIMEOUT)
    os.chdir(admin.parent)  # a relative path: that of a Unix socket must be shorter than 108 bytes
    try:
        connection.sock.connect(admin.name)
        connection.request(method, "/" + path.lstrip("/"))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
