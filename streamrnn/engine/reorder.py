"""Late and out-of-order observations: each stream waits `lateness` seconds of its own time before it goes on.

An observation is held until its stream has had one that is `lateness` younger; then it is let go, in the order of time,
equal times in order of arrival. One that is older than what was let go comes too late: it goes straight on, and the
engine says so (LATE). What is let go, and when, is a function of the stream's own observations in the order in which
they were received; the clock on the wall plays no part. A sequence's `end` lets go all that is not younger.

Where it stands: behind the journal, before the engine. What is held has been journaled and acknowledged, so it is
state, stored with the stream's row and under the same rule; a replay holds and lets go the same. An answer comes when
its observation is let go, with the journal's place of the message that did it.

At most MOST are held of a stream, the oldest goes then. A clock that was set back is followed after as many late ones
in a row as the engine needs to follow it; a single time from the future lets go what is held, and holds up nothing.

Rejected: holding before the journal (an ack would wait for the lateness, and for ever when a stream falls silent); in
the kernel (one outcome an observation is what its callers build on).
"""

import math
from bisect import insort
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from msgspec import Struct

from streamrnn.kernels.core.outcomes import Flag
from streamrnn.kernels.step.door import DAY, MOST_LATE
from streamrnn.messages import END, Batch, Floats

MOST = 256  # held of a stream


class Held(Struct, array_like=True, gc=False):
    """One observation that waits."""

    time: float
    values: list[float | None]
    seq: int
    bits: int
    ident: int
    id: str | None
    future: list[float | None] | None = None


class Stream(Struct, array_like=True):
    """One stream's place in time."""

    newest: float | None = None  # time received
    passed: float | None = None  # newest time let go
    late: int = 0  # too late, in a row
    held: list[Held] = []
    ahead: int = 0  # far ahead of their arrival, in a row

    def take(self, one: Held, lateness: float) -> Iterator[Held]:
        """Receive one; those that are let go. A word on an alarm has no place in time."""
        if one.bits & Flag.VERDICT or self._leaps(one):
            yield one
            return
        if self.passed is not None and one.time < self.passed:
            self.late += 1
            if self.late > MOST_LATE:
                self.newest, self.passed, self.late = one.time, one.time, 0
            yield one
            return
        self.late = 0
        insort(self.held, one, key=lambda held: held.time)
        self.newest = one.time if self.newest is None else max(self.newest, one.time)
        until = max(self.newest - lateness, one.time if one.bits & END else -math.inf)
        gone = 0
        while gone < len(self.held) and (self.held[gone].time <= until or len(self.held) - gone > MOST):
            gone += 1
        if gone:
            self.passed = self.held[gone - 1].time
            yield from self.held[:gone]
            del self.held[:gone]

    def _leaps(self, one: Held) -> bool:
        """Whether a time is more than a day ahead of its arrival and of all before: the engine says so."""
        leaps = bool(one.bits & Flag.AHEAD) and self.newest is not None and one.time > self.newest + DAY
        self.ahead = self.ahead + 1 if leaps else 0
        return 0 < self.ahead <= MOST_LATE


