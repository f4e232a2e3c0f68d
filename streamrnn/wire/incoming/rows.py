"""Observations on their way into a batch: lists that grow, for an append is cheap; `columns` makes them arrays."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from streamrnn.errors import WireError
from streamrnn.messages import END, LABEL_ONLY, STAMPED, WORDS, digest
from streamrnn.wire.incoming.forms import (
    SYMBOL_BYTES,
    AheadColumns,
    AheadObservation,
    Columns,
    EventColumns,
    EventObservation,
    Feedback,
    Observation,
    Symbol,
)

_NAME_BYTES = 128


class Place(Struct, frozen=True, gc=False):
    """Where observations came from."""

    frame: int  # index in the list of frames
    item: int  # index in the frame's array or lines; -1 is the frame itself
    stream: str | None  # for observations that name none
    received: float  # seconds since the epoch, for observations without a time


@dataclass(slots=True)
class Rows:
    """n observations in m runs of F features. What raises WireError has appended nothing."""

    features: tuple[str, ...]
    task: str  # "label": one may come alone; "events": each is a symbol, values may be left out
    room: int  # most observations that a columnar message may add
    binary: bool = False  # labels are 0 or 1
    coming: tuple[str, ...] = ()  # (G) features whose values come ahead,
    horizons: int = 0  # at K horizons
    names: list[str] = field(default_factory=list)  # (m)
    lengths: list[int] = field(default_factory=list)  # (m)
    columnar: list[bool] = field(default_factory=list)  # (m)
    places: list[Place] = field(default_factory=list)  # (m)
    time: list[float | datetime] = field(default_factory=list)  # (n)
    values: list[float | None] = field(default_factory=list)  # (n * F) None is missing
    seq: list[int | None] = field(default_factory=list)  # (n)
    events: list[int] = field(default_factory=list)  # (n) digests, with task "events"
    symbols: dict[Symbol, int] = field(default_factory=dict)  # symbol -> digest
    label: dict[int, float] = field(default_factory=dict)  # the rest is rare, and kept by row
    ids: dict[int, str] = field(default_factory=dict)
    bits: dict[int, int] = field(default_factory=dict)
    ahead: dict[int, list[list[float | None] | None]] = field(default_factory=dict)  # (G) lists of K
    words: dict[int, int] = field(default_factory=dict)  # numbers of the events that feedback speaks of

    def one(self, item: Observation[Any], place: Place) -> None:
        """Append an observation as a run of its own. Raises WireError."""
        if item.feedback is not None:
            self._word(item, item.feedback, place)
            return
        name = _name(item.stream, place)
        row = len(self.time)
        found: Any = item.values
        if isinstance(item, EventObservation):
            self.events.append(self._event(item.event))
            found = [None] * len(self.features) if found is None else found
        if found is None:
            self._late(item.label, item.id)
            found = [None] * len(self.features)
            self.bits[row] = LABEL_ONLY
        self.values += found if type(found) is list else astuple(found)
        self.names.append(name)
        self.lengths.append(1)
        self.columnar.append(False)
        self.places.append(place)
        if item.time is None:
            self.time.append(place.received)
            self.bits[row] = self.bits.get(row, 0) | STAMPED
        else:
            self.time.append(item.time)
        self.seq.append(item.seq)
        self._extras(item, row)

    def _extras(self, item: Observation[Any], row: int) -> None:
        """What few observations bring: values known ahead, a label, an id, an end."""
        if isinstance(item, AheadObservation) and item.future is not None:
            self.ahead[row] = list(astuple(item.future))
        if item.label is not None:
            self.label[row] = item.label
        if item.id is not None:
            self.ids[row] = str(item.id)
        if item.end:
            self.bits[row] = self.bits.get(row, 0) | END

    def _word(self, item: Observation[Any], said: Feedback, place: Place) -> None:
        """Append what is said of an alarm. Raises WireError."""
        event = item.event if isinstance(item, EventObservation) else None
        if item.values is not None or item.label is not None or event is not None:
            raise WireError("feedback", "feedback with values or a label", "send it alone, with event_id and verdict")
        name, number = event_of(said.event_id)
        if item.stream not in (None, name):
            raise WireError("feedback", f"feedback of {item.stream!r} on an event of {name!r}", "leave the stream out")
        if (said.verdict == "ignore") != (said.until is not None):
            raise WireError("feedback", "'until' belongs to the verdict 'ignore'", "say until when, in seconds")
        row = len(self.time)
        self.values += [None] * len(self.features)
        if self.task == "events":
            self.events.append(number)
        self.names.append(name)
        self.lengths.append(1)
        self.columnar.append(False)
        self.places.append(place)
        self.time.append(place.received if said.until is None else said.until)
        self.seq.append(None)
        self.words[row] = number
        self.bits[row] = WORDS[said.verdict]

    def many(self, item: Columns[Any], place: Place) -> None:
        """Append a columnar message as one run. Raises WireError, and ValueError when nothing in it is a column."""
        columns = item.values if type(item.values) is list else _columns(item.values, len(self.features))
        length = self._length(item, columns)
        name = _name(item.stream, place)
        self._check(item)
        row = len(self.time)
        if isinstance(item, AheadColumns) and item.future is not None:
            self._foresee(list(astuple(item.future)), row, length)
        self.values += _interleaved(columns, length)
        self.names.append(name)
        self.lengths.append(length)
        self.columnar.append(True)
        self.places.append(place)
        self.time += [place.received] * length if item.time is None else item.time
        self.seq += [None] * length if item.seq is None else item.seq
        if item.label is not None or item.id is not None or item.values is None or item.end is not False:
            self._rare(item, row, length)
        if item.time is None:
            self.bits.update((row + i, self.bits.get(row + i, 0) | STAMPED) for i in range(length))

    def _check(self, item: Columns[Any]) -> None:
        """Take the events of a columnar message, or check that labels without values can be. Raises WireError."""
        if isinstance(item, EventColumns):
            self._series(item)
        elif item.values is None:
            for label, ident in zip(item.label or [None], item.id or [None], strict=False):
                self._late(label, ident)

    def _foresee(self, columns: list[list[list[float | None]] | None], row: int, length: int) -> None:
        """What is known ahead of the run that begins at `row`, a column a feature. Raises WireError."""
        for name, column in zip(self.coming, columns, strict=True):
            if column is not None and len(column) != length:
                raise WireError("schema", f"future.{name} has {len(column)} entries for {length} observations")
        self.ahead.update(
            (row + i, [None if column is None else column[i] for column in columns]) for i in range(length)
        )

    def _rare(self, item: Columns[Any], row: int, length: int) -> None:
        """Labels, ids and bits of the run that begins at `row`."""
        if item.label is not None:
            self.label.update((row + i, label) for i, label in enumerate(item.label) if label is not None)
        if item.id is not None:
            self.ids.update((row + i, str(ident)) for i, ident in enumerate(item.id) if ident is not None)
        if item.values is None and self.task != "events":
            self.bits.update((row + i, LABEL_ONLY) for i in range(length))
        ends = item.end if isinstance(item.end, list) else [False] * (length - 1) + [item.end]
        for i, end in enumerate(ends):
            if end:
                self.bits[row + i] = self.bits.get(row + i, 0) | END

    def _length(self, item: Columns[Any], columns: list[list[float | None] | None]) -> int:
        """How many observations the columns hold. Raises WireError when they do not agree, ValueError without any."""
        events = item.event if isinstance(item, EventColumns) else None
        given = [item.time, item.seq, item.label, item.id, item.end, events, *columns]
        lengths = [len(column) for column in given if type(column) is list]
        if not lengths:
            raise ValueError("no column")  # a single observation without time and values looks the same
        length = lengths[0]
        if lengths.count(length) != len(lengths):
            names = ("time", "seq", "label", "id", "end", "event", *self.features)
            found = {name: len(column) for name, column in zip(names, given, strict=True) if type(column) is list}
            raise WireError("schema", f"columns of different lengths: {found}")
        if length == 0:
            raise WireError("empty", "columns without an observation")
        if length > self.room:
            raise WireError("too_many", f"{length} observations in columns, room for {self.room} in this frame")
        return length

    def _series(self, item: EventColumns[Any]) -> None:
        """The events of columns, all or none. Raises WireError."""
        given: list[Symbol | None] = [None] if item.event is None else [*item.event]
        self.events += [self._event(event) for event in given]

    def _event(self, event: Symbol | None) -> int:
        """A symbol's digest. Raises WireError for what cannot be one."""
        if event in self.symbols:
            return self.symbols[event]
        if event is None:
            raise WireError("event", "no event", 'add "event": a text or a whole number that says what happened')
        if not 0 < len(str(event).encode("utf-8", "surrogatepass")) <= SYMBOL_BYTES:
            raise WireError("event", f"not an event: {str(event)[:64]!r}", f"1 to {SYMBOL_BYTES} bytes of UTF-8")
        return self.symbols.setdefault(event, digest(event))

    def _late(self, label: float | None, ident: object) -> None:
        """Check an observation without values: it can only be the label of an earlier one."""
        if label is None or self.task != "label":
            raise WireError("schema", "no values", "send an object of values by feature name, {} if all are missing")
        if ident is None:
            raise WireError("label", "a label without values and id", "repeat the id of the observation it belongs to")


