"""The formats of a message's body: how each is told from the others, read and written. A new one is an entry here.

A body says by its first byte which it is: no MessagePack map or array begins like JSON.
"""

from typing import Any, NamedTuple

import msgspec


class Format(NamedTuple):
    """A format: msgspec's module for it (or one with the same `Decoder`, `Encoder`, `decode` and `encode`)."""

    codec: Any
    starts: frozenset[int]  # first bytes of a body
    arrays: frozenset[int]  # those of an array
    lines: bool = False  # whether a body may be several lines, each for itself


_ARRAYS = frozenset([*range(0x90, 0xA0), 0xDC, 0xDD])  # fixarray, array 16, array 32
_MAPS = frozenset([*range(0x80, 0x90), 0xDE, 0xDF])
FORMATS = {
    "json": Format(msgspec.json, frozenset(b"{[ \t\r\n"), frozenset(b"["), lines=True),
    "msgpack": Format(msgspec.msgpack, _MAPS | _ARRAYS, _ARRAYS),
}
OF_BYTE = {byte: name for name, each in FORMATS.items() for byte in each.starts}


def format_of(body: bytes) -> Format | None:
    """The format of a body; None for what begins like none of them."""
    name = OF_BYTE.get(body[0]) if body else None
    return None if name is None else FORMATS[name]


def read(body: bytes, type: Any = Any) -> Any:
    """The content of a body of any format. Raises msgspec.DecodeError."""
    found = format_of(body)
    if found is None:
        raise msgspec.DecodeError("neither of " + ", ".join(FORMATS))
    return found.codec.decode(body, type=type)
