"""SPDY/3.1 frames, as `kubectl port-forward` speaks them: bytes in, frames out, and back. Pure.

After the SPDY draft 3 (draft-mbelshe-httpbis-spdy-00), as far as Kubernetes uses it: streams with headers, data,
half-close, reset, ping, going away. Nobody there heeds WINDOW_UPDATE: what is not read holds up the whole connection.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

VERSION = 3
FIN = 0x01

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY, HEADERS = 1, 2, 3, 6, 7, 8

# Status codes of RST_STREAM.
PROTOCOL_ERROR, INVALID_STREAM, CANCEL = 1, 2, 5

MAX_FRAME = 1 << 20
"""Bytes of one frame that we take; the protocol would allow 16 MiB, Kubernetes' clients send 32 KiB."""

_ID = 0x7FFFFFFF  # the bits of a stream's number
_MAX_HEADERS = 64 * 1024  # bytes of a header block after decompression

# Draft 3, section 2.6.10.1: what the compression of headers knows beforehand. Words, each with its length, then a text.
_WORDS = (
    "options,head,post,put,delete,trace,accept,accept-charset,accept-encoding,accept-language,accept-ranges,age,allow,"
    "authorization,cache-control,connection,content-base,content-encoding,content-language,content-length,"
    "content-location,content-md5,content-range,content-type,date,etag,expect,expires,from,host,if-match,"
    "if-modified-since,if-none-match,if-range,if-unmodified-since,last-modified,location,max-forwards,pragma,"
    "proxy-authenticate,proxy-authorization,range,referer,retry-after,server,te,trailer,transfer-encoding,upgrade,"
    "user-agent,vary,via,warning,www-authenticate,method,get,status,200 OK,version,HTTP/1.1,url,public,set-cookie,"
    "keep-alive,origin"
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(struct.pack(">I", len(word)) + word.encode() for word in _WORDS.split(",")) + _TEXT.encode()


class ProtocolError(Exception):
    """The peer does not speak SPDY/3: the connection cannot go on."""


@dataclass(frozen=True)
class SynStream:
    """The peer opens a stream. Names of headers are in lower case."""

    stream: int
    headers: Mapping[str, str]
    fin: bool = False  # it will send no data


@dataclass(frozen=True)
class SynReply:
    """The peer takes a stream that we opened."""

    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True)
class Data:
    """Bytes of a stream; `fin`: the last ones in this direction."""

    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True)
class Reset:
    """The stream is over in both directions, at once."""

    stream: int
    status: int = CANCEL


@dataclass(frozen=True)
class Ping:
    """To be sent back as it is by the side that did not begin it."""

    number: int


@dataclass(frozen=True)
class GoAway:
    """The peer opens no more streams."""

    last: int
    status: int = 0


Frame = SynStream | SynReply | Data | Reset | Ping | GoAway


class Decoder:
    """What the peer sends, in pieces of any size. Keeps the state of its compression."""

    def __init__(self) -> None:
        self._rest = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now. Raises ProtocolError."""
        self._rest += data
        while len(self._rest) >= 8:
            word, flags_and_length = struct.unpack_from(">II", self._rest)
            flags, length = flags_and_length >> 24, flags_and_length & 0xFFFFFF
            if length > MAX_FRAME:
                raise ProtocolError(f"a frame of {length} bytes; the most is {MAX_FRAME}")
            if len(self._rest) < 8 + length:
                return
            body, self._rest = self._rest[8 : 8 + length], self._rest[8 + length :]
            if word >> 31:
                frame = self._control(word, flags, body)
                if frame is not None:
                    yield frame
            else:
                yield Data(word, body, bool(flags & FIN))

    def _control(self, word: int, flags: int, body: bytes) -> Frame | None:
        """None for what has no meaning here (SETTINGS, HEADERS, WINDOW_UPDATE) and what the draft does not know."""
        version, kind = word >> 16 & 0x7FFF, word & 0xFFFF
        if version != VERSION:
            raise ProtocolError(f"SPDY/{version} is spoken, not SPDY/{VERSION}")
        try:
            if kind == SYN_STREAM:  # stream, associated stream, priority and slot, headers
                (stream,) = struct.unpack_from(">I", body)
                return SynStream(stream & _ID, self._headers(body[10:]), bool(flags & FIN))
            if kind == SYN_REPLY:
                (stream,) = struct.unpack_from(">I", body)
                return SynReply(stream & _ID, self._headers(body[4:]), bool(flags & FIN))
            if kind == RST_STREAM:
                stream, status = struct.unpack_from(">II", body)
                return Reset(stream & _ID, status)
            if kind == PING:
                return Ping(*struct.unpack_from(">I", body))
            if kind == GOAWAY:
                last, status = struct.unpack_from(">II", body)
                return GoAway(last & _ID, status)
            if kind == HEADERS:  # nobody needs them, but they are part of the compression's state
                self._headers(body[4:])
        except struct.error as error:
            raise ProtocolError(f"a frame of type {kind} is too short: {error}") from None
        return None

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block, _MAX_HEADERS)
        except zlib.error as error:
            raise ProtocolError(f"headers cannot be decompressed: {error}") from None
        if self._inflate.unconsumed_tail:
            raise ProtocolError(f"headers of more than {_MAX_HEADERS} bytes")
        if not plain:
            return {}
        (count,) = struct.unpack_from(">I", plain)
        position, headers = 4, {}
        for _ in range(count):
            name, position = _text(plain, position)
            headers[name], position = _text(plain, position)
        return headers


def _text(plain: bytes, position: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">I", plain, position)
    end = position + 4 + length
    if end > len(plain):
        raise ProtocolError("headers end in the middle of a text")
    return plain[position + 4 : end].decode("utf-8", "replace"), end


class Encoder:
    """What we send. Frames must go out in the order in which they were made: their headers share one compression."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def encode(self, frame: Frame) -> bytes:
        """One frame on the wire."""
        match frame:
            case SynStream(stream, headers, fin):
                return _control(SYN_STREAM, struct.pack(">IIH", stream, 0, 0) + self._headers(headers), fin)
            case SynReply(stream, headers, fin):
                return _control(SYN_REPLY, struct.pack(">I", stream) + self._headers(headers), fin)
            case Data(stream, data, fin):
                return struct.pack(">II", stream, (FIN if fin else 0) << 24 | len(data)) + data
            case Reset(stream, status):
                return _control(RST_STREAM, struct.pack(">II", stream, status))
            case Ping(number):
                return _control(PING, struct.pack(">I", number))
            case GoAway(last, status):
                return _control(GOAWAY, struct.pack(">II", last, status))

    def _headers(self, headers: Mapping[str, str]) -> bytes:
        texts = [text.encode() for name, value in headers.items() for text in (name.lower(), value)]
        plain = struct.pack(">I", len(headers)) + b"".join(struct.pack(">I", len(text)) + text for text in texts)
        return self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def _control(kind: int, body: bytes, fin: bool = False) -> bytes:
    return struct.pack(">HHI", 0x8000 | VERSION, kind, (FIN if fin else 0) << 24 | len(body)) + body