def event_of(event_id: str) -> tuple[str, int]:
    """Stream and number of an event by its id, `<stream>/<number>`. Raises WireError."""
    name, _, number = event_id.rpartition("/")
    if not number.isdecimal() or len(number) > 18 or not number.isascii():
        raise WireError("feedback", f"not the id of an event: {event_id[:64]!r}", "it stands in the anomaly message")
    return checked_name(name), int(number)


def _name(said: str | None, place: Place) -> str:
    """The stream that a message is of: the one it says, or that of its input. Raises WireError."""
    name = place.stream if said is None else said
    if name is None or not 0 < len(name) <= 32 or not name.isprintable():
        return checked_name(name)
    return name


def checked_name(name: str | None) -> str:
    """A stream's name. Raises WireError when it is missing or cannot be a name."""
    if name is None:
        raise WireError("schema", "no stream", 'add "stream" to the message or name the stream of the input')
    if not name.isprintable() or not 0 < len(name.encode()) <= _NAME_BYTES:
        raise WireError(
            "stream_name", f"not a stream name: {name[:_NAME_BYTES]!r}", "1 to 128 bytes of printable UTF-8"
        )
    return name


def _columns(values: Any, features: int) -> list[list[float | None] | None]:
    return [None] * features if values is None else list(astuple(values))


def _interleaved(columns: list[list[float | None] | None], length: int) -> Any:
    """The columns, row by row."""
    if len(columns) == 1 and columns[0] is not None:
        return columns[0]
    missing: list[float | None] = [None] * length
    return chain.from_iterable(zip(*[missing if column is None else column for column in columns], strict=True))
