"""Who is let in: the last step before the journal, so that what stands there is never refused."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from streamrnn.kernels.core.outcomes import Flag
from streamrnn.messages import Batch, keep_runs
from streamrnn.service.storage.journal import COMMAND, REFUSED
from streamrnn.wire.frames import Decoded, Frame, Refusal, refusal

Refused = tuple[int, Refusal, int]  # input, refusal, observations in it


class Streams(Protocol):
    """What is asked of the registry."""

    @property
    def capacity(self) -> int: ...

    def known(self, name: str) -> bool: ...

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


_ABOUT = Flag.LABEL_ONLY | Flag.VERDICT  # bits of what is about something that came before
_UNKNOWN = ("unknown_stream", "a label or a word on an alarm, and nothing has come of this stream yet")
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
    keep, left_out = _room(streams, frames, batch, origin, refused), dict[int, list[int]]()
    if not all(keep):
        left_out = _left_out(origin, keep)
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


def _room(
    streams: Streams, frames: Sequence[Frame], batch: Batch, origin: Sequence[int], refused: list[Refused]
) -> list[bool]:
    """Which runs are let in; the others are added to `refused`."""
    keep, about = streams.room(batch.names), _about_nothing(streams, batch)
    why = ("capacity", f"a new stream, and all {streams.capacity} are taken (limits.max_streams)")
    for run, kept in enumerate(keep):
        if run in about or not kept:
            reason = _UNKNOWN if run in about else why
            refused.append(_refused(frames, origin[run], reason, int(batch.lengths[run])))
    return [kept and run not in about for run, kept in enumerate(keep)]


def _about_nothing(streams: Streams, batch: Batch) -> set[int]:
    """Runs that only speak of what a stream has had, labels and words on alarms, where no such stream is known."""
    if not (batch.bits & _ABOUT).any():
        return set()
    ends = np.cumsum(batch.lengths)
    begun = dict.fromkeys(
        name for name, end, n in zip(batch.names, ends, batch.lengths, strict=True)
        if not (batch.bits[end - n : end] & _ABOUT).all()
    )  # fmt: skip
    return {
        run
        for run, (name, end, n) in enumerate(zip(batch.names, ends, batch.lengths, strict=True))
        if name not in begun and (batch.bits[end - n : end] & _ABOUT).all() and not streams.known(name)
    }


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


def _refused(frames: Sequence[Frame], index: int, why: tuple[str, str], observations: int) -> Refused:
    frame = frames[index]
    told = refusal(index, frame, *why, frame.body)
    return frame.origin, told, observations
