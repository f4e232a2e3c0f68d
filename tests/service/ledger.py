"""A daemon in small: the order of the real one, over an engine that remembers everything it was given.

A stream's state is the list of the values it was given, so that anything lost, applied twice or out of order shows.

Run as a program it journals, applies and checkpoints for ever, and says what is durable: the child of the kill test.
"""

import json
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from streamrnn.service.storage.checkpoint import Checkpoint
from streamrnn.service.storage.journal import Journal
from streamrnn.service.storage.store import Store
from streamrnn.spec import Model
from streamrnn.wire import Frame

STREAMS = ["a", "b", "c", "pump/1", "\x00é"]
Values = list[tuple[str, int]]


class Engine:
    """A stream's state is the list of the values it was given; pooled, also how long the pool was each time."""

    kernel_digest = "digest"
    capacity = 100

    def __init__(self, weights: str = "per_stream", blob_bytes: int = 0) -> None:
        self.model = Model(features=("x",), weights=weights)
        self.layout = {"all": [0, 1]}
        self.pool: list[int] = []
        self.rows: dict[str, list[object]] = {}
        self.blob_bytes = blob_bytes
        self.dirty: dict[str, None] = {}

    def apply(self, values: Values, skip: set[str]) -> None:
        for name, value in values:
            if name in skip:
                continue
            row = self.rows.setdefault(name, [])
            row.append(value)
            if self.model.weights == "pooled":
                self.pool.append(value)
                row.append(len(self.pool))
            self.dirty[name] = None

    def take_dirty(self, limit: int) -> list[str]:
        taken = list(self.dirty)[:limit]
        for name in taken:
            del self.dirty[name]
        return taken

    def settle(self, name: str) -> None:
        self.dirty.pop(name, None)

    def export(self, name: str) -> bytes:
        return json.dumps(self.rows[name] if name else self.pool).encode().ljust(self.blob_bytes)

    def restore(self, name: str, blob: bytes, layout: dict[str, list[int]]) -> list[str]:
        assert layout == self.layout
        if name:
            self.rows[name] = json.loads(blob)
        else:
            self.pool = json.loads(blob)
        return []

    def state(self) -> tuple[dict[str, list[object]], list[int]]:
        return self.rows, self.pool


def frame(values: Values) -> Frame:
    return Frame(0, 0.0, b"", json.dumps(values).encode())


def uninterrupted(frames: Sequence[Values], weights: str = "per_stream") -> Engine:
    engine = Engine(weights)
    for values in frames:
        engine.apply(values, set())
    return engine


@dataclass
class Daemon:
    """The order of the real one: journal, apply, publish, and a piece of a checkpoint between batches."""

    store: Store
    engine: Engine
    journal: Journal
    checkpoint: Checkpoint
    at: int  # everything up to this lsn is applied

    def feed(self, frames: Sequence[Values]) -> list[int]:
        lsns = self.journal.append([frame(values) for values in frames], self.at)
        for values in frames:
            self.engine.apply(values, set())
        self.at = self.journal.last
        return lsns

    def write(self, limit: int = 512 * 1024) -> bool:
        return self.checkpoint.write(self.engine, self.at, limit)


def start(path: Path, durability: str = "commit", engine: Engine | None = None, write_after: int = 0) -> Daemon:
    """Restore and replay; `write_after`: a piece of a checkpoint after each so many frames of the replay."""
    store = Store(path, durability, 1.0)
    daemon = Daemon(store, engine or Engine(), Journal(store), Checkpoint(store), 0)
    try:
        recover(daemon, write_after)
    except BaseException:
        store.close()
        raise
    return daemon


def recover(daemon: Daemon, write_after: int) -> None:
    applied: dict[str, int] = {}
    for name, lsn, layout, blob, *_ in daemon.checkpoint.load():
        daemon.engine.restore(name, blob, layout)
        applied[name] = lsn
    daemon.at = daemon.checkpoint.floor
    for batch in daemon.journal.replay(daemon.at):
        for lsn, received in batch:
            values = [tuple(pair) for pair in json.loads(received.body)]
            daemon.engine.apply(values, {name for name in applied if lsn <= applied[name]})
            daemon.at = lsn
            if write_after and lsn % write_after == 0:
                daemon.write(1)


@contextmanager
def running(path: Path, durability: str = "commit", engine: Engine | None = None) -> Iterator[Daemon]:
    daemon = start(path, durability, engine)
    with closing(daemon.store):
        yield daemon


def work(path: Path) -> None:
    """Until somebody kills it."""
    daemon = start(path)
    chance = random.Random(daemon.at)
    while True:
        daemon.feed([[(chance.choice(STREAMS), daemon.at + n)] for n in range(1, chance.randrange(2, 9))])
        sys.stdout.write(f"{daemon.at}\n")
        sys.stdout.flush()
        daemon.write(limit=chance.choice([1, 100, 10_000]))


if __name__ == "__main__":
    work(Path(sys.argv[1]))
