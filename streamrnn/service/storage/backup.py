"""A copy of the database while the daemon runs."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from streamrnn.errors import StorageError
from streamrnn.service.storage.blame import blamed
from streamrnn.service.storage.incarnation import KEY
from streamrnn.service.storage.store import Store

STEPS = 10_000  # of SQLite's machine between two signs of life: some milliseconds of copying


def back_up(store: Store, path: Path, alive: Callable[[], None] = lambda: None) -> int:
    """Copy everything that is committed to a new file, complete or not there at all; its size in bytes.

    Put into an empty state directory under the database's name, it is where the daemon was. The daemon waits meanwhile;
    `alive` is called.
    Raises StorageError for a file that exists or cannot be written.
    """
    new = _beside(path)
    with blamed(new):
        if path.exists():
            raise StorageError(f"{path} exists", "give a new file")
        new.unlink(missing_ok=True)
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            with _signs_of_life(store.connection, alive):
                store.connection.execute("VACUUM INTO ?", (str(new),))
            with closing(sqlite3.connect(new)) as copy, copy:
                copy.execute("DELETE FROM meta WHERE key = ?", (KEY,))  # put back, it is another incarnation
            _sync(new)
            new.rename(path)
            _sync(path.parent)
        finally:
            new.unlink(missing_ok=True)
        return path.stat().st_size


@contextmanager
def _signs_of_life(connection: sqlite3.Connection, alive: Callable[[], None]) -> Iterator[None]:
    """Call `alive` now and then while SQLite works."""

    def progress() -> int:
        alive()
        return 0  # go on

    connection.set_progress_handler(progress, STEPS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def _beside(path: Path) -> Path:
    """Where the copy is written until it is complete. Raises StorageError for a path that cannot be one."""
    try:
        if "\0" not in str(path):
            return path.with_name(f"{path.name}.new")
    except ValueError:  # it has no last part
        pass
    raise StorageError(f"{str(path)!r} is not the path of a file", "give a new file in a directory that exists")


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
