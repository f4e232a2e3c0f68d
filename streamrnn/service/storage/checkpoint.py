"""The fuzzy checkpoint: the state of every stream, written a few rows at a time between batches.

Terms. *Effects* of an lsn on a stream: what applying that frame changed in the stream's row. A row is stored with
`applied`: the lsn up to which everything had been applied when it was exported. The *floor* is the lsn behind which a
restart begins to replay; it is stored too.

Recovery. All rows are restored, the journal is replayed from the floor, and of each frame the observations of a stream
whose `applied` is not below the frame's lsn are passed over. This is exact if, at every commit,

    (1) a stored row holds exactly the effects of all lsn <= its `applied`, and
    (2) every lsn with an effect on a stream above the stream's `applied` is above the floor and in the journal;
        a stream without a row has `applied` 0.

(1) `write` is called between batches, the engine has then applied everything up to `applied_lsn` and nothing above.
While a journal is replayed a restored row may be ahead of `applied_lsn`, since what it holds is passed over: it is
stored under the larger of the two.

(2) A *round* begins at lsn B by taking the names of all dirty streams, the set D. Its rows are exported one transaction
at a time, so each holds at least the effects up to B. A stream outside D was clean at B: every effect up to B is in its
stored row, because names leave the list only after the commit of their rows and a round begins only when the round
before is complete; or it never had an effect. So with the last rows of the round committed, every stream's row holds
all effects up to B, and the floor becomes B in that same transaction. A stream that changes again during the round is
dirty again and belongs to the next one; its newer row only raises its `applied`. One that changed before its row was
exported is clean once that row is committed: nothing is applied in between. Rows of the journal at or below the
floor are of no more use and are deleted, a slice a transaction, the first in the transaction that moved the floor:
600,000 rows at once would hold the daemon for a second.

A crash between transactions leaves new rows beside old ones and the old floor: (1) and (2) hold for both. A crash
inside a transaction leaves what was before it. With durability "interval" the journal's open transaction is committed
together with the rows, so no row is ever ahead of the journal. A transaction that fails leaves its names on the list
and starts the round again.

Pooled weights are changed by all streams and cannot be passed over one stream at a time. The pool (name "") and all
dirty rows are then exported at one lsn and committed in one transaction with the floor: every row and the pool stand at
the floor, nothing replayed is ever passed over, and (1) and (2) hold for the whole as for one stream.

A forgotten stream is stored as a row without state, under the same rule as any other: what the journal has for it up to
`applied` is passed over, so that nothing of it comes back, not even for the time of a replay. Such a row is deleted
once the floor has reached its `applied`, for then nothing in the journal speaks of it.

A stream that rests (see `streams`) is a stored row and nothing else. `put` stores such rows outside the round, under
the lsn up to which everything has been applied, so (1) and (2) hold for them as for the rows of the round under way,
from which they are taken: each holds at least the effects up to B.

With a row stand the observations of the stream that wait for older ones (`reorder`): they have been received and not
applied, so they are part of what the frames up to `applied` have done. With a row stands how many messages its topics
have had, so that `topic_seq` goes on over a restart. Both are functions of the journal like the state itself.

A row with a bad CRC is named in `damaged`, by the name that stands in it, and left out; its stream begins anew, the
others are served.
"""

import json
import math
import platform
import sqlite3
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from streamrnn import __version__
from streamrnn.engine.reorder import Reorder
from streamrnn.model.layout import Layout
from streamrnn.service.storage.journal import KEPT_SECONDS, trim
from streamrnn.service.storage.store import Store, digest

if TYPE_CHECKING:
    from streamrnn.engine.engine import Engine

LIMIT_BYTES = 512 * 1024
BLOB_FORMAT = 1
POOL = ""  # the name of the pool's row

_STORED = "SELECT id, stream, applied, format, layout, predictions, anomalies, crc, held, blob FROM state"

Counts = tuple[int, int]  # predictions and anomalies that were written of a stream


class Row(NamedTuple):
    """As in the table."""

    id: int
    stream: str
    applied: int
    format: int
    layout: int
    predictions: int
    anomalies: int
    crc: int
    held: bytes  # observations that wait to be applied, as `reorder` writes them
    blob: bytes  # empty: the stream was forgotten


class Stored(NamedTuple):
    """A usable row; an empty blob says that the stream was forgotten."""

    name: str
    applied: int
    layout: Layout
    blob: bytes
    counts: Counts
    held: bytes = b""


def _no_counts(_: str) -> Counts:
    return 0, 0


