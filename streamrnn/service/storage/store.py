"""The database: one SQLite file holds the journal of received frames and the state of every stream.

One connection, locked for good, so that journal and state share their transactions: state is never newer than the
journal it was made from. Rules:

- One daemon a directory: `flock` on the directory itself. The directory is 0700, the files are 0600.
- The database is made under another name and renamed when complete, so what bears the name is never half made; what an
  interrupted creation left is made anew.
- Everything is checked (format, `quick_check`, marks, number of journal rows) through a read-only connection before the
  database is opened for writing: SQLite would fold the write-ahead log into a damaged file when it is closed.
- SQLite goes on from before a damaged place in its log as from a power cut; `wal` tells the two apart.
- Every row that matters carries a CRC of all its columns, since `quick_check` looks at structure and not at contents.
- Big tables are keyed by an integer and nothing else. The order of integer keys is part of `quick_check`, that of text
  keys and of second indexes is not: one flipped bit in a name used to make two rows of one stream. So a stream's row is
  found by a 64-bit digest of its name.
- A column that a later format needs is an `ALTER TABLE ... ADD COLUMN`, which SQLite does without rewriting rows.

`synchronous` is FULL wherever rows are journaled. With NORMAL a commit is not on the disk until the log is folded in,
so "at most `interval` seconds are lost" would not hold; one `fdatasync` an interval costs nothing. Only durability
"off" uses NORMAL: the database is whole after a power cut, but may be an older one.

Page size, and how much log is folded in at a time, by measurement (SQLite 3.40, ext4 on a fast virtual disk, 2 cores;
600 streams of 64 KiB, commits of 16 frames of 100 bytes, between them checkpoints of 8 blobs; milliseconds; written:
bytes given to the file system, relative to the smallest):

    page     fold at   append p50 / p99 / max   8 blobs p50 / p99 / max   written
    4 KiB     4 MiB    0.31 / 0.63 / 4.2        0.86 / 9.0 / 9.2          1.00     (SQLite's own choice)
    4 KiB     1 MiB    0.20 / 0.88 / 1.9        0.58 / 3.5 / 3.9          1.01
    8 KiB     1 MiB    0.21 / 0.81 / 1.6        0.53 / 3.4 / 3.7          1.15     <- taken
    8 KiB    16 MiB    0.29 / 0.56 / 5.7        0.90 / 15.7 / 17.5        1.09
    16 KiB    1 MiB    0.22 / 0.94 / 1.3        0.56 / 2.7 / 2.9          1.42
    64 KiB    1 MiB    0.37 / 1.18 / 1.7        0.85 / 5.6 / 5.8          3.46

The longest stall grows with what is folded in at once, small commits cost whole pages. A COMMIT that folds returns only
then, though what it holds was on the disk long before: so `fold` does it after the acks, and SQLite itself only where a
single transaction is large (with 10 ms more for every fdatasync and 10,000 messages a second, p99 to the ack fell from
80 to 65 ms). Rejected: LMDB (fixed map, a disk error is a signal), a home-made log (its torn-tail rule would be ours to
prove), one file a stream.
"""

import fcntl
import hashlib
import os
import sqlite3
import struct
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from streamrnn.config.schema import Config
from streamrnn.errors import FullError, SnapshotError, StorageError, StreamrnnError
from streamrnn.service.storage.blame import blamed, damaged, taken_back
from streamrnn.service.storage.wal import good_bytes

FILE = "streamrnn.sqlite"
FORMAT = 3
READ_ONLY = "read"
PAGE_BYTES = 8192
FOLD_COMMITS = 32  # after so many, about 1 MiB of log, `fold` has something to do
FOLD_PAGES = 512  # SQLite itself folds in the commit that makes the log so long
LOG_BYTES = 16 * 1024 * 1024  # the log is cut back to this after a larger transaction

SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE mark(one INTEGER PRIMARY KEY CHECK (one = 1), published INTEGER NOT NULL, floor INTEGER NOT NULL,
    issued INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT;
CREATE TABLE journal(lsn INTEGER PRIMARY KEY, received REAL NOT NULL, origin INTEGER NOT NULL, crc INTEGER NOT NULL,
    topic BLOB NOT NULL, frame BLOB NOT NULL) STRICT;
CREATE TABLE layout(id INTEGER PRIMARY KEY, slices TEXT NOT NULL) STRICT;
CREATE TABLE state(id INTEGER PRIMARY KEY, stream TEXT NOT NULL, applied INTEGER NOT NULL, format INTEGER NOT NULL,
    layout INTEGER NOT NULL, predictions INTEGER NOT NULL, anomalies INTEGER NOT NULL, crc INTEGER NOT NULL,
    held BLOB NOT NULL, blob BLOB NOT NULL) STRICT;
CREATE TABLE producer(id INTEGER PRIMARY KEY, user TEXT NOT NULL, source TEXT NOT NULL, epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL, seen REAL NOT NULL, crc INTEGER NOT NULL) STRICT;
"""

_TABLES = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid"


class _Connection(sqlite3.Connection):
    """Text comes as bytes: damaged text must reach its CRC instead of raising here."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.text_factory = bytes


class Marks(NamedTuple):
    """What is known of the journal as a whole. Log sequence numbers (lsn) count frames from 1."""

    published: int = 0  # outputs up to this lsn had been sent when it was written
    floor: int = 0  # the stored state holds everything up to this lsn: replay starts behind it
    issued: int = 0  # no lsn above this has ever been handed out
    rows: int = 0  # in the journal
    bytes: int = 0  # of topics and frames in the journal

    def crc(self) -> int:
        """Over all of them."""
        return zlib.crc32(struct.pack("<5q", *self))


class Store:
    """The open database of one state directory.

    `durability` is "commit", "interval" (seconds) or "off"; or READ_ONLY for what is only looked at, where `path` may
    be a file too. `lock` is that of `lock_of`, ours from now on. Raises StorageError when the disk refuses or another
    daemon holds the directory, SnapshotError when what lies there cannot be used; the files are then as they were.
    """

    def __init__(self, path: Path, durability: str, interval: float, lock: int | None = None) -> None:
        self.path, self.file = (path, path / FILE)
        if durability == READ_ONLY and path.is_file():
            self.path, self.file = path.parent, path
        self.durability = durability
        self.interval = interval
        self.committed = time.monotonic()  # of the latest commit
        self.commit_seconds = 0.0  # how long the latest one took
        self._unfolded = 0  # commits since the log was folded in
        self._commits = self._rollbacks = 0
        self.harmed: StreamrnnError | None = None
        with ExitStack() as opened, blamed(self.file):
            if durability == READ_ONLY and not _size(self.file):
                raise StorageError(f"{self.file} does not exist", "give the directory of a state, or a backup")
            directory = lock_of(self.path) if lock is None else lock
            opened.callback(os.close, directory)
            if durability == READ_ONLY:
                self.connection = opened.enter_context(_inspecting(self.file))
            else:
                self.connection = opened.enter_context(closing(_prepared(self.file, directory, durability)))
            self.marks = self._durable = _marks(self.connection, self.file)
            self.uuid = self.about().get("uuid", "")
            self._opened = opened.pop_all()

    def about(self) -> dict[str, str]:
        """The meta table: format, uuid, and who wrote the stored state (see `checkpoint`)."""
        rows = self.read("SELECT key, value FROM meta")
        return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in rows}

    def read(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Rows of a SELECT; text comes as bytes. Raises SnapshotError or StorageError."""
        with blamed(self.file):
            yield from self.connection.execute(sql, values)

    @property
    def generation(self) -> tuple[int, int]:
        """Commits and rollbacks so far: what was written at one is on the disk when `kept` says so of it."""
        return self._commits, self._rollbacks

    def kept(self, generation: tuple[int, int]) -> bool:
        """Whether what was written at a generation has been committed: a later commit, and no rollback since."""
        return self._commits > generation[0] and self._rollbacks == generation[1]

    def check(self) -> None:
        """Raise the error by which the database was harmed (`harmed`), if there was one. Nothing may go on then."""
        if self.harmed is not None:
            raise self.harmed

    @contextmanager
    def writing(self, commit: bool = True) -> Iterator[sqlite3.Connection]:
        """The open transaction or a new one; committed at the end, or left open. Any error rolls back all of it.

        Such an error has harmed the database where it took back what an earlier caller had left open, and where it is
        one of the disk other than that it is full: then `check` raises it, and so does every later `writing`.
        """
        self.check()
        left_open = self.connection.in_transaction
        try:
            with blamed(self.file):
                if not left_open:
                    self.connection.execute("BEGIN IMMEDIATE")
                yield self.connection
                if commit:
                    self._commit()
        except BaseException as error:
            self._roll_back()
            if left_open or (isinstance(error, StorageError) and not isinstance(error, FullError)):
                self.harmed = error if isinstance(error, StreamrnnError) else taken_back(self.file, error)
            raise

    def note(self, **changes: int) -> None:
        """Change the marks, inside `writing`."""
        self.marks = self.marks._replace(**changes)
        self.connection.execute(
            "UPDATE mark SET published = ?, floor = ?, issued = ?, rows = ?, bytes = ?, crc = ?",
            (*self.marks, self.marks.crc()),
        )

    @property
    def free_bytes(self) -> int:
        """Room inside the database, of pages that nothing stands in."""
        ((pages,),) = self.read("PRAGMA freelist_count")
        return int(pages) * PAGE_BYTES

    def fold(self, least: int = FOLD_COMMITS) -> None:
        """Fold the log into the database after `least` commits: between turns, when nobody waits for an ack.

        It costs two or three times what a commit does. Raises StorageError; FullError leaves all as it was.
        """
        if self._unfolded < least or self.connection.in_transaction:
            return
        with blamed(self.file):
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._unfolded = 0

    def close(self) -> None:
        """Commit what is open and let go of the directory. Raises StorageError."""
        with self._opened:
            if self.connection.in_transaction and self.harmed is None:
                with self.writing():
                    pass

    def _commit(self) -> None:
        started = time.perf_counter()
        self.connection.execute("COMMIT")
        self.commit_seconds = time.perf_counter() - started
        self.committed = time.monotonic()
        self._unfolded += 1
        self._durable = self.marks
        self._commits += 1

    def _roll_back(self) -> None:
        self.marks = self._durable
        self._rollbacks += 1
        with suppress(sqlite3.Error):  # SQLite has already rolled back after some errors
            self.connection.execute("ROLLBACK")


def digest(*texts: bytes) -> int:
    """64 bits, signed, that stand for a name of one or more parts: the key of its row."""
    whole = texts[0] if len(texts) == 1 else b"".join(b"%d:%s" % (len(text), text) for text in texts)
    return int.from_bytes(hashlib.blake2b(whole, digest_size=8).digest(), "big", signed=True)


def directory(config: Config) -> Path:
    """Where the state of a configuration lies."""
    return Path(config.state.path or os.environ.get("STATE_DIRECTORY", "").split(":")[0] or "state")


def lock_of(path: Path) -> int:
    """Make a directory ours, as long as the descriptor is open. Raises StorageError when another daemon has it."""
    with blamed(path):
        return _lock(path)


def _lock(path: Path) -> int:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(directory)
        hint = "stop that one, or give this one a directory of its own (state.path)"
        raise StorageError(f"{path} is in use by another daemon", hint) from None
    return directory


def _log(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _absent(file: Path) -> bool:
    """Whether there is no database yet. A log without its database would be folded into a new one: refused."""
    if _size(file):
        return False
    if _size(_log(file)):
        raise damaged(file, f"missing or empty, though {_log(file).name} stands beside it")
    return True


def _create(file: Path, directory: int) -> None:
    new = file.with_name(f"{file.name}.new")
    for left in file.parent.glob(f"{new.name}*"):
        left.unlink()
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA)
        about = [("format", str(FORMAT)), ("uuid", str(uuid.uuid4()))]
        connection.executemany("INSERT INTO meta VALUES (?, ?)", about)
        connection.execute("INSERT INTO mark VALUES (1, 0, 0, 0, 0, 0, ?)", (Marks().crc(),))
    new.rename(file)
    os.fsync(directory)


def _prepared(file: Path, directory: int, durability: str) -> sqlite3.Connection:
    """The database, made if there is none, checked before anything is written."""
    if _absent(file):
        _create(file, directory)
    else:
        with _inspecting(file, durability != "off"):
            pass
    return _connect(file, durability)


@contextmanager
def _inspecting(file: Path, synced: bool = True) -> Iterator[sqlite3.Connection]:
    """For reading; raises SnapshotError unless all is well. Writes nothing: an immutable file has no log to look at.

    `synced`: each commit was on the disk before the next one began.
    """
    index = file.with_name(f"{file.name}-shm")
    leave = index.exists()
    mode = "mode=ro" if _size(_log(file)) else "immutable=1"
    address = f"{file.absolute().as_uri()}?{mode}"
    try:
        with closing(
            sqlite3.connect(address, uri=True, timeout=0, isolation_level=None, factory=_Connection)
        ) as connection:
            _check(connection, file)
            if synced and index.exists() and (good := good_bytes(_log(file), index)) is not None:
                raise SnapshotError(
                    f"{_log(file)} is damaged in the middle, and what was acknowledged behind that cannot be read",
                    f"put back a copy, or go on without what came behind it: truncate -s {good} {_log(file)}",
                )
            yield connection
    finally:
        if not leave:
            index.unlink(missing_ok=True)


def _check(connection: sqlite3.Connection, file: Path) -> None:
    try:
        version = connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        raise damaged(file, "not a database of streamrnn") from None
    if version != (b"%d" % FORMAT,):
        found = version[0].decode(errors="replace") if version else "none"
        raise SnapshotError(
            f"{file}: has format {found}; this version reads format {FORMAT}",
            f"start the version that wrote it, or move {file} and {_log(file).name} away to start anew",
        )
    with closing(sqlite3.connect(":memory:", factory=_Connection)) as sound:
        sound.executescript(SCHEMA)
        if connection.execute(_TABLES).fetchall() != sound.execute(_TABLES).fetchall():
            raise damaged(file, "the schema is damaged")
    if connection.execute("PRAGMA quick_check(1)").fetchall() != [(b"ok",)]:
        raise damaged(file, "the database is damaged")
    rows = connection.execute("SELECT count(*) FROM journal").fetchone()[0]
    if rows != _marks(connection, file).rows:
        raise damaged(file, "journal rows are missing")


def _marks(connection: sqlite3.Connection, file: Path) -> Marks:
    row = connection.execute("SELECT published, floor, issued, rows, bytes, crc FROM mark").fetchone()
    if row is None or Marks(*row[:5]).crc() != row[5]:
        raise damaged(file, "the marks of the journal are damaged")
    return Marks(*row[:5])


def _connect(file: Path, durability: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=0, isolation_level=None, factory=_Connection)
    for setting in (
        "locking_mode = EXCLUSIVE",  # before anything is read: then the log's index is in private memory
        "journal_mode = WAL",
        f"synchronous = {'NORMAL' if durability == 'off' else 'FULL'}",
        f"wal_autocheckpoint = {FOLD_PAGES}",
        f"journal_size_limit = {LOG_BYTES}",
        "temp_store = MEMORY",
        "secure_delete = FAST",  # else some systems zero what is deleted: trimming would take the journal's room again
        "cell_size_check = ON",
    ):
        connection.execute(f"PRAGMA {setting}")
    return connection