class Reorder:
    """The streams of a daemon. With `lateness` 0 and nothing held, batches go through untouched."""

    def __init__(self, lateness: float) -> None:
        self.lateness = lateness  # seconds
        self.reordered = 0  # observations that came after a younger one and were held for it
        self._held = 0
        self._streams: dict[str, Stream] = {}
        self._dirty: dict[str, None] = {}

    def follow(self, lateness: float) -> None:
        """Wait for so many seconds from now on."""
        self.lateness = lateness

    def take_reordered(self) -> int:
        """`reordered` since this was last asked."""
        count, self.reordered = self.reordered, 0
        return count

    @property
    def active(self) -> bool:
        """Whether anything may have to wait."""
        return self.lateness > 0.0 or bool(self._streams)

    @property
    def held(self) -> int:
        """Observations that wait, of all streams."""
        return self._held

    def pass_on(self, batch: Batch, lsns: Sequence[int]) -> tuple[Batch, list[int]]:
        """Receive a batch; what is let go, and the lsn of the message that let go each of its runs."""
        if not self.active or batch.event is not None:  # events are taken as they come
            return batch, list(lsns)
        taken: list[Held] = []
        runs: list[tuple[str, int, bool, int]] = []  # name, length, columnar, lsn
        start = 0
        for name, length, columnar, lsn in zip(batch.names, batch.lengths.tolist(), batch.columnar, lsns, strict=True):
            self._held += length
            before, stream = len(taken), self._streams.setdefault(name, Stream())
            self._dirty[name] = None
            for each in _observations(batch, start, start + length):
                passed, newest = stream.passed or -math.inf, stream.newest or -math.inf
                self.reordered += passed <= each.time < newest and not each.bits & Flag.VERDICT
                taken += stream.take(each, self.lateness)
            start, count = start + length, len(taken) - before
            runs += [(name, count, True, lsn)] if columnar and count else [(name, 1, False, lsn)] * count
        self._held -= len(taken)
        return _batch(taken, runs, batch.values.shape[1]), [lsn for *_, lsn in runs]

    def drain(self) -> Batch:
        """All that is held, let go at once. Not to be called with nothing held."""
        taken = [each for stream in self._streams.values() for each in stream.held]
        runs = [(name, 1, False, 0) for name, stream in self._streams.items() for _ in stream.held]
        for stream in self._streams.values():
            stream.held = []
        self._held = 0
        return _batch(taken, runs, len(taken[0].values))

    def forget(self, name: str) -> None:
        """Drop what is held of a stream, and its place in time."""
        if (gone := self._streams.pop(name, None)) is not None:
            self._held -= len(gone.held)

    def take_dirty(self) -> list[str]:
        """Names of the streams that changed since they were last taken."""
        taken, self._dirty = list(self._dirty), {}
        return taken

    def export(self, name: str) -> bytes:
        """What is held of a stream, as bytes; empty when there is nothing to say."""
        stream = self._streams.get(name)
        return b"" if stream is None else msgspec.msgpack.encode(stream)

    def restore(self, name: str, blob: bytes) -> None:
        """Put back what was exported."""
        if blob:
            self._streams[name] = msgspec.msgpack.decode(blob, type=Stream)
            self._held += len(self._streams[name].held)


def _observations(batch: Batch, start: int, stop: int) -> Iterator[Held]:
    for i in range(start, stop):
        yield Held(
            float(batch.time[i]),
            _told(batch.values[i]),
            int(batch.seq[i]),
            int(batch.bits[i]),
            int(batch.ident[i]),
            batch.ids.get(i),
            None if batch.future is None else _told(batch.future[i]),
        )


def _told(values: Floats) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]


def _ahead(told: Sequence[list[float | None] | None]) -> Floats | None:
    """What is known ahead (n, G K), None where the model knows nothing."""
    width = max((len(each) for each in told if each is not None), default=0)
    none: list[float | None] = [None] * width
    return np.array([none if each is None else each for each in told], np.float64) if width else None


def _batch(taken: Sequence[Held], runs: Sequence[tuple[str, int, bool, int]], width: int) -> Batch:
    count = len(taken)
    return Batch(
        names=[name for name, *_ in runs],
        lengths=np.array([length for _, length, _, _ in runs], np.int64),
        columnar=[columnar for _, _, columnar, _ in runs],
        time=np.array([each.time for each in taken], np.float64),
        values=np.array([each.values for each in taken], np.float64).reshape(count, width),
        label=np.full(count, np.nan),
        ident=np.array([each.ident for each in taken], np.int64),
        seq=np.array([each.seq for each in taken], np.int64),
        bits=np.array([each.bits for each in taken], np.int64),
        ids={i: each.id for i, each in enumerate(taken) if each.id is not None},
        future=_ahead([each.future for each in taken]),
    )
