"""What a daemon must bear: frames that were right once, and what a peer that speaks no ZeroMQ, or a bad one, sends."""

import random
from collections.abc import Iterator

import msgspec

ONE = {"stream": "a", "time": 1e9, "values": {"flow": 1.5}, "seq": 3, "id": "x", "end": False}
CORPUS: list[object] = [
    ONE,
    [ONE, {**ONE, "stream": "b"}],
    {"stream": "a", "time": [1e9, 2e9], "values": {"flow": [1.0, None]}},
    {"stream": "a", "time": "2026-01-01T00:00:00Z", "values": [2.0]},
]
SPLINTERS = [
    b"1e999", b"NaN", b"-Infinity", b"1e31", b"null", b"{}", b"[]", b'""', b"\xff", b"\x00", b'"\\ud800"', b"-1",
    b"9" * 400, b"[" * 2000, b"{" * 2000, b"\x91" * 2000, b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc1",
    b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", b'"flow"', b'"values"', b"\n",
]  # fmt: skip


def broken(chance: random.Random) -> Iterator[bytes]:
    """Frames that were right once, cut, flipped, spliced, or filled with what parsers stumble over."""
    whole = [encode(item) for item in CORPUS for encode in (msgspec.json.encode, msgspec.msgpack.encode)]
    while True:
        frame = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(frame) + 1)
            match chance.randrange(5):
                case 0:
                    del frame[at:]
                case 1 if at < len(frame):
                    frame[at] ^= 1 << chance.randrange(8)
                case 2:
                    frame[at : at + chance.randint(0, 8)] = chance.choice(SPLINTERS)
                case 3:
                    frame[at:at] = chance.choice(whole)[: chance.randrange(40)]
                case _:
                    frame[at:at] = chance.randbytes(chance.randint(1, 8))
        yield bytes(frame)


def greeting(kind: str, version: bytes = b"\x03\x00", mechanism: bytes = b"NULL") -> bytes:
    """What a peer without a key says first, in ZMTP."""
    ready = b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind.encode()
    head = b"\xff" + bytes(8) + b"\x7f" + version + mechanism.ljust(20, b"\0") + bytes(32)
    return head + b"\x04" + bytes([len(ready)]) + ready


def noise(chance: random.Random, kind: str) -> bytes:
    """What somebody writes into a fresh connection, who may not know what listens there; `kind` is a socket's."""
    hello, rest = greeting(kind), chance.randbytes(chance.randrange(1, 2000))
    match chance.randrange(10):
        case 0:
            return rest
        case 1:
            return b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * chance.randrange(1, 50)
        case 2:  # half a handshake
            return hello[: chance.randrange(len(hello))]
        case 3:  # a version that is none, or is of long ago
            return greeting(kind, chance.choice([b"\x00", b"\x01", b"\x02", b"\x09", b"\xff"]) + b"\x00") + rest
        case 4:
            return greeting(kind, mechanism=chance.choice([b"PLAIN", b"CURVE", b"GSSAPI", b"", b"\xff" * 20])) + rest
        case 5:  # ZMTP 1: no signature, a frame with a length
            return bytes([chance.randrange(1, 255), 0]) + rest
        case 6:  # commands that are none, or lie about their length
            command = b"\x04" + bytes([chance.randrange(256)]) + chance.choice([b"\x05ERROR", b"\x04PING", b"\xff"])
            return hello + command + rest
        case 7:  # a length that cannot be
            return (
                hello + b"\x02" + chance.choice([b"\xff" * 8, b"\x7f" + b"\xff" * 7, (2**31).to_bytes(8, "big")]) + rest
            )
        case 8:  # parts without end
            return hello + b"\x01\x01x" * chance.randrange(2, 3000)
        case _:  # a greeting that is damaged in one place
            at = chance.randrange(len(hello))
            return hello[:at] + bytes([hello[at] ^ (1 << chance.randrange(8))]) + hello[at + 1 :] + rest
