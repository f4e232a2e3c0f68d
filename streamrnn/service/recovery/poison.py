"""Frames that end the process: found by trying them in a child, passed over from then on.

What is journaled is applied, so a frame that ends the process (a fault of ours: a raised exception, a segmentation
fault) would end every start that replays it. A mark in the database stands while a replay is under way. Who finds it
there does not trust what follows: each part of the journal is first applied in a forked child, which has all of our
state and changes none of it. If the child ends badly, halving finds the frame; its journal row says from then on that
it is passed over, and its sender and the operator are told by a dead letter. So the third start gets past it: the
first run journals the frame and ends, the second ends in its replay, the third one looks.

The child reads the store and never writes to it: the streams that it lets rest it keeps in its memory (`shelf`). So
that it has room for them, no more is then tried at once than TRIED_BYTES, or one frame.

Not every frame that ends the process is at fault: the row that it meets may be damaged, and then everything ends it. So
the frame is tried once more without any of its values. Where that ends the child as well, the row begins anew and the
frame is applied to it.

A child that is killed (for want of memory, by an operator) says nothing about the frame, nor does one that cannot read
the disk. A frame that hangs is not found: it ends by the watchdog, and the log shows where.

Rejected: counting how often a start ended at a frame, and giving it up after so many. Ends have other causes, and a
machine that is killed five times at the same moment would lose a message that it has acknowledged.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import numpy as np
from msgspec import structs

from streamrnn.errors import FullError, SnapshotError, StorageError
from streamrnn.messages import Batch, keep_runs
from streamrnn.service.ingest.admission import Refused
from streamrnn.service.storage.store import Store
from streamrnn.wire import Decoder, Frame, refusal

Pair = tuple[int, Frame]  # lsn and frame

_KEY = "replaying"  # in the database
_CRASHES = {-number for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT)}
TRIED_BYTES = 64 * 1024  # of frames: they name some thousand streams at most
_RAISED = 70  # exit code of a child, EX_SOFTWARE


@contextmanager
def watched(store: Store) -> Iterator[bool]:
    """Around a replay; whether an earlier one did not come to its end."""
    before = _KEY in store.about()
    with suppress(FullError), store.writing() as connection:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, 'yes')", (_KEY,))
    yield before
    with suppress(FullError), store.writing() as connection:
        connection.execute("DELETE FROM meta WHERE key = ?", (_KEY,))


def refusals(frames: Sequence[Frame], decoder: Decoder) -> list[Refused]:
    """What is told of frames that were found."""
    why = "it ends the process when it is applied, and is passed over"
    found = []
    for frame in frames:
        readable = survives(lambda: decoder.decode([frame]))  # noqa: B023  called at once
        count = decoder.decode([frame]).observations if readable else 1
        found.append((frame.origin, refusal(0, frame, "poison", why, frame.body), count))
    return found


def portions(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """What is tried at once where streams may rest."""
    portion: list[Pair] = []
    size = 0
    for pair in pairs:
        size += len(pair[1].body)
        if portion and size > TRIED_BYTES:
            yield portion
            portion, size = [], len(pair[1].body)
        portion.append(pair)
    yield portion


def sift(
    pairs: Sequence[Pair],
    attempt: Callable[[Sequence[Pair]], object],
    excused: Callable[[Pair], bool] = lambda _: False,
) -> list[int]:
    """Numbers of the frames that cannot be applied; `attempt` applies some.

    `excused` looks for the fault elsewhere: where it has found and mended one, the frame is tried again.
    """
    rest, found = list(pairs), []
    while rest and not survives(lambda: attempt(rest)):
        low, high = 0, len(rest)  # the first `low` can be applied, the first `high` cannot
        while high - low > 1:
            middle = (low + high) // 2
            if survives(lambda: attempt(rest[:middle])):  # noqa: B023  called at once
                low = middle
            else:
                high = middle
        if not excused(rest[high - 1]):
            found.append(rest.pop(high - 1)[0])
    return found


def emptied(batch: Batch, name: str) -> Batch:
    """What a batch has of a stream, with every value missing."""
    theirs = keep_runs(batch, [each == name for each in batch.names])
    nothing = np.full(len(theirs), np.nan)
    return structs.replace(theirs, values=np.full_like(theirs.values, np.nan), label=nothing, future=None)


def survives(work: Callable[[], object]) -> bool:
    """Whether a copy of this process that does `work` comes through it."""
    child = os.fork()
    if child == 0:
        code = _RAISED
        try:
            work()
            code = 0
        except (MemoryError, StorageError, SnapshotError):
            code = 0  # no fault of the frame; it may yet fit into the parent
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code != _RAISED and code not in _CRASHES
