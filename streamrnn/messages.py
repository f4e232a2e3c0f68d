"""What travels through the engine, in column form: a batch of observations in, one outcome an observation out.

A batch is a list of *runs*: consecutive observations of one stream that came in one frame (a single observation is a
run of one). Missing is NaN, never zero; the engine turns it into a mask. All arrays are C-contiguous.
"""

import typing
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from streamrnn.kernels.core.outcomes import Bit, EventInt, EventReal, Flag, ForecastInt, ForecastReal
from streamrnn.kernels.core.record import Record

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Bits of an observation on its way in, and of an outcome: what they mean stands where they are defined.
END = Flag.END
LABEL_ONLY = Flag.LABEL_ONLY
STAMPED = Flag.STAMPED
AHEAD = Flag.AHEAD
FREEZE = Flag.FREEZE
TRUE_ALARM = Flag.TRUE_ALARM
FALSE_ALARM = Flag.FALSE_ALARM
IGNORE = Flag.IGNORE
WORDS = {"true_alarm": TRUE_ALARM, "false_alarm": FALSE_ALARM, "ignore": IGNORE}

LEARNED = Bit.LEARNED
LATE = Bit.LATE
DUPLICATE = Bit.DUPLICATE
ANOMALY = Bit.ANOMALY
WARMING = Bit.WARMING
OPENED = Bit.OPENED
WORSENED = Bit.WORSENED
CLOSED = Bit.CLOSED
UPDATED = Bit.UPDATED
SKIPPED = Bit.SKIPPED
ROLLED_BACK = Bit.ROLLED_BACK
MISSING = Bit.MISSING
GAP = Bit.GAP
UNMATCHED = Bit.UNMATCHED
SETTLED = Bit.SETTLED
RESTED = Bit.RESTED
REGIME = Bit.REGIME
HELD_OFF = Bit.HELD_OFF
DRIFT_FOUND = Bit.DRIFT_FOUND
STRANGE = Bit.STRANGE
SILENCE = Bit.SILENCE
FROZEN = Bit.FROZEN
INVALID = Bit.INVALID
JUDGED = Bit.JUDGED
UNJUDGED = Bit.UNJUDGED
TOOK_OVER = Bit.TOOK_OVER
WITHDRAWN = Bit.WITHDRAWN

SEVERITIES = ("none", "minor", "major", "critical")


class Batch(Struct, frozen=True):
    """n observations in m runs, in order of arrival; F features."""

    names: list[str]  # (m) stream of each run
    lengths: Ints  # (m) observations in each run, sum n
    columnar: list[bool]  # (m) the run came as columns and is answered as columns
    time: Floats  # (n) seconds since the epoch, UTC; never NaN
    values: Floats  # (n, F) NaN is missing
    label: Floats  # (n) NaN is none
    ident: Ints  # (n) 63-bit digest of the observation's id, 0 is none
    seq: Ints  # (n) the sender's sequence number, -1 is none
    bits: Ints  # (n) END, LABEL_ONLY, STAMPED, FREEZE, INVALID, AHEAD
    ids: dict[int, str] = {}  # index -> the id as it was sent
    event: Ints | None = None  # (n) task "events": digest of each symbol
    symbols: dict[int, str | int] = {}  # digest -> the symbol as it was sent
    future: Floats | None = None  # (n, G K) of the G features of known future at the K horizons; NaN is not told

    def __len__(self) -> int:
        return len(self.time)


def _columns(record: type[Record]) -> Iterator[tuple[str, int]]:
    """Names and places of the columns of an outcome, those of the records it goes on from too; no blocks."""
    for each in record.__mro__:
        for name in vars(each).get("__annotations__", {}):
            if getattr(each, name) < record.WIDTH:
                yield name.lower(), getattr(each, name)


class Told(Struct, frozen=True):
    """What the engine says of each of n observations, filled by one compiled call.

    Its columns are attributes, named after the fields of the records that define them (kernels/core/outcomes.py): row,
    bits, seq, score, ... They are views, made when they are asked for.
    """

    ints: Ints  # (n, width of the record)
    reals: Floats

    def __len__(self) -> int:
        return len(self.ints)

    if typing.TYPE_CHECKING:

        def __getattr__(self, name: str) -> NDArray[Any]: ...


def _named(outcomes: type[Told], ints: type[Record], reals: type[Record]) -> None:
    """Give a class of outcomes a property for every column of its records."""
    for plane, record in (("ints", ints), ("reals", reals)):
        for name, place in _columns(record):
            setattr(outcomes, name, _view(plane, place))


def _view(plane: str, place: int) -> property:
    """One column."""
    return property(lambda told: getattr(told, plane)[:, place])


