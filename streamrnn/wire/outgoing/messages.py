"""The messages that go out, as Structs: their fields are the documented names, in the order they are written.

A message that answers columns has the same keys; those marked "a list" hold one entry an observation there. What is
UNSET is not written.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from streamrnn.wire.incoming.forms import Symbol

Floats = float | None | list[float | None]
Symbols = Symbol | None | list[Symbol | None]


class Forecast(Struct, gc=False):
    """One target at one step ahead."""

    target: str
    step: int
    time: Floats  # seconds; null while the interval between observations is unknown; a list
    yhat: Floats  # a list
    yhat_lower: Floats  # a list
    yhat_upper: Floats  # a list


class Prediction(Struct, gc=False):
    """The answer to an observation, or to a columnar message."""

    stream: str
    seq: int | list[int]  # the stream's own count of learned observations; a list
    topic_seq: int  # messages on this topic since the daemon started, from 1
    lsn: int | None  # position of the frame in the journal
    time: Floats  # of the observation; a list
    forecasts: list[Forecast]
    level: float  # coverage that the intervals are to have
    anomaly_score: Floats  # 0 to 1, null while warming up; a list
    is_anomaly: bool | list[bool]  # a list
    p_value: Floats  # rate at which the stream's ordinary data bring something as surprising, null as the score; a list
    skill: float | None  # 1 - error / error of persistence
    learned: int  # labels the network has been given
    warming_up: bool
    shares: dict[str, Struct] | UnsetType = UNSET  # by target: of each kind of expert, shortest horizon
    actual: Any = UNSET  # by target: what came, null when it is missing; lists
    expected: Any = UNSET  # by target: what had been predicted for it, at the shortest horizon; lists
    late: bool | list[bool] | UnsetType = UNSET  # older than the stream's watermark, not learned; a list
    duplicate: bool | list[bool] | UnsetType = UNSET  # seen before, not learned; a list
    replayed: bool | UnsetType = UNSET  # sent again after a restart
    retained: bool | UnsetType = UNSET  # the topic's last value, for a new subscriber
    missing: bool | list[bool] | UnsetType = UNSET  # at least one value was missing; a list
    frozen: bool | list[bool] | UnsetType = UNSET  # nothing was learned from it: the model is frozen; a list
    id: str | list[str | None] | UnsetType = UNSET  # as it was sent; a list


class Next(Struct, gc=False):
    """A symbol that may come next."""

    event: Symbol | None  # null: one that is not in the vocabulary; "": the session's end
    probability: float


class Session(Struct, gc=False):
    """What an `end` has ended."""

    events: int
    bits: float | None  # of all its events and its end together
    worst: float | None  # bits of the most surprising one, or of the end
    anomaly_score: float | None  # null while warming up


class EventPrediction(Struct, gc=False):
    """The answer to an event, or to a columnar message of them."""

    stream: str
    seq: int | list[int]  # the stream's own count of learned events; a list
    topic_seq: int
    lsn: int | None
    time: Floats  # of the event; a list
    event: Symbols  # that came; a list
    expected: Symbols  # the one that was likeliest before it came; a list
    probability: Floats  # that the event had been given, null when it was not learned; a list
    rank: int | list[int | None] | None  # that it had; a list
    bits: Floats  # -log2 of the probability; a list
    next: list[Next]  # the likeliest ones now, likeliest first
    next_time: float | None  # when the next event is expected: as likely before as after
    overdue_time: float | None  # by when it should have come, at the alert rate
    anomaly_score: Floats  # a list
    is_anomaly: bool | list[bool]  # a list
    p_value: Floats  # a list
    skill: float | None  # 1 - bits / bits of the best context table
    learned: int  # events the network has been given
    symbols: int  # in the vocabulary
    warming_up: bool
    unseen: bool | list[bool] | UnsetType = UNSET  # the event was not in the vocabulary when it came; a list
    session: Session | list[Session | None] | UnsetType = UNSET  # at an `end`; a list
    late: bool | list[bool] | UnsetType = UNSET
    duplicate: bool | list[bool] | UnsetType = UNSET
    replayed: bool | UnsetType = UNSET
    retained: bool | UnsetType = UNSET
    missing: bool | list[bool] | UnsetType = UNSET
    frozen: bool | list[bool] | UnsetType = UNSET  # nothing was learned from it; a list
    id: str | list[str | None] | UnsetType = UNSET


class Feedback(Struct, gc=False):
    """What was said last of an alarm of the stream, and what it did."""

    event_id: str
    verdict: str  # true_alarm, false_alarm or ignore
    alert_rate: float  # by all that was said: times as many alerts as configured are asked for
    ignored_until: float | None  # seconds; null: no alarm was ever to be ignored


class Anomaly(Struct, gc=False):
    """An anomaly event opened, worsened, closed or ended in another regime, or a session was strange."""

    stream: str
    seq: int
    topic_seq: int
    lsn: int | None
    event_id: str  # "<stream>/<number of the event>"; of a session "<stream>/session-<seq>"
    state: str  # open, worsen, close, regime_change or silence; session: told once, nothing stays open
    time: float
    started: float | None
    severity: str
    anomaly_score: float | None
    p_value: float | None  # null where there is no score
    expected: dict[str, Any]  # by target; of an event: `event` and `probability` of the likeliest
    actual: dict[str, Any]  # by target; of an event: `event`, `probability`, `rank`, `bits`
    # of a session both tell of its most surprising event, and `actual` its `place` (from 1), `events`, `session_bits`
    attribution: dict[str, float | None]  # share of each target in the score; of an event: `event`, `time`
    monitor: str  # the kind of the monitor that was most surprised; of an event: event or time; silence; session
    reason: str  # a sentence
    skill: float | None
    learned: int
    warming_up: bool
    text: str = ""  # the same in one line, for an operator: what, since when, how rare
    feedback: Feedback | UnsetType = UNSET  # once there was any
    replayed: bool | UnsetType = UNSET


class Drift(Struct, gc=False):
    """The forecasts of a stream have become worse for good, or what became of the challenger that this began."""

    stream: str
    seq: int
    topic_seq: int  # messages on this topic since the stream began, or was reset
    lsn: int | None
    state: str  # drift, takeover or withdrawn
    time: float  # at which it was found,
    since: float  # and at which it began, by the detector; or the challenger did
    detector: str  # its kind
    loss_before: float  # mean standardised loss: |error| / (|error| + usual error), 0 to 1; a half is usual
    loss_after: float  # of a challenger: the champion's discounted error in deviations of the target, then its own
    reactions: tuple[str, ...]  # what was done about it
    skill: float | None
    learned: int
    replayed: bool | UnsetType = UNSET


class DeadLetter(Struct, gc=False):
    """What was refused, and why."""

    reason: str  # one of REASONS
    detail: str
    input: int  # index of the input
    received: float | None  # seconds since the epoch
    size: int  # bytes of the whole offender
    offender: str  # at most its first 4096 bytes
    encoding: str  # of `offender`: utf-8 or base64
    topic_seq: int


# Every field of every message whose form is fixed, for the documentation to be checked against. `status` carries what
# the service tells and `topic_seq`.
FIELDS: dict[str, tuple[str, ...]] = {
    "prediction": Prediction.__struct_fields__,
    "forecast": Forecast.__struct_fields__,
    "event prediction": EventPrediction.__struct_fields__,
    "next": Next.__struct_fields__,
    "session": Session.__struct_fields__,
    "anomaly": Anomaly.__struct_fields__,
    "feedback": Feedback.__struct_fields__,
    "drift": Drift.__struct_fields__,
    "deadletter": DeadLetter.__struct_fields__,
}


def plain(values: Any) -> Any:
    """None for a number that is not finite."""
    return values if values - values == 0.0 else None
