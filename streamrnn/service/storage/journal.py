"""The journal: every frame as it was received, under a log sequence number (lsn), before it is applied.

A batch is appended in one transaction, then applied, then published. The published-mark stored with a batch says what
had been sent before it, so a restart knows which answers it may have to send again. What is kept, by durability:

- "commit": `append` returns when the batch is on the disk. Nothing that was appended is lost.
- "interval": the transaction stays open until `tick` finds `interval` seconds passed (or a checkpoint commits): as much
  may be lost when the process or the machine dies.
- "off": numbers are handed out and nothing is written; a crash goes back to the last checkpoint.

A number is never handed out twice. With "commit" the highest one stands in the marks of its own transaction. Otherwise
numbers are reserved in blocks, durably, before the first of a block is used: after a crash numbering goes on behind the
block, with a gap.
"""

import struct
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from sqlite3 import Connection

from streamrnn.service.storage.blame import damaged
from streamrnn.service.storage.store import Store
from streamrnn.wire import Frame

Write = Callable[[Connection], None]

COMMAND = -1  # origin of a frame that is no message: its topic says what to do with the stream in its body
POISON = -2  # origin of a message that ends the process and is passed over
REFUSED = b"refused"  # topic of a command: the runs with these numbers in the next frame were not let in
BLOCK = 65_536  # numbers reserved at a time
REPLAY_ROWS = 256
REPLAY_BYTES = 8 * 1024 * 1024
TRIM_ROWS = 1024  # deleted at a time: 1 to 2 ms
TRIM_BYTES = 8 * 1024 * 1024
KEPT_SECONDS = 4096

_SLICE = """
SELECT count(*), max(lsn), sum(size)
FROM (SELECT lsn, length(topic) + length(frame) AS size FROM journal WHERE lsn <= ? ORDER BY lsn LIMIT ?)
"""


@dataclass(frozen=True, slots=True)
class Stats:
    """How large the journal is and how long ago (seconds) it was last committed."""

    rows: int
    bytes: int
    age: float


