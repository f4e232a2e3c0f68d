"""The forms of an incoming message as typed Structs, so that types, names and lengths are checked in C."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from streamrnn.errors import ConfigError
from streamrnn.wire.formats import FORMATS, Format

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
SYMBOL_BYTES = 256  # of UTF-8: the longest symbol
Symbol = str | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Id = Annotated[str, Meta(max_length=256)] | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Values = TypeVar("Values")
Ahead = TypeVar("Ahead")

# All that reading a byte string may raise: malformed or of another form, not UTF-8 (both ValueErrors), nested too
# deeply, a length that lies.
UNREADABLE = (ValueError, RecursionError, MemoryError, OverflowError)


class Feedback(Struct, forbid_unknown_fields=True, gc=False):
    """What somebody says of an alarm."""

    event_id: Annotated[str, Meta(max_length=256)]  # of the anomaly message
    verdict: Literal["true_alarm", "false_alarm", "ignore"]
    until: float | datetime | None = None  # of "ignore"


class Observation(Struct, Generic[Values], gc=False):
    """One observation. Keys that are not named here are skipped: senders add what they like beside them."""

    stream: str | None = None
    time: float | datetime | None = None  # seconds since the epoch, RFC 3339 text or a MessagePack timestamp
    values: Values | None = None  # by name, or a list in schema order
    label: float | None = None
    id: Id | None = None
    seq: Count | None = None
    end: bool = False
    feedback: Feedback | None = None  # alone


class AheadObservation(Observation[Values], Generic[Values, Ahead], gc=False):
    """One observation of a model that has features of known future."""

    future: Ahead | None = None  # by name, a list with an entry a horizon


class Columns(Struct, Generic[Values], gc=False):
    """Many observations of one stream; every list has one entry an observation."""

    stream: str | None = None
    time: list[float | datetime] | None = None
    values: Values | None = None
    label: list[float | None] | None = None
    id: list[Id | None] | None = None
    seq: list[Count | None] | None = None
    end: bool | list[bool] = False  # a single `true` marks the last one


class AheadColumns(Columns[Values], Generic[Values, Ahead], gc=False):
    """Many observations of such a model."""

    future: Ahead | None = None  # by name, a list of such lists


class EventObservation(Observation[Values], Generic[Values], gc=False):
    """One event; what it is numbers of, if anything, stands under `values`."""

    event: Symbol | None = None


class EventColumns(Columns[Values], Generic[Values], gc=False):
    """Many events of one stream."""

    event: list[Symbol] | None = None


class Reader(Protocol):
    """A msgspec decoder of either format."""

    def decode(self, body: bytes, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Readers:
    """The decoders of one format, made once: msgspec compiles their types then."""

    frame: Reader  # an observation or an array of them
    one: Reader  # an observation
    columns: Reader
    split: Reader  # an array, its items left as bytes
    whole: Reader  # anything complete, left as bytes
    arrays: frozenset[int]  # first bytes of an array
    lines: bool  # whether a body may be several lines, each for itself


def values_struct(features: tuple[str, ...], kind: Any) -> Any:
    """A Struct with one optional field a feature, of type `kind`; others are refused by name. Raises ConfigError."""
    fields = [(f"f{i}", kind | None, None) for i in range(len(features))]
    names = {f"f{i}": name for i, name in enumerate(features)}
    try:
        return msgspec.defstruct("Values", fields, rename=names, forbid_unknown_fields=True, gc=False)
    except ValueError as error:
        hint = "name each feature once, without quotes, backslashes and control characters"
        raise ConfigError(f"feature names cannot be read from messages: {error}", hint) from None


def readers(
    features: tuple[str, ...], limit: int, events: bool, coming: tuple[str, ...] = (), horizons: int = 0
) -> dict[str, Readers]:
    """The decoders of every format; `limit` is the most items of an array. Raises ConfigError.

    Of the features `coming` values come ahead, at so many `horizons`.
    """
    single: Any = EventObservation if events else Observation
    several: Any = EventColumns if events else Columns
    width = Meta(min_length=len(features), max_length=len(features))
    many = Meta(max_length=limit)
    cell: Any = float | None
    column: Any = list[cell] | None
    of_one: Any = values_struct(features, float) | Annotated[list[cell], width]
    of_many: Any = values_struct(features, list[cell]) | Annotated[list[column], width]
    one: Any = single[of_one]
    columns: Any = several[of_many]
    if coming:
        ahead: Any = Annotated[list[cell], Meta(min_length=horizons, max_length=horizons)]
        ahead_of_one: Any = values_struct(coming, ahead)
        ahead_of_many: Any = values_struct(coming, list[ahead])
        one = AheadObservation[of_one, ahead_of_one]
        columns = AheadColumns[of_many, ahead_of_many]
    frame, split = one | Annotated[list[one], many], Annotated[list[Raw], many]

    def compiled(form: Format) -> Readers:
        made = form.codec.Decoder
        return Readers(made(frame), made(one), made(columns), made(split), made(Raw), form.arrays, form.lines)

    return {name: compiled(form) for name, form in FORMATS.items()}
