"""Back to where we were: stored rows are restored and the journal is replayed, through the same decoder and engine.

Of each journaled frame the observations that a restored row already holds are passed over (`checkpoint` says why that
is exact). What was accepted and perhaps not published before the stop is encoded, to be sent once the sockets are open.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from streamrnn.engine import Engine
from streamrnn.messages import Batch, Outcomes, keep_runs
from streamrnn.service.checkpoint import Checkpoint
from streamrnn.service.journal import Journal
from streamrnn.wire import Decoder, Frame

_log = structlog.get_logger("streamrnn")


@dataclass(frozen=True, slots=True)
class Replayed:
    """A part of the journal, applied again."""

    batch: Batch
    outcomes: Outcomes
    lsns: list[int]  # (m) of each run's frame
    due: bool  # perhaps not published before the stop


def restore(engine: Engine, checkpoint: Checkpoint) -> dict[str, int]:
    """Put all stored rows back; the lsn up to which each stream's row holds what was journaled.

    Raises SnapshotError for rows that cannot be used.
    """
    applied, dropped = {}, set()
    for name, lsn, layout, blob in checkpoint.load():
        dropped.update(engine.restore(name, blob, layout))
        applied[name] = lsn
    if dropped:
        _log.warning("state dropped", slices=sorted(dropped), hint="the model changed; these parts begin anew")
    if checkpoint.damaged:
        _log.error("state damaged", streams=checkpoint.damaged[:100], count=len(checkpoint.damaged))
    return applied


def replay(
    engine: Engine, journal: Journal, decoder: Decoder, applied: dict[str, int], inputs: int, after: int
) -> Iterator[Replayed]:
    """Apply again what stands in the journal behind lsn `after`. `inputs`: number of inputs configured now."""
    for pairs in journal.replay(after):
        known = [(lsn, _from_known(frame, inputs)) for lsn, frame in pairs]
        for due in (False, True):
            part = [pair for pair in known if (pair[0] > journal.published) is due]
            if part:
                yield from _apply(engine, decoder, applied, part, due)


def _apply(
    engine: Engine, decoder: Decoder, applied: dict[str, int], pairs: Sequence[tuple[int, Frame]], due: bool
) -> Iterator[Replayed]:
    decoded = decoder.decode([frame for _, frame in pairs])
    batch, lsns = decoded.batch, [pairs[index][0] for index in decoded.frame]
    batch, lsns = _keep(batch, lsns, [lsn > applied.get(name, 0) for lsn, name in zip(lsns, batch.names, strict=True)])
    rows = engine.admit(batch.names)
    batch, lsns = _keep(batch, lsns, (rows >= 0).tolist())
    if len(batch):
        yield Replayed(batch, engine.step(batch, rows[rows >= 0]), lsns, due)


def _keep(batch: Batch, lsns: list[int], keep: list[bool]) -> tuple[Batch, list[int]]:
    if all(keep):
        return batch, lsns
    return keep_runs(batch, keep), [lsn for lsn, kept in zip(lsns, keep, strict=True) if kept]


def _from_known(frame: Frame, inputs: int) -> Frame:
    """An input that is not configured any more is read like the last one that is."""
    if frame.origin < inputs:
        return frame
    return Frame(inputs - 1, frame.received, frame.topic, frame.body)


def carry_over(old: Engine, new: Engine, alive: Callable[[], None]) -> set[str]:
    """Copy the state of all streams into a new engine; names of the slices that found no place.

    `alive` is called between rows. Raises SnapshotError when there is no room.
    """
    dropped: set[str] = set()
    names = list(old.names)
    if old.model.weights == "pooled":
        names.append("")
    for name in names:
        dropped.update(new.restore(name, old.export(name), old.layout))
        alive()
    return dropped
