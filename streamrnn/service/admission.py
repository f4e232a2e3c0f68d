"""Who is let in: the last step before the journal, so that what stands there is never refused."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamrnn.messages import Batch, Ints, keep_runs
from streamrnn.wire.frames import OFFENDER_BYTES, Decoded, Frame, Refusal

if TYPE_CHECKING:
    from streamrnn.engine import Engine

Refused = tuple[int, Refusal, int]  # input, refusal, observations in it


@dataclass(frozen=True, slots=True)
class Admitted:
    """What goes into the journal and the engine, and what does not."""

    batch: Batch
    rows: Ints  # (m) row of each run
    frames: list[Frame]  # those with an observation that is let in
    frame: list[int]  # (m) index in `frames` of each run
    refused: list[Refused]


def admit(engine: "Engine", frames: Sequence[Frame], decoded: Decoded) -> Admitted:
    """Give every stream its row. Runs of new streams that there is no room for are refused."""
    batch, origin = decoded.batch, decoded.frame
    refused = [(frames[refusal.frame].origin, refusal, 1) for refusal in decoded.refusals]
    rows = engine.admit(batch.names)
    if len(rows) and rows.min() < 0:
        keep = (rows >= 0).tolist()
        refused += _full(engine.capacity, frames, decoded, keep)
        batch, rows = keep_runs(batch, keep), rows[rows >= 0]
        origin = [index for index, kept in zip(origin, keep, strict=True) if kept]
    held = dict.fromkeys(origin)
    if len(held) == len(origin):  # one run a frame
        return Admitted(batch, rows, [frames[index] for index in origin], list(range(len(origin))), refused)
    place = {index: position for position, index in enumerate(held)}
    return Admitted(batch, rows, [frames[index] for index in held], [place[index] for index in origin], refused)


def by_input(frames: Sequence[Frame], decoded: Decoded) -> tuple[dict[int, int], dict[int, int]]:
    """Frames and observations of each input."""
    first = frames[0].origin
    if first == frames[-1].origin:  # inputs are drained one after the other
        return {first: len(frames)}, {first: decoded.observations}
    observations: Counter[int] = Counter(frames[refusal.frame].origin for refusal in decoded.refusals)
    for index, length in zip(decoded.frame, decoded.batch.lengths.tolist(), strict=True):
        observations[frames[index].origin] += length
    return Counter(frame.origin for frame in frames), observations


def _full(capacity: int, frames: Sequence[Frame], decoded: Decoded, keep: Sequence[bool]) -> list[Refused]:
    detail = f"a new stream, and all {capacity} are taken (limits.max_streams)"
    lengths = decoded.batch.lengths.tolist()
    refused = []
    for run, kept in enumerate(keep):
        if not kept:
            frame = frames[decoded.frame[run]]
            body = frame.body
            told = Refusal(decoded.frame[run], "capacity", detail, body[:OFFENDER_BYTES], len(body), frame.received)
            refused.append((frame.origin, told, lengths[run]))
    return refused
