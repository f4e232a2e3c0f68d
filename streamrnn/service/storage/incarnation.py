"""Which state this is, for those outside who remember it: numbers of one *incarnation* say nothing about another's.

A new state, and one that a backup was put back into, is another incarnation. It stands in the database together with
how often it was started, and both stand in a file beside it: a database that was exchanged does not fit the file any
more. A crash between the two leaves the file one start ahead, which is taken for the same.
"""

import json
import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamrnn.service.storage.blame import blamed
from streamrnn.service.storage.store import Store

FILE = KEY = "incarnation"

Counts = Mapping[str, tuple[int, int]]  # by stream, the messages that its topics have had


class Incarnation:
    """`began`: the lsn behind which it began; `session` is new at every start; `counts` when it began, if just now."""

    def __init__(self) -> None:
        self.id, self.session, self.began = "", str(uuid.uuid4()), 0
        self.counts: Counts = {}

    def begin(self, store: Store, lsn: int, counts: Callable[[], Counts]) -> bool:
        """Find out which one it is, at a start that has recovered everything up to `lsn`; whether it is another one.

        Raises StorageError.
        """
        told: dict[str, Any] = json.loads(store.about().get(KEY, "{}"))
        file = store.path / FILE
        new = not told or _beside(file) not in ((told["id"], told["starts"]), (told["id"], told["starts"] + 1))
        if new:
            told, self.counts = {"id": str(uuid.uuid4()), "began": lsn, "starts": 0}, counts()
        told["starts"] += 1
        _write(file, json.dumps([told["id"], told["starts"]]).encode())
        with store.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, json.dumps(told)))
        self.id, self.began = told["id"], told["began"]
        return new

    def told(self) -> dict[str, Any]:
        """What a status and an answer say of it."""
        return {"incarnation": self.id, "session": self.session, "began": self.began}


def _beside(file: Path) -> tuple[str, int] | None:
    with suppress(OSError, ValueError, TypeError):
        name, starts = json.loads(file.read_bytes())
        return str(name), int(starts)
    return None


def _write(file: Path, text: bytes) -> None:
    """The whole file or none of it, on the disk."""
    new = file.with_name(f"{file.name}.new")
    with blamed(file):
        descriptor = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, text)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        new.rename(file)