class Checkpoint:
    """The stored state of an engine. Methods raise StorageError when the disk refuses."""

    def __init__(
        self, store: Store, counts: Callable[[str], Counts] = _no_counts, reorder: Reorder | None = None
    ) -> None:
        self._store = store
        self._counts = counts
        self._reorder = reorder or Reorder(0.0)
        self._gone: dict[str, None] = {}  # forgotten since the round began
        self._empty: dict[int, int] = {}  # rows of forgotten streams: id -> applied
        self._names: dict[str, None] = {}  # still to be written in this round, in order
        self._total = 0  # that were to be written when it began
        self._start: int | None = None  # lsn at which the round began; None between rounds
        self._trimming = False
        self._engine: Engine | None = None  # the one that is described as the writer
        self._applied: dict[str, int] = {}  # of restored rows, until everything they hold has been passed over
        self._completed = time.monotonic()
        self._seconds: deque[float] = deque(maxlen=KEPT_SECONDS)
        self.damaged: list[str] = []  # streams whose rows `load` found unusable
        self.writer = store.about()  # who wrote the stored state: model (JSON), kernel_digest, versions (JSON)

    @property
    def floor(self) -> int:
        """The lsn behind which the replay begins."""
        return self._store.marks.floor

    @property
    def age(self) -> float:
        """Seconds since the last round was complete, or since the start."""
        return time.monotonic() - self._completed

    @property
    def progress(self) -> float:
        """How much of the round is written, from 0 to 1; between rounds 1."""
        return 1.0 - len(self._names) / max(1, self._total, len(self._names))

    def load(self) -> Iterator[Stored]:
        """Every usable row; the others are named in `damaged`. Raises SnapshotError when the table cannot be read."""
        self.damaged = []
        layouts = self._layouts()
        for row in self._store.read(f"{_STORED} ORDER BY id"):
            if stored := self._usable(row, layouts):
                self._applied[stored.name] = stored.applied
                if not stored.blob:
                    self._empty[row[0]] = stored.applied
                yield stored

    def fetch(self, name: str) -> Stored | None:
        """The row of a stream; None when it is not usable, it is then named in `damaged`."""
        layouts = self._layouts()
        for row in self._store.read(f"{_STORED} WHERE id = ?", digest(name.encode())):
            return self._usable(row, layouts)
        return None

    def put(self, engine: "Engine", names: list[str], applied_lsn: int, limit_bytes: int = LIMIT_BYTES) -> None:
        """Store the rows of these streams that have changed, now, and commit: they are to rest.

        `applied_lsn` as for `write`. Pooled weights: a whole round.
        """
        if engine.model.weights == "pooled":
            self.finish(engine, applied_lsn)
            return
        changed = self._names.keys() | self._gone.keys()  # forgotten, and known again since
        waiting = [name for name in names if name in changed or engine.changed(name)]
        while waiting:
            rows = self._rows(engine, waiting, applied_lsn, limit_bytes)
            with self._store.writing() as connection:
                self._insert(engine, connection, rows)
            for row in rows:
                self._names.pop(row.stream, None)
                self._gone.pop(row.stream, None)  # or a round would say that it is not there
                self._empty.pop(row.id, None)
            self._engine, waiting = engine, waiting[len(rows) :]

    def forget(self, name: str) -> None:
        """The engine has let go of a stream: the next round says so."""
        self._gone[name] = None

    def write(self, engine: "Engine", applied_lsn: int, limit_bytes: int = LIMIT_BYTES) -> bool:
        """Write the next part of a round, one row or at most `limit_bytes`, and commit; True while there is more.

        `applied_lsn`: the engine has applied everything up to it and nothing above. With no round under way this
        begins one. Pooled weights: one transaction of any size.
        """
        started = time.perf_counter()
        try:
            if self._trimming:
                self._trim()
            else:
                self._advance(engine, applied_lsn, limit_bytes)
        except BaseException:
            self._start = None
            raise
        self._seconds.append(time.perf_counter() - started)
        return bool(self._names) or self._trimming

    def finish(
        self,
        engine: "Engine",
        applied_lsn: int,
        seconds: float = math.inf,
        alive: Callable[[], None] = lambda: None,
    ) -> bool:
        """Complete the round under way and then a whole one: nothing is left to replay. At a clean stop.

        False when that takes longer than so many seconds; it can be gone on with. `alive` is called between the parts.
        """
        until = time.monotonic() + seconds
        while self._trimming or self._start is not None:
            self.write(engine, applied_lsn)
            alive()
            if time.monotonic() > until:
                return False
        while self.write(engine, applied_lsn):
            alive()
            if time.monotonic() > until:
                return False
        return True

    def take_seconds(self) -> list[float]:
        """How long each `write` held the daemon since the last call, in seconds."""
        taken = list(self._seconds)
        self._seconds.clear()
        return taken

    def _advance(self, engine: "Engine", applied_lsn: int, limit_bytes: int) -> None:
        pooled = engine.model.weights == "pooled"
        if self._start is None:
            self._begin(engine, applied_lsn, pooled)
        rows = self._rows(engine, self._names, applied_lsn, None if pooled else limit_bytes)
        self._commit(engine, rows)
        for row in rows:
            del self._names[row.stream]
            engine.settle(row.stream)
        if not self._names:
            self._start = None
            self._completed = time.monotonic()

    def _begin(self, engine: "Engine", applied_lsn: int, pooled: bool) -> None:
        self._start = applied_lsn
        self._names |= self._gone  # first, as others may have their room: stored together they would not fit
        self._names |= dict.fromkeys(engine.take_dirty(engine.capacity + 1))
        self._names |= dict.fromkeys(self._reorder.take_dirty())
        self._gone = {}
        if pooled and self._names:
            self._names[POOL] = None
        self._total = len(self._names)
        if self._applied and applied_lsn >= max(self._applied.values()):
            self._applied = {}

    def _rows(self, engine: "Engine", names: Iterable[str], applied_lsn: int, limit: int | None) -> list[Row]:
        """The first of these streams, as they are to be stored."""
        rows: list[Row] = []
        size, layout = 0, _layout_id(engine.layout)
        for name in names:
            blob = _export(engine, name)
            held = self._reorder.export(name) if blob else b""
            size += len(blob) + len(held)
            if limit is not None and rows and size > limit:
                break
            applied = max(applied_lsn, self._applied.get(name, 0))
            key, counts = digest(name.encode()), self._counts(name) if blob else (0, 0)
            crc = _crc(key, applied, layout, counts, held, blob)
            rows.append(Row(key, name, applied, BLOB_FORMAT, layout, *counts, crc, held, blob))
        return rows

    def _commit(self, engine: "Engine", rows: list[Row]) -> None:
        """One transaction: the rows, and with the last of the round the floor and the first slice of the trimming."""
        last, marks = len(rows) == len(self._names), self._store.marks
        floor = max(marks.floor, self._start or 0) if last else marks.floor
        if not rows and floor == marks.floor:
            return
        with self._store.writing() as connection:
            self._insert(engine, connection, rows)
            empty = {key: applied for key, applied in self._empty.items() if key not in {row.id for row in rows}}
            empty |= {row.id: row.applied for row in rows if not row.blob}
            trimming = False
            if last:
                connection.executemany("DELETE FROM state WHERE id = ?", [(k,) for k in empty if empty[k] <= floor])
                empty = {key: applied for key, applied in empty.items() if applied > floor}
                self._store.note(floor=floor)
                trimming = trim(self._store)
        self._engine, self._trimming, self._empty = engine, trimming, empty

    def _insert(self, engine: "Engine", connection: sqlite3.Connection, rows: list[Row]) -> None:
        if engine is not self._engine:
            _describe(engine, connection)
        connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _usable(self, row: tuple[Any, ...], layouts: dict[int, Layout]) -> Stored | None:
        key, stream, applied, form, layout, predictions, anomalies, crc, held, blob = row
        name, counts = stream.decode(errors="replace"), (predictions, anomalies)
        whole = key == digest(stream) and crc == _crc(key, applied, layout, counts, held, blob)
        if whole and form == BLOB_FORMAT and layout in layouts:
            return Stored(name, applied, layouts[layout], blob, counts, held)
        self.damaged.append(name)
        return None

    def _trim(self) -> None:
        with self._store.writing():
            trimming = trim(self._store)
        self._trimming = trimming

    def _layouts(self) -> dict[int, Layout]:
        """Every layout whose text still has the digest it is stored under."""
        stored = self._store.read("SELECT id, slices FROM layout")
        return {key: json.loads(text) for key, text in stored if key == digest(text)}


