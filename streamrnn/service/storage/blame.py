"""Errors of SQLite and of the system, turned into ours: by whose fault, and with what to do about it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamrnn.errors import FullError, SnapshotError, StorageError

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_TOOBIG}
_HINTS = {
    sqlite3.SQLITE_FULL: "free some space on that disk",
    sqlite3.SQLITE_BUSY: "another program has it open; close that one",
    sqlite3.SQLITE_READONLY: "make the directory and the files in it writable for this user",
    sqlite3.SQLITE_CANTOPEN: "make the directory and the files in it readable and writable for this user",
}


def taken_back(file: Path, error: BaseException) -> StorageError:
    """The error for a rollback of what an earlier caller had left open."""
    return StorageError(f"{file}: what had been journaled was taken back ({error!r})", "the journal is replayed")


def damaged(file: Path, what: str) -> SnapshotError:
    """The error for a database that cannot be used."""
    hint = f"put back a copy of {file}, or move it and {file.name}-wal away to start anew"
    return SnapshotError(f"{file}: {what}", hint)


@contextmanager
def blamed(file: Path) -> Iterator[None]:
    """Turn an error of SQLite or of the system into ours."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _DAMAGE:
            raise damaged(file, str(error)) from error
        hint = _HINTS.get(code, "look at the disk and the system log; the journal is replayed at the next start")
        kind = FullError if code == sqlite3.SQLITE_FULL else StorageError
        raise kind(f"{file}: {error}", hint) from error
    except UnicodeDecodeError as error:  # SQLite's message quotes a damaged schema
        raise damaged(file, "the schema is damaged") from error
    except OSError as error:
        raise StorageError(f"{file}: {error.strerror}", "check the directory, its owner and the disk") from error
