"""What the service hands in and takes back: frames as they were received, and refusals."""

import math
from collections import Counter
from dataclasses import dataclass, field

from msgspec import Struct

from streamrnn.messages import Batch
from streamrnn.wire.envelope import Envelope

OFFENDER_BYTES = 4096  # so much of a refused message is kept

# Why a message was refused: a closed set, for it is the label of a counter.
REASONS = (
    "empty",  # a frame, array or column set without an observation
    "malformed",  # neither JSON nor MessagePack, truncated, not UTF-8, nested too deeply
    "type",  # a value of the wrong type
    "schema",  # stream or values missing, values or columns of the wrong length
    "unknown_feature",  # a value for a feature the model does not have
    "not_finite",  # NaN or infinity
    "out_of_range",  # a number beyond what is accepted
    "time",  # negative, NaN, in milliseconds or not RFC 3339
    "stream_name",  # not 1 to 128 bytes of printable UTF-8
    "too_many",  # more observations in one frame than the limit
    "event",  # missing, neither text nor a whole number, empty or too long
    "feedback",  # not alone, on what is no event, or without what its verdict needs
    "label",  # not a number, neither 0 nor 1 where it must be, or late and without the id of its observation
    "denied",  # a stream that the sender's key does not allow; counted by the service
    "new_streams",  # more of them than a sender may bring; counted by the service
    "capacity",  # a new stream when all rows are taken; counted by the service
    "unknown_stream",  # a label or a word on an alarm, for a stream that is not known; counted by the service
    "poison",  # it ended the process when it was applied; counted by the service
)


class Frame(Struct, frozen=True, gc=False):
    """One message of an input socket, as it came; of a `router`, without its header once that has been read."""

    origin: int  # index of the input
    received: float  # seconds since the epoch
    topic: bytes  # empty but for `sub`
    body: bytes
    route: bytes = b""  # `router`: where to answer; not to be trusted as a name
    user: str = ""  # public key of the sender, where keys are asked for
    envelope: Envelope | None = None  # `router`: what stood around the body


@dataclass(frozen=True, slots=True)
class Source:
    """How the frames of one input are to be read."""

    format: str = "auto"  # a name in FORMATS, or whatever the first byte says
    stream: str | None = None  # for observations that name no stream
    stream_from_topic: bool = False  # the topic frame names it
    mend: bool = False  # a bad value costs that value, and not the observation


class Refusal(Struct, frozen=True, gc=False):
    """One message, item or row that was refused; the sender's fault."""

    frame: int  # index in the list of frames
    reason: str  # one of REASONS
    detail: str
    offender: bytes  # at most OFFENDER_BYTES of it
    size: int = -1  # bytes of the whole offender; -1: what is in `offender` is all
    received: float = math.nan  # seconds since the epoch; NaN is unknown


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a list of frames held: a batch for the engine, and what was refused."""

    batch: Batch
    frame: list[int]  # (m) index of the frame that each run came in
    refusals: list[Refusal]
    observations: int  # accepted and refused together; an undecodable frame counts as one
    notes: Counter[tuple[str, str]] = field(default_factory=Counter)  # values left out: (reason, name) -> how many


def refusal(index: int, frame: Frame, reason: str, detail: str, offender: bytes) -> Refusal:
    """A refusal of (a part of) the frame at `index`, cut to what is kept of it."""
    return Refusal(index, reason, detail[:500], offender[:OFFENDER_BYTES], len(offender), frame.received)
