"""A DynamoDB that always answers the same, in its wire format: no emulator is the limit. `dynamodb.py PORT`.

Any key is found, any item is stored. It costs about 0.05 ms of CPU per call.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any, cast

LIST = 100  # items in a Scan
_ITEM = {"music_id": {"S": "6ecfafd0-8a35-4af6-a9e2-cbd79b3abeea"}, "Artist": {"S": "Taylor Swift"}}
_ITEM["SongTitle"] = {"S": "The Last Great American Dynasty"}
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_ACTION = re.compile(rb"(?i)\r\nx-amz-target: *DynamoDB_\w+\.(\w+)")


def _answer(body: dict[str, Any]) -> bytes:
    raw = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n" % len(raw) + raw


_EMPTY = _answer({})
ANSWERS = {
    b"GetItem": _answer({"Item": _ITEM}),
    b"Query": _answer({"Items": [_ITEM], "Count": 1, "ScannedCount": 1}),
    b"Scan": _answer({"Items": [_ITEM] * LIST, "Count": LIST, "ScannedCount": LIST}),
    b"PutItem": _EMPTY,
}


class DynamoDB(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answers every whole request in what has arrived."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._buffer, 0, end)
            after = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < after:
                return
            action = _ACTION.search(self._buffer, 0, end)
            self._transport.write(ANSWERS.get(action[1] if action else b"", _EMPTY))
            self._buffer = self._buffer[after:]


async def serve(port: int) -> None:
    """Serves on loopback until it is ended."""
    server = await asyncio.get_running_loop().create_server(DynamoDB, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