class Outcomes(Told, frozen=True):
    """Of numbers: T targets, K horizons; behind the columns of every task what differs from model to model."""

    targets: int  # T
    horizons: int  # K
    drifts: int = 0  # columns of `drift`: none in a model that does not look for it

    @property
    def leads(self) -> Ints:
        """(n, K) usual intervals that the horizons lie ahead: more than their steps before a usual silence."""
        return self.ints[:, ForecastInt.LEADS :]

    @property
    def forecast(self) -> Floats:
        """(n, T, K, 3) yhat, yhat_lower, yhat_upper; NaN while unknown."""
        t, k = self.targets, self.horizons
        return self.reals[:, ForecastReal.FORECAST :][:, : 3 * t * k].reshape(len(self), t, k, 3)

    @property
    def expected(self) -> Floats:
        """(n, T) what had been predicted for this observation; NaN if nothing was."""
        return self._target(0)

    @property
    def actual(self) -> Floats:
        """(n, T) what came; NaN is missing."""
        return self._target(1)

    @property
    def attribution(self) -> Floats:
        """(n, T) share of each target in the anomaly score, sums to 1 where there is a score."""
        return self._target(2)

    @property
    def shares(self) -> Floats:
        """(n, T, E + 1) share of every expert, then of the network, in the forecast for the shortest horizon."""
        end = self.reals.shape[1] - self.drifts
        rest = self.reals[:, ForecastReal.FORECAST + 3 * self.targets * (self.horizons + 1) : end]
        return rest.reshape(len(self), self.targets, rest.shape[1] // self.targets)

    @property
    def drift(self) -> Floats:
        """(n, 5) of the latest drift: index of the detector, time at which it began, mean standardised loss before and
        after; how many there were. (n, 0) in a model that does not look for it."""
        return self.reals[:, self.reals.shape[1] - self.drifts :]

    def _target(self, number: int) -> Floats:
        """One of the three blocks of T columns behind the forecasts."""
        start = ForecastReal.FORECAST + self.targets * (3 * self.horizons + number)
        return self.reals[:, start : start + self.targets]


def digest(symbol: str | int) -> int:
    """63 bits that stand for a symbol of task "events", or for an id; never 0. 5 and "5" are two symbols."""
    kind = b"number" if isinstance(symbol, int) else b""
    raw = str(symbol).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(raw, digest_size=8, person=kind).digest()) >> 1 or 1


class EventOutcomes(Told, frozen=True):
    """Of events; a symbol is its number in the vocabulary of the row, 0 is "unseen"."""

    @property
    def following(self) -> Ints:
        """(n, shown) the likeliest next symbols, likeliest first; -1 where there are no more."""
        return self.ints[:, EventInt.NEXT :]

    @property
    def shares(self) -> Floats:
        """(n, shown) their probabilities."""
        return self.reals[:, EventReal.NEXT_SHARES :]


_named(Outcomes, ForecastInt, ForecastReal)
_named(EventOutcomes, EventInt, EventReal)


class EventHealth(Struct, frozen=True):
    """How well events are predicted now; running means over about the last thousand events."""

    bits: float  # an event
    bits_network: float  # of the network alone
    bits_table: float  # of the best context table alone
    top1: float  # share of events that were the likeliest
    topk: float  # share of events among those shown
    unseen: float  # share of events that were not in the vocabulary
    symbols: int  # in the largest vocabulary
    skill: float  # 1 - bits / bits of the best table


class Health(Struct, frozen=True):
    """How good the forecasts are now, over all streams that have been scored; one entry a horizon.

    Medians over streams and targets, NaN while nothing is known. Errors are relative: running mean absolute error
    divided by the target's running standard deviation, so that streams of different units can be compared.
    """

    steps: tuple[int, ...]
    error: Floats  # (K)
    skill_persistence: Floats  # (K) 1 - error / error of the last value
    skill_seasonal: Floats  # (K) 1 - error / error of the seasonal naive; NaN without that expert
    below_persistence: Floats  # (K) share of streams whose skill against persistence is below 0
    coverage: Floats  # (K) running share of values inside the interval
    width: Floats  # (K) interval width over the target's standard deviation
    winkler: Floats  # (K) interval score (Winkler 1972) over the same
    level: float  # coverage that was asked for


def keep_runs(batch: Batch, keep: list[bool]) -> Batch:
    """The batch without the runs whose entry in `keep` (m) is false."""
    rows = np.repeat(np.asarray(keep, np.bool_), batch.lengths)
    place = np.cumsum(rows) - 1
    return Batch(
        names=[name for name, kept in zip(batch.names, keep, strict=True) if kept],
        lengths=batch.lengths[keep],
        columnar=[columnar for columnar, kept in zip(batch.columnar, keep, strict=True) if kept],
        time=batch.time[rows],
        values=batch.values[rows],
        label=batch.label[rows],
        ident=batch.ident[rows],
        seq=batch.seq[rows],
        bits=batch.bits[rows],
        ids={int(place[index]): sent for index, sent in batch.ids.items() if rows[index]},
        event=None if batch.event is None else batch.event[rows],
        symbols=batch.symbols,
        future=None if batch.future is None else batch.future[rows],
    )