class Journal:
    """The journal in a store. Every method raises StorageError when the disk refuses."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._due = 0.0
        self._seconds: deque[float] = deque(maxlen=KEPT_SECONDS)
        self.last = store.marks.issued  # the highest lsn handed out

    @property
    def floor(self) -> int:
        """A start replays what is behind this lsn."""
        return self._store.marks.floor

    @property
    def published(self) -> int:
        """Everything up to this lsn had been sent when the mark was last stored."""
        return self._store.marks.published

    @property
    def stats(self) -> Stats:
        """For telemetry."""
        marks = self._store.marks
        return Stats(marks.rows, marks.bytes, time.monotonic() - self._store.committed)

    @property
    def waiting(self) -> int:
        """Frames above the floor: those a start has to replay."""
        ((count,),) = self._store.read("SELECT count(*) FROM journal WHERE lsn > ?", self._store.marks.floor)
        return int(count)

    def append(self, frames: Sequence[Frame], published: int, also: Write | None = None) -> list[int]:
        """Journal a batch; everything up to lsn `published` has been sent. Returns the lsn of each frame.

        `also` writes what belongs into the same transaction, be there frames or not. After an error nothing of the
        batch is kept and its numbers are free.
        """
        if not frames:
            if also is not None:
                self._transact(self._store.durability == "commit", also)
            return []
        lsns = list(range(self.last + 1, self.last + 1 + len(frames)))
        durability, issued = self._store.durability, self._store.marks.issued
        commit = durability == "commit" or lsns[-1] > issued
        if commit:
            issued = lsns[-1] if durability == "commit" else lsns[-1] + BLOCK
        if durability != "off":
            self._insert(lsns, frames, commit, also, published=published, issued=issued)
        elif commit:
            self._note(issued=issued)
        self.last = lsns[-1]
        return lsns

    def tick(self, now: float) -> None:
        """Commit what is open when `interval` seconds have passed since this last did; `now` in monotonic seconds."""
        if now < self._due:
            return
        self._due = now + self._store.interval
        if self._store.connection.in_transaction:
            self._note()

    def pass_to(self, lsn: int) -> None:
        """Give out all numbers up to `lsn`, for what is not journaled, and commit."""
        self.last = max(self.last, lsn)
        self._note(published=self.last, issued=max(self.last, self._store.marks.issued))

    def mark(self, lsn: int) -> None:
        """Store that everything up to `lsn` has been sent, and commit: at a clean stop."""
        self._note(published=lsn, issued=self.last)

    def replay(self, after: int) -> Iterator[list[tuple[int, Frame]]]:
        """Frames above lsn `after`, in order, in batches of at most 256. Raises SnapshotError for a damaged row."""
        at = 0  # every row is looked at: a damaged number may have put one below `after`
        while rows := self._rows(at):
            at = rows[-1][0]
            if at > after:
                yield [(row[0], Frame(row[2], row[1], row[3], row[4])) for row in rows if row[0] > after]

    def poison(self, lsns: Sequence[int]) -> None:
        """Let frames that stand in the journal be passed over from now on."""
        with self._store.writing() as connection:
            for lsn in lsns:
                (row,) = self._store.read("SELECT received, topic, frame FROM journal WHERE lsn = ?", lsn)
                crc = _crc(lsn, row[0], POISON, *row[1:])
                connection.execute("UPDATE journal SET origin = ?, crc = ? WHERE lsn = ?", (POISON, crc, lsn))

    def take_commit_seconds(self) -> list[float]:
        """How long each commit took since the last call, in seconds."""
        taken = list(self._seconds)
        self._seconds.clear()
        return taken

    def _insert(self, lsns: list[int], frames: Sequence[Frame], commit: bool, also: Write | None, **marks: int) -> None:
        rows = [
            (lsn, f.received, f.origin, _crc(lsn, f.received, f.origin, f.topic, f.body), f.topic, f.body)
            for lsn, f in zip(lsns, frames, strict=True)
        ]
        size = sum(len(frame.topic) + len(frame.body) for frame in frames)

        def write(connection: Connection) -> None:
            connection.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)", rows)
            before = self._store.marks
            self._store.note(**marks, rows=before.rows + len(rows), bytes=before.bytes + size)
            if also is not None:
                also(connection)

        self._transact(commit, write)

    def _transact(self, commit: bool, write: Write) -> None:
        with self._store.writing(commit) as connection:
            write(connection)
        if commit:
            self._seconds.append(self._store.commit_seconds)

    def _note(self, **changes: int) -> None:
        with self._store.writing():
            self._store.note(**changes)
        self._seconds.append(self._store.commit_seconds)

    def _rows(self, after: int) -> list[tuple[int, float, int, bytes, bytes]]:
        """The next rows, as many as fit into a batch."""
        rows, size = [], 0
        sql = "SELECT lsn, received, origin, topic, frame, crc FROM journal WHERE lsn > ? ORDER BY lsn LIMIT ?"
        for *row, crc in self._store.read(sql, after, REPLAY_ROWS):
            lsn, received, origin, topic, body = row
            if _crc(lsn, received, origin, topic, body) != crc:
                raise damaged(self._store.file, f"journal row {lsn} is damaged")
            rows.append((lsn, received, origin, topic, body))
            size += len(body)
            if size >= REPLAY_BYTES:
                break
        return rows


def trim(store: Store) -> bool:
    """Delete a slice of the rows that the floor has passed, inside `writing`; True when there are more."""
    marks = store.marks
    rows = min(TRIM_ROWS, max(1, TRIM_BYTES * marks.rows // max(1, marks.bytes)))
    ((gone, upto, size),) = store.read(_SLICE, marks.floor, rows)
    if not gone:
        return False
    store.connection.execute("DELETE FROM journal WHERE lsn <= ?", (upto,))
    store.note(rows=marks.rows - gone, bytes=marks.bytes - size)
    ((first,),) = store.read("SELECT min(lsn) FROM journal")
    return first is not None and first <= marks.floor


def _crc(lsn: int, received: float, origin: int, topic: bytes, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(topic, zlib.crc32(struct.pack("<qdq", lsn, received, origin))))
