from __future__ import annotations

import struct
import zlib

import pytest

from pocket.api import spdy
from pocket.api.spdy import Data, Decoder, Encoder, Frame, GoAway, Ping, ProtocolError, Reset, SynReply, SynStream

FRAMES: list[Frame] = [
    SynStream(1, {"streamtype": "error", "port": "30000", "requestid": "0"}),
    Data(1, b"", fin=True),
    SynStream(3, {"streamtype": "data", "port": "30000", "requestid": "0"}),
    SynReply(3),
    SynReply(5, {"a": "ü"}, fin=True),
    Data(3, b"GET / HTTP/1.1\r\n\r\n"),
    Reset(3, spdy.CANCEL),
    Ping(7),
    GoAway(3, 0),
]


def test_the_dictionary_is_that_of_the_draft() -> None:
    # The header of every compressed block carries this sum (RFC 1950, DICTID).
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)
    first = Encoder().encode(SynStream(1, {}))
    assert first[18 + 2 : 18 + 6].hex() == "e3c6a7c2"


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_what_is_encoded_is_decoded(size: int) -> None:
    encoder, decoder = Encoder(), Decoder()
    wire = b"".join(encoder.encode(frame) for frame in FRAMES)
    pieces = [wire[at : at + size] for at in range(0, len(wire), size)]
    assert [frame for piece in pieces for frame in decoder.feed(piece)] == FRAMES


def test_frames_on_the_wire() -> None:
    """As the draft draws them."""
    assert Encoder().encode(Ping(1)).hex() == "8003000600000004" "00000001"
    assert Encoder().encode(Reset(5, 3)).hex() == "8003000300000008" "00000005" "00000003"
    assert Encoder().encode(GoAway(9)).hex() == "8003000700000008" "00000009" "00000000"
    assert Encoder().encode(Data(3, b"ab", fin=True)).hex() == "00000003" "01000002" "6162"
    reply = Encoder().encode(SynReply(3, fin=True))
    assert reply[:12].hex() == "80030002" + f"01{len(reply) - 8:06x}" + "00000003"
    assert zlib.decompressobj(zdict=spdy.DICTIONARY).decompress(reply[12:]) == bytes(4)


def test_names_of_headers_are_sent_in_lower_case() -> None:
    (frame,) = Decoder().feed(Encoder().encode(SynStream(1, {"streamType": "data"})))
    assert frame == SynStream(1, {"streamtype": "data"})


def control(kind: int, body: bytes, version: int = 3) -> bytes:
    return struct.pack(">HHI", 0x8000 | version, kind, len(body)) + body


def test_what_has_no_meaning_here_is_passed_over_but_its_headers_count() -> None:
    encoder = Encoder()
    headers = encoder.encode(SynReply(1, {"a": "b"}))[12:]
    wire = control(4, bytes(4)) + control(8, bytes(4) + headers) + control(9, bytes(8)) + control(77, b"x")
    wire += encoder.encode(SynStream(3, {"c": "d"}))
    assert list(Decoder().feed(wire)) == [SynStream(3, {"c": "d"})]


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (struct.pack(">II", 1, spdy.MAX_FRAME + 1), "a frame of 1048577 bytes"),
        (control(6, bytes(4), version=2), "SPDY/2 is spoken"),
        (control(3, bytes(4)), "too short"),
        (control(1, bytes(10) + b"no zlib"), "cannot be decompressed"),
    ],
)
def test_what_cannot_be_understood(wire: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        list(Decoder().feed(wire))


def test_headers_that_unfold_to_too_much() -> None:
    with pytest.raises(ProtocolError, match="more than 65536"):
        list(Decoder().feed(Encoder().encode(SynStream(1, {"a": "b" * 10**6}))))


def test_headers_that_end_too_soon() -> None:
    compress = zlib.compressobj(zdict=spdy.DICTIONARY)
    block = compress.compress(struct.pack(">II", 1, 100) + b"a") + compress.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(ProtocolError, match="middle of a text"):
        list(Decoder().feed(control(2, bytes(4) + block)))
