"""Who is let in: the last step before the journal, so that what stands there is never refused."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streamrnn.messages import Batch, keep_runs
from streamrnn.service.storage.journal import COMMAND, REFUSED
from streamrnn.wire.frames import Decoded, Frame, Refusal, refusal

Refused = tuple[int, Refusal, int]  # input, refusal, observations in it


class Streams(Protocol):
    """What is asked of the registry."""

    @property
    def capacity(self) -> int: ...

    def room(self, names: Sequence[str]) -> list[bool]: ...  # which may be served


@dataclass(frozen=True, slots=True)
class Admitted:
    """What goes into the journal and the engine, and what does not."""

    batch: Batch
    frames: list[Frame]  # those with an observation that is let in
    frame: list[int]  # (m) index in `frames` of each run
    refused: list[Refused]
    left_out: dict[int, list[int]] = field(default_factory=dict)  # index in `frames` -> runs there was no room for

    def journaled(self) -> tuple[list[Frame], list[int]]:
        """The frames as they stand in the journal, and where each of `frames` is among them.

        A frame of which a part was left out is preceded by what says so: when it is replayed there may be room.
        """
        if not self.left_out:
            return self.frames, list(range(len(self.frames)))
        frames, place = [], []
        for index, frame in enumerate(self.frames):
            if index in self.left_out:
                frames.append(Frame(COMMAND, frame.received, REFUSED, json.dumps(self.left_out[index]).encode()))
            place.append(len(frames))
            frames.append(frame)
        return frames, place


_AWAY = {
    "denied": "the key of this sender does not allow a stream in it (its file in security.keys)",
    "new_streams": "more new streams than this sender may bring (limits.new_streams_per_second)",
}


def admit(
    streams: Streams, frames: Sequence[Frame], decoded: Decoded, away: Mapping[int, str] | None = None
) -> Admitted:
    """Let in what there is room for. Frames that are turned `away` (index -> reason) are refused whole, and runs of new
    streams that there is no room for.
    """
    batch, origin = decoded.batch, decoded.frame
    refused = [(frames[found.frame].origin, found, 1) for found in decoded.refusals]
    if away:
        keep = [index not in away for index in origin]
        refused += _rejected(frames, decoded, away)
        batch, origin = keep_runs(batch, keep), [index for index in origin if index not in away]
    keep, left_out = streams.room(batch.names), dict[int, list[int]]()
    if not all(keep):
        left_out = _left_out(origin, keep)
        refused += _full(streams.capacity, frames, batch, origin, keep)
        batch = keep_runs(batch, keep)
        origin = [index for index, kept in zip(origin, keep, strict=True) if kept]
    held = dict.fromkeys(origin)
    if len(held) == len(origin):  # one run a frame
        places = list(range(len(origin)))
    else:
        place = {index: position for position, index in enumerate(held)}
        places = [place[index] for index in origin]
    if left_out:
        left_out = {position: left_out[index] for position, index in enumerate(held) if index in left_out}
    return Admitted(batch, [frames[index] for index in held], places, refused, left_out)


def _left_out(origin: Sequence[int], keep: Sequence[bool]) -> dict[int, list[int]]:
    """Frame -> numbers of its runs that are not kept."""
    seen: Counter[int] = Counter()
    left_out: dict[int, list[int]] = {}
    for index, kept in zip(origin, keep, strict=True):
        if not kept:
            left_out.setdefault(index, []).append(seen[index])
        seen[index] += 1
    return left_out


def by_input(frames: Sequence[Frame], decoded: Decoded) -> tuple[dict[int, int], dict[int, int]]:
    """Frames and observations of each input."""
    first = frames[0].origin
    if all(frame.origin == first for frame in frames):
        return {first: len(frames)}, {first: decoded.observations}
    observations: Counter[int] = Counter(frames[found.frame].origin for found in decoded.refusals)
    for index, length in zip(decoded.frame, decoded.batch.lengths.tolist(), strict=True):
        observations[frames[index].origin] += length
    return Counter(frame.origin for frame in frames), observations


def _rejected(frames: Sequence[Frame], decoded: Decoded, away: Mapping[int, str]) -> list[Refused]:
    count: Counter[int] = Counter()
    for index, length in zip(decoded.frame, decoded.batch.lengths.tolist(), strict=True):
        count[index] += length
    return [_refused(frames, index, (reason, _AWAY[reason]), count[index]) for index, reason in away.items()]


def _full(
    capacity: int, frames: Sequence[Frame], batch: Batch, origin: Sequence[int], keep: Sequence[bool]
) -> list[Refused]:
    why = ("capacity", f"a new stream, and all {capacity} are taken (limits.max_streams)")
    lengths = batch.lengths.tolist()
    return [_refused(frames, origin[run], why, lengths[run]) for run, kept in enumerate(keep) if not kept]


def _refused(frames: Sequence[Frame], index: int, why: tuple[str, str], observations: int) -> Refused:
    frame = frames[index]
    told = refusal(index, frame, *why, frame.body)
    return frame.origin, told, observations
