"""Whether SQLite's write-ahead log was damaged after it was written, and how much of it is good.

SQLite reads a log up to the first frame whose checksum does not fit, and takes that for the place where a power cut
came. One flipped bit in the middle then takes back, without a word, every commit behind it, though all were
acknowledged. The two can be told apart: with synchronous FULL a transaction is on the disk before the next one begins.
So if a commit stands behind the last good one and another frame of the same log (its salts) behind that, the former had
been whole.

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
        page, salts = int.from_bytes(head[8:12], "big"), head[16:24]
        last = int(struct.unpack_from("=I", index.read_bytes(), _LAST)[0])
        good = at = len(head) + last * (_FRAME_BYTES + page)
        committed = False
        while file.seek(at) and (frame := file.read(_FRAME_BYTES))[8:16] == salts:
            if committed:
                return good
            committed = frame[4:8] != bytes(4)  # the size of the database, in the last frame of a transaction
            at += _FRAME_BYTES + page
    return None


def _whole(head: bytes) -> bool:
    """Whether the checksum of the log's header fits."""
    magic = int.from_bytes(head[:4], "big")
    words = struct.unpack(">6I" if magic & 1 else "<6I", head[:24])
    one = two = 0
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & _WORD
        two = (two + second + one) & _WORD
    return magic & ~1 == _MAGIC and struct.unpack(">2I", head[24:32]) == (one, two)