def _slices(layout: Layout) -> str:
    return json.dumps(layout, sort_keys=True, separators=(",", ":"))


def _layout_id(layout: Layout) -> int:
    return digest(_slices(layout).encode())


def _export(engine: "Engine", name: str) -> bytes:
    """A stream's row, empty when it is not known any more."""
    try:
        return engine.export(name)
    except KeyError:
        return b""


def _crc(key: int, applied: int, layout: int, counts: Counts, held: bytes, blob: bytes) -> int:
    return zlib.crc32(
        blob, zlib.crc32(held, zlib.crc32(struct.pack("<qqqqqq", key, applied, layout, *counts, len(held))))
    )


def _describe(engine: "Engine", connection: sqlite3.Connection) -> None:
    """Say who writes from now on, and put down the layout. Layouts of older rows stay: one a changed model."""
    slices = _slices(engine.layout)
    connection.execute("INSERT OR REPLACE INTO layout VALUES (?, ?)", (_layout_id(engine.layout), slices))
    versions = {name: version(name) for name in ("numba", "numpy")}
    versions |= {"streamrnn": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    writer = {
        "model": msgspec.json.encode(engine.model).decode(),
        "kernel_digest": engine.kernel_digest,
        "versions": json.dumps(versions, sort_keys=True),
    }
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", writer.items())
