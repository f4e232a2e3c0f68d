"""Which streams are known, and which of them are in memory: more of them may be known than the engine has rows for.

With `limits.resident_streams` the streams that have been silent the longest rest in the store while others are heard.
To rest is a checkpoint of that one row: it is stored under the lsn up to which everything has been applied, and given
back as it was when its stream is heard again. So whether and when a stream rests changes no result, and nothing about
it is journaled: a replay has its own reasons to let streams rest.

A batch may speak of more streams than there are rows. It is served in parts, cut between frames, since a row is stored
under one lsn: all of a frame has been applied to it, or nothing. The configuration holds a frame below the rows.

What waits for older observations (`lateness`) belongs to a stream and would change while it rests: the two exclude
each other.

Pooled weights are stored at one lsn together with all rows; then a whole round of the checkpoint comes before any
stream may rest.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import structlog

from streamrnn.engine.engine import Engine
from streamrnn.messages import Batch, Ints, keep_runs
from streamrnn.service.storage.checkpoint import LIMIT_BYTES, Checkpoint, Counts, Stored
from streamrnn.service.streams.fork_store import ForkStore
from streamrnn.service.streams.idle import Idle
from streamrnn.wire import Encoder

Part = tuple[Batch, Ints, list[int]]  # observations, row and lsn of each run

_log = structlog.get_logger("streamrnn")


class Evicted(NamedTuple):
    """What is remembered of a stream at rest."""

    heard: float  # when it was last heard of, in monotonic seconds
    counts: Counts


class Streams:
    """At most `most` streams, as many as the engine has rows for in memory. Raises StorageError."""

    def __init__(self, engine: Engine, encoder: Encoder, checkpoint: Checkpoint, most: int, now: float) -> None:
        self._checkpoint = checkpoint
        self._place: Checkpoint | ForkStore = checkpoint  # where streams rest
        self._evicted: dict[str, Evicted] = {}
        self.loaded = 0  # streams, since the start
        self.follow(engine, encoder, most, now)

    def follow(self, engine: Engine, encoder: Encoder, most: int, now: float) -> None:
        """From now on these hold the streams in memory."""
        self._engine, self._encoder, self.capacity = engine, encoder, most
        self._idle = Idle(engine.capacity, now)

    def alone(self) -> None:
        """In a forked process: the store is only read from now on."""
        self._place = ForkStore(self._checkpoint)

    def __len__(self) -> int:
        """Streams known."""
        return self._engine.streams + len(self._evicted)

    @property
    def free(self) -> int:
        """Rows in memory that no stream has."""
        return self._engine.capacity - self._engine.streams

    @property
    def may_evict(self) -> bool:
        """Whether more streams may be known than memory holds."""
        return self.capacity > self._engine.capacity

    @property
    def evicted(self) -> int:
        """How many of them are in the store alone."""
        return len(self._evicted)

    def known(self, name: str) -> bool:
        """In memory or at rest."""
        return self._engine.known(name) or name in self._evicted

    def room(self, names: Sequence[str]) -> list[bool]:
        """Which of these may be served: the known ones, and new ones up to the capacity."""
        left = self.capacity - len(self)
        if len(names) <= left:
            return [True] * len(names)
        new: dict[str, bool] = {}
        return [self.known(name) or new.setdefault(name, len(new) < left) for name in names]

    def parts(self, batch: Batch, lsns: list[int]) -> Iterator[Part]:
        """The batch, in as many parts as it takes to have all streams of a part in memory; `lsns` (m) of its runs."""
        for part, numbers in self.divide(batch, lsns):
            yield part, self.bring_in(part, numbers), numbers

    def divide(self, batch: Batch, lsns: list[int]) -> Iterator[tuple[Batch, list[int]]]:
        """The batch in such parts, before any stream is in memory for them."""
        if not lsns:
            return
        if not self._evicted and self._engine.streams + len(lsns) <= self._engine.capacity:
            yield batch, lsns
            return
        start = 0
        for end in self._cuts(batch.names, lsns):
            keep = [start <= run < end for run in range(len(lsns))]
            yield (batch if all(keep) else keep_runs(batch, keep)), lsns[start:end]
            start = end

    def bring_in(self, part: Batch, lsns: list[int]) -> Ints:
        """The rows (m) of a part, in memory from now on; what is in front of it has been applied.

        Raises FullError when there is no room to store those that make room for it: nothing is lost then, and it can
        be tried again.
        """
        if self._evicted or self._engine.streams + len(lsns) > self._engine.capacity:
            self._load(part.names, lsns[0] - 1)
        return self._engine.admit(part.names)

    def hear(self, rows: Ints, now: float) -> None:
        """These rows had messages at `now`."""
        self._idle.hear(rows, now)

    def over(self, seconds: float, now: float) -> list[str]:
        """Streams that have been silent for more than so many seconds; some of them, when there are many."""
        found = self._idle.over(self._engine.names, seconds, now)
        return found or [name for name, rest in list(self._evicted.items())[:1] if rest.heard < now - seconds]

    def add_evicted(self, name: str, now: float, counts: Counts) -> None:
        """A stream is in the store, and there it stays until it is heard."""
        self._evicted[name] = Evicted(now, counts)

    def names(self) -> list[str]:
        """All streams, those in memory by row, then those at rest; "" where there is none."""
        return [*self._engine.names, *self._evicted]

    def counts(self, name: str) -> Counts:
        """Messages that the topics of a stream have had; the pool ("") has none."""
        if not name:
            return 0, 0
        if name in self._evicted:
            return self._evicted[name].counts
        return self._encoder.counts(int(self._engine.admit([name])[0]))

    def all_counts(self) -> dict[str, Counts]:
        """`counts` of every stream."""
        return {name: self.counts(name) for name in self.names() if name}

    def last(self, name: str) -> tuple[bytes, bytes] | None:
        """The last prediction of a stream again; None for one at rest."""
        outcomes = self._engine.outlook(name)
        return None if outcomes is None else self._encoder.retained(name, outcomes)

    def forget(self, name: str) -> None:
        """Let go of a stream, wherever it is; an unknown one is as it should be."""
        row = self._engine.forget(name)
        if row is not None:
            self._encoder.forget(row)
        if self._evicted.pop(name, None) is not None or row is not None:
            self._checkpoint.forget(name)

    def reset(self, name: str, applied_lsn: int) -> None:
        """Make a stream as it was before its first observation; the engine has applied everything up to that lsn."""
        self.row(name, applied_lsn)
        self._engine.reset(name)

    def row(self, name: str, applied_lsn: int) -> Ints:
        """The row (1) of a known stream, in memory from now on; the engine has applied everything up to that lsn."""
        if name in self._evicted:
            self._load([name], applied_lsn)
        return self._engine.admit([name])

    def restore(self, stored: Stored) -> list[str]:
        """A stored row into memory; names of the slices that no longer fit."""
        dropped = self._engine.restore(stored.name, stored.blob, stored.layout)
        if stored.name:  # the pool has no topic
            row = int(self._engine.admit([stored.name])[0])
            self._encoder.count_from(self._engine.names, row, stored.counts)
        return dropped

    def _cuts(self, names: Sequence[str], lsns: Sequence[int]) -> list[int]:
        """Where the parts end: each as many whole frames as name no more streams than there are rows."""
        cuts, held, run = [], set[str](), 0
        for _, frame in groupby(lsns):
            end = run + sum(1 for _ in frame)
            more = held.union(names[run:end])
            if run and len(more) > self._engine.capacity:
                cuts.append(run)
                more = set(names[run:end])
            held, run = more, end
        return [*cuts, len(lsns)]

    def _load(self, names: Sequence[str], applied_lsn: int) -> None:
        """Make room for the streams that are not in memory, and put those back that are at rest."""
        engine = self._engine
        away = [name for name in dict.fromkeys(names) if not engine.known(name)]
        if not away:
            return
        short = len(away) - self.free
        if short > 0:
            self._evict(short, set(names), applied_lsn)
        for name in away:
            if self._evicted.pop(name, None) is not None:
                self.loaded += 1
                stored = self._place.fetch(name)
                if stored is not None:
                    self.restore(stored)
                else:
                    _log.error("state damaged", streams=[name], count=1, hint="it begins anew")

    def _evict(self, count: int, needed: set[str], applied_lsn: int) -> None:
        """Store at least so many streams, those that have been silent the longest, and free their rows."""
        engine, more = self._engine, LIMIT_BYTES // self._engine.bytes_per_stream
        names = self._idle.longest(engine.names, needed, count, count + more)
        self._place.put(engine, [name for name, _ in names], applied_lsn)
        for name, heard in names:
            counts = self.counts(name)
            row = engine.forget(name)
            if row is not None:
                self._encoder.forget(row)
            self._evicted[name] = Evicted(heard, counts)
