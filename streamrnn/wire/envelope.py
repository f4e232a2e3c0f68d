"""The frames between a producer and a `router` input: one form both ways, one ZeroMQ frame each.

    byte  0   kind       H hello, W welcome, D data, A ack, N nack
          1   version    1
          2   length     of the source's name, 16 bits
          4   crc        CRC-32 (zlib's) of everything behind it, 32 bits
          8   epoch      64 bits
         16   seq        64 bits
         24   count      32 bits
         28   source     the name, UTF-8; then the body, to the end

Numbers are little-endian. `deploy/PROTOCOL.md` says what each kind means; this file only packs and reads.

Rejected: MessagePack for the header. Fixed fields are read without a library, cost a third of a microsecond, and the
CRC covers them together with the body.
"""

import struct
import zlib
from typing import NamedTuple

from streamrnn.errors import WireError

HELLO, WELCOME, DATA, ACK, NACK = b"HWDAN"
VERSION = 1
LARGEST = 2**63 - 1  # of an epoch and of a sequence number

# Why a message was not taken and may come again; every other code of a NACK is one of frames.REASONS, and final.
CODES = (
    "corrupt",  # the CRC does not fit, or it is none of these frames
    "gap",  # not the number that is expected, which the answer tells
    "epoch",  # a later life of this source has been heard: this one is over
    "busy",  # the disk is full
    "sources",  # a new source, and all are taken
)

_HEAD = struct.Struct("<BBHI")
_TAIL = struct.Struct("<QQI")
_WHOLE = struct.Struct("<BBHIQQI")
HEADER_BYTES = _WHOLE.size  # what stands before source and body


class Envelope(NamedTuple):
    """One frame, taken apart."""

    kind: int
    epoch: int
    seq: int  # of the first observation in it, or the mark that is told
    numbers: int  # how many it takes up: the observations in it
    source: bytes
    body: bytes


def pack(kind: int, source: bytes, epoch: int, seq: int, count: int = 0, body: bytes = b"") -> bytes:
    """The bytes of a frame."""
    covered = _TAIL.pack(epoch, seq, count) + source + body
    return _HEAD.pack(kind, VERSION, len(source), zlib.crc32(covered)) + covered


def unpack(frame: bytes) -> Envelope:
    """Read a frame. Raises WireError ("malformed") for everything that is none, or has changed on the way."""
    if len(frame) < HEADER_BYTES:
        raise WireError("malformed", f"{len(frame)} bytes are no frame: the header alone has {HEADER_BYTES}")
    kind, version, length, crc, epoch, seq, count = _WHOLE.unpack_from(frame)
    if version != VERSION:
        raise WireError("malformed", f"version {version}; this is version {VERSION}")
    if zlib.crc32(memoryview(frame)[8:]) != crc:
        raise WireError("malformed", "the CRC does not fit")
    end = HEADER_BYTES + length
    if len(frame) < end or epoch > LARGEST or seq > LARGEST - count:
        raise WireError("malformed", "a length or a number that cannot be")
    return Envelope(kind, epoch, seq, count, frame[HEADER_BYTES:end], frame[end:])
