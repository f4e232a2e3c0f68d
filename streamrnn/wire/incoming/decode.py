"""Frames in, a batch out. Nothing that a sender can put into a frame raises out of `Decoder.decode`."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamrnn.errors import WireError
from streamrnn.messages import Batch
from streamrnn.wire.formats import OF_BYTE
from streamrnn.wire.frames import Decoded, Frame, Refusal, Source, refusal
from streamrnn.wire.incoming.columns import Faults, columns, without
from streamrnn.wire.incoming.forms import UNREADABLE, Observation, Readers, readers
from streamrnn.wire.incoming.mend import Notes, NotMendedError, mended, named_otherwise
from streamrnn.wire.incoming.refusals import explain
from streamrnn.wire.incoming.rows import Place, Rows

MENDED = ("type", "unknown_feature", "not_finite", "out_of_range")  # faults of single values
_LOOKED_AT = 100  # lines, for one that is complete; a frame of broken ones must not hold up the others


class Decoder:
    """Reads the frames of all inputs; with `binary` a label is 0 or 1. `coming` features bring values ahead, at so many
    `horizons`.

    Raises ConfigError for feature names that no message could spell.
    """

    def __init__(
        self, features: tuple[str, ...], task: str, sources: Sequence[Source], max_observations: int,
        binary: bool = False, coming: tuple[str, ...] = (), horizons: int = 0,
    ) -> None:  # fmt: skip
        self._features = features
        self._task, self._binary = task, binary
        self._sources = tuple(sources)
        self._limit = max_observations
        self._coming = (coming, horizons)
        self._by_name = readers(features, max_observations, task == "events", coming, horizons)
        self._by_byte = {byte: self._by_name[name] for byte, name in OF_BYTE.items()}
        self._notes: Notes = Counter()  # of the frames at hand
        self._columnar = [False] * len(sources)  # the form that a source sent last is tried first

    def decode(self, frames: Sequence[Frame]) -> Decoded:
        """All observations of the frames in order of arrival, and a refusal for each thing that is none."""
        rows = Rows(self._features, self._task, self._limit, self._binary, *self._coming)
        refusals: list[Refusal] = []
        self._notes = Counter()
        for index, frame in enumerate(frames):
            try:
                source = self._sources[frame.origin]
                stream = _topic_stream(frame, source) if source.stream_from_topic else source.stream
                self._frame(rows, frame, Place(index, -1, stream, frame.received), refusals)
            except WireError as error:
                refusals.append(refusal(index, frame, error.reason, str(error), frame.body))
        batch, places, faults = columns(rows)
        if faults:
            refusals += self._faulty(batch, places, faults, frames)
            batch, places = without(batch, places, faults)
        refusals.sort(key=lambda refused: refused.frame)
        return Decoded(batch, [place.frame for place in places], refusals, len(batch) + len(refusals), self._notes)

    def _frame(self, rows: Rows, frame: Frame, place: Place, refusals: list[Refusal]) -> None:
        """One frame, in the form that is likely; the others when that fails. Raises WireError for all of it."""
        using, found = self._readers(frame), None
        try:
            if self._columnar[frame.origin]:
                rows.many(using.columns.decode(frame.body), place)
                return
            found = using.frame.decode(frame.body)
            if isinstance(found, Observation):
                rows.one(found, place)
                self._look_at_time(found, frame)
                return
        except UNREADABLE:
            pass  # another form, or something to be refused with its reason
        try:
            items = found if found is not None else self._split(frame.body, using)
        except WireError as error:
            self._columnar[frame.origin] = self._mended(rows, frame.body, place, frame, error)
            return
        if items is None:
            self._columnar[frame.origin] = self._single(rows, frame.body, place, frame)
        elif not items:
            raise WireError("empty", "an array without an observation")
        else:
            self._several(rows, items, frame, place, refusals)

    def _several(self, rows: Rows, items: list[Any], frame: Frame, place: Place, refusals: list[Refusal]) -> None:
        """The items of an array or the lines of a frame, each for itself: observations, or bytes still to be read."""
        using, first, parts = self._readers(frame), len(rows.time), None
        for position, item in enumerate(items):
            where = Place(place.frame, position, place.stream, place.received)
            try:
                rows.room = self._limit - (len(rows.time) - first)
                if rows.room == 0:
                    raise WireError("too_many", f"more than {self._limit} observations in one frame")
                if isinstance(item, Observation):
                    rows.one(item, where)
                else:
                    self._single(rows, item, where, frame)
            except WireError as error:
                parts = parts or (items if isinstance(item, bytes) else self._split(frame.body, using))
                offender = parts[position] if parts else frame.body
                refusals.append(refusal(place.frame, frame, error.reason, str(error), offender))
        rows.room = self._limit

    def _single(self, rows: Rows, body: bytes, place: Place, frame: Frame) -> bool:
        """Read an observation or columns, without its bad values where the source is mended; whether it was columns.
        Raises WireError."""
        try:
            return _single(rows, body, place, self._readers(frame))
        except WireError as error:
            return self._mended(rows, body, place, frame, error)

    def _mended(self, rows: Rows, body: bytes, place: Place, frame: Frame, error: WireError) -> bool:
        """Read what is left of a message that was refused with `error`, which is raised where nothing is."""
        if not self._sources[frame.origin].mend or error.reason not in MENDED:
            raise error
        using, notes = self._readers(frame), Counter[tuple[str, str]]()
        try:
            better = mended(body, self._features, using.lines, notes)
        except NotMendedError:
            raise error from None
        columnar = _single(rows, better, place, using)
        self._notes.update(notes)
        return columnar

    def _look_at_time(self, found: Observation[Any], frame: Frame) -> None:
        """Note a time that came under another name: the observation gets that of its arrival."""
        if found.time is None and self._sources[frame.origin].mend and found.feedback is None:
            key = named_otherwise(frame.body)
            if key is not None:
                self._notes["time", key] += 1

    def _readers(self, frame: Frame) -> Readers:
        """The decoders for the format of a frame. Raises WireError when there is nothing or neither format in it."""
        declared = self._sources[frame.origin].format
        if not frame.body:
            raise WireError("empty", "an empty frame")
        using = self._by_name.get(declared) or self._by_byte.get(frame.body[0])
        if using is None:
            raise WireError("malformed", f"neither JSON nor MessagePack: begins with byte 0x{frame.body[0]:02x}")
        return using

    def _split(self, body: bytes, using: Readers) -> list[bytes] | None:
        """The items of an array, the lines of newline-delimited JSON, or None for a single thing. Raises WireError."""
        start = body.lstrip()[:1] if using.lines else body[:1]
        try:
            if start and start[0] in using.arrays:
                return [bytes(item) for item in using.split.decode(body)]
            using.whole.decode(body)
            return None
        except UNREADABLE as error:
            if not start:
                raise WireError("empty", "a frame of white space") from None
            lines = _lines(body, using) if using.lines and start[0] not in using.arrays else None
            if lines is None:
                raise explain(error, body) from None
        if len(lines) > self._limit:
            raise WireError("too_many", f"{len(lines)} lines in one frame, {self._limit} are taken")
        return lines

    def _faulty(self, batch: Batch, places: list[Place], faults: Faults, frames: Sequence[Frame]) -> list[Refusal]:
        """The refusals of rows whose numbers are bad."""
        ends = np.cumsum(batch.lengths)
        items: dict[int, list[bytes] | None] = {}  # of each frame concerned, split once
        refusals = []
        for row, (reason, detail) in sorted(faults.items()):
            run = int(np.searchsorted(ends, row, "right"))
            index, item = places[run].frame, places[run].item
            frame = frames[index]
            if item >= 0 and index not in items:
                items[index] = self._split(frame.body, self._readers(frame))
            parts, place = items.get(index), ""
            if batch.columnar[run]:
                place = f"observation {row - int(ends[run]) + int(batch.lengths[run])} of the columns: "
            refusals.append(refusal(index, frame, reason, place + detail, parts[item] if parts else frame.body))
        return refusals


def _single(rows: Rows, body: bytes, place: Place, using: Readers) -> bool:
    """Read an observation or columns; whether it was columns. Raises WireError."""
    try:
        rows.one(using.one.decode(body), place)
    except UNREADABLE as error:
        if "got `array`" not in str(error):
            raise explain(error, body) from None
    else:
        return False
    try:
        rows.many(using.columns.decode(body), place)
    except UNREADABLE as error:
        raise explain(error, body) from None
    return True


def _lines(body: bytes, using: Readers) -> list[bytes] | None:
    """The lines of newline-delimited JSON, or None when no line is complete for itself: then it is one broken thing."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) < 2:
        return None
    for line in lines[:_LOOKED_AT]:
        try:
            using.whole.decode(line)
        except UNREADABLE:
            continue
        if line.lstrip().startswith(b"{"):
            return lines
    return None


def _topic_stream(frame: Frame, source: Source) -> str | None:
    """The stream that the topic names. What is not UTF-8 becomes unprintable, and is refused as a name."""
    return frame.topic.decode("utf-8", "surrogateescape") or source.stream
