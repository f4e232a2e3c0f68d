"""Whether SQLite's write-ahead log was damaged after it was written, and how much of it is good.

SQLite reads a log up to the first frame whose salts or checksum do not fit, and takes that for the place where a power
cut came. One flipped bit in the middle then takes back, without a word, every commit behind it, though all were
acknowledged. The two can be told apart: with synchronous FULL a transaction is on the disk before the next one begins.
So if a commit stands behind the last good one and another frame of the same log (its salts) behind that, the former
had been whole. Frames of an older log may stand between: what a power cut kept from being written over. A frame with
other salts is one of this log all the same if the checksum of the next, which goes on from its own, fits.

Formats: https://www.sqlite.org/fileformat2.html#walformat and https://www.sqlite.org/walformat.html#the_wal_index_file_format
"""

import struct
from pathlib import Path

_HEADER_BYTES, _FRAME_BYTES = 32, 24  # the latter before each page
_MAGIC = 0x377F0682  # the lowest bit says in which order the checksum reads bytes
_LAST = 16  # in the index: the number of the last good frame
_WORD = 0xFFFFFFFF


def good_bytes(log: Path, index: Path) -> int | None:
    """How many bytes of a damaged log may be kept; None for one that is whole, or lacks its end at most.

    `index` is the shared memory file of a connection that has read the log.
    """
    with log.open("rb") as file:
        head = file.read(_HEADER_BYTES)
        if len(head) < _HEADER_BYTES:
            return None
        if not _whole(head):
            return 0
        size = _FRAME_BYTES + int.from_bytes(head[8:12], "big")
        last = int(struct.unpack_from("=I", index.read_bytes(), _LAST)[0])
        good = file.seek(len(head) + last * size)
        salts, order, committed = head[16:24], _order(head), False
        frame = file.read(size)
        while len(frame) > _FRAME_BYTES:
            follower = file.read(size)
            ours = frame[8:16] == salts
            if ours and committed:
                return good
            if ours or (follower[8:16] == salts and _follows(follower, frame, order)):
                committed = committed or _commits(frame)
            frame = follower
    return None


def _commits(frame: bytes) -> bool:
    """Whether it is the last of a transaction: the size of the database stands in it."""
    return frame[4:8] != bytes(4)


def _follows(frame: bytes, before: bytes, order: str) -> bool:
    """Whether the checksum of a frame goes on from that of the one before it."""
    start = struct.unpack(">2I", before[16:24])
    return _checksum(frame[:8] + frame[24:], order, start) == struct.unpack(">2I", frame[16:24])


def _whole(head: bytes) -> bool:
    """Whether the checksum of the log's header fits."""
    magic = int.from_bytes(head[:4], "big")
    return magic & ~1 == _MAGIC and struct.unpack(">2I", head[24:32]) == _checksum(head[:24], _order(head), (0, 0))


def _order(head: bytes) -> str:
    """In which order the checksum reads the bytes of a word."""
    return ">" if head[3] & 1 else "<"


def _checksum(data: bytes, order: str, start: tuple[int, ...]) -> tuple[int, int]:
    one, two = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data[: len(data) // 4 * 4])
    for first, second in zip(words[::2], words[1::2], strict=False):
        one = (one + first + two) & _WORD
        two = (two + second + one) & _WORD
    return one, two
