"""Learning history before serving: `run --backfill FILE`.

The file is its own journal. When the backfill begins, a checkpoint empties the journal, and the database says which
file is learned and the lsn of its first part; part i has that lsn plus i. The parts go the way of a replay, so a row is
stored with the lsn of the last part that it holds (`checkpoint`), and a start after a crash reads the file again from
its beginning and passes over what each row already holds: the state is then, to the bit, that of a backfill that was
never interrupted. A file that has been learned is known by its digest, and a later start with it serves at once.

A start that would serve a history half learned is refused, and so is one with another file or other columns while one
is under way: their parts would not be those that the rows speak of. Nothing of a backfill is published.

Rejected: writing the file into the journal, which would hold all of it a second time, and with durability "off" not at
all.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import structlog
from msgspec import Struct

from streamrnn.config.schema import State
from streamrnn.engine.engine import Engine
from streamrnn.errors import ConfigError
from streamrnn.messages import Batch
from streamrnn.service.recovery.replay import Replay, Replayed
from streamrnn.service.storage.checkpoint import Checkpoint
from streamrnn.service.storage.journal import Journal
from streamrnn.service.storage.store import Store

_KEY = "backfill"  # in the database

_log = structlog.get_logger("streamrnn")


@dataclass(frozen=True, slots=True)
class History:
    """A recorded file; equal digests mean equal parts."""

    name: str
    digest: str
    parts: Callable[[], Iterator[Batch]]


class Taken(Struct, frozen=True):
    """A file that was learned, or is being learned."""

    digest: str
    name: str
    first: int  # lsn of its first part
    done: bool


def due(store: Store, history: History | None) -> bool:
    """Whether there is something to learn before serving. Raises ConfigError for what must not go on like this."""
    taken = _taken(store)
    begun = next((one for one in taken if not one.done), None)
    if begun is not None and (history is None or history.digest != begun.digest):
        raise ConfigError(
            f"the backfill of {begun.name} has begun and is not complete",
            f"start with --backfill and that same file and columns; or move {store.path} away to begin anew",
        )
    return history is not None and not any(one.done and one.digest == history.digest for one in taken)


@dataclass(frozen=True, slots=True)
class Backfill:
    """Learns a history through a replay; `alive` is called after every part."""

    store: Store
    journal: Journal
    checkpoint: Checkpoint
    replay: Replay
    state: State
    alive: Callable[[int], None]

    def run(self, history: History, tell: Callable[[Replayed], None]) -> None:
        """All of it, from where a crash has left it. Everything that is journaled has been applied."""
        engine, started, count = self.replay.engine, time.monotonic(), 0
        first = self._begin(history, engine)
        lsn, saved = first - 1, time.monotonic()
        for lsn, batch in enumerate(history.parts(), first):
            if lsn > self.checkpoint.floor:
                self.replay.take(batch, [lsn] * len(batch.names), False, tell)
            count += len(batch)
            self.alive(count)
            if time.monotonic() - saved > self.state.checkpoint:
                self._save(engine, lsn)
                saved = time.monotonic()
        self._save(engine, lsn)
        self._note(Taken(history.digest, history.name, first, True))
        seconds = round(time.monotonic() - started, 3)
        _log.info("history learned", file=history.name, observations=count, streams=engine.streams, seconds=seconds)

    def _begin(self, history: History, engine: Engine) -> int:
        """The lsn of the first part."""
        for one in _taken(self.store):
            if one.digest == history.digest:
                return one.first
        self._save(engine, self.journal.last)
        first = self.journal.last + 1
        self._note(Taken(history.digest, history.name, first, False))
        return first

    def _save(self, engine: Engine, lsn: int) -> None:
        """Everything up to `lsn` is in the rows, on the disk, and no number up to it is used again."""
        self.journal.pass_to(lsn)
        self.checkpoint.finish(engine, lsn)

    def _note(self, taken: Taken) -> None:
        others = [one for one in _taken(self.store) if one.digest != taken.digest]
        with self.store.writing() as connection:
            text = msgspec.json.encode([*others, taken]).decode()
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_KEY, text))


def _taken(store: Store) -> list[Taken]:
    return msgspec.json.decode(store.about().get(_KEY, "[]"), type=list[Taken])
