"""What travels through the engine, in column form: a batch of observations in, one outcome an observation out.

A batch is a list of *runs*: consecutive observations of one stream that came in one frame (a single observation is a
run of one). Missing is NaN, never zero; the engine turns it into a mask. All arrays are C-contiguous.
"""

from hashlib import blake2b
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Bits of an observation on its way in.
END = 1  # the sequence ends here: the hidden state is reset afterwards, and only it
LABEL_ONLY = 2  # a label for an earlier observation, no values
STAMPED = 4  # the sender gave no time: it is the time of arrival
FREEZE = 8  # nothing is to be learned from it; the engine sets it
# A word on an alarm, no values: `ident` is the number of the event.
TRUE_ALARM = 16
FALSE_ALARM = 32
IGNORE = 64  # until `time`
WORDS = {"true_alarm": TRUE_ALARM, "false_alarm": FALSE_ALARM, "ignore": IGNORE}

# Bits of an outcome.
LEARNED = 1  # settled and taken into the statistics, the experts and the tape
LATE = 2  # older than the stream's watermark: answered, not learned
DUPLICATE = 4  # the sender's sequence number was seen before: answered again, not learned
ANOMALY = 8  # anomaly_score >= 0.5
WARMING = 16  # too few observations yet for an anomaly score
OPENED = 32  # an anomaly event opened,
WORSENED = 64  # rose to a higher severity,
CLOSED = 128  # or closed with this observation
UPDATED = 256  # the optimiser moved the weights
SKIPPED = 512  # the firewall refused a non-finite gradient
ROLLED_BACK = 1024  # the row was put back to its last good weights
MISSING = 2048  # at least one value was missing
GAP = 4096  # one or more regular time steps were skipped before this observation
UNMATCHED = 8192  # a late label whose observation is not remembered any more
SETTLED = 16384  # a late label settled an earlier observation
RESTED = 32768  # an update was not taken: the network had to be put back too often
REGIME = 65536  # the event ended: what surprised is the new level from here on
HELD_OFF = 131072  # not learned, because it surprised
DRIFT_FOUND = 262144  # the forecasts have become worse for good
STRANGE = 524288  # the session that ended here was surprising as a whole
SILENCE = 1048576  # nothing had come for too long: an anomaly event opened, or was taken over
FROZEN = 2097152  # not learned, because the model is frozen
INVALID = 4194304  # a value is out of range or beyond all measure, and counts as missing; in a batch the engine sets it
JUDGED = 8388608  # a word on an alarm was taken
UNJUDGED = 16777216  # there is no such event
TOOK_OVER = 33554432  # a challenger serves from here on
WITHDRAWN = 67108864  # a challenger was not better in time

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
    bits: Ints  # (n) END, LABEL_ONLY, STAMPED, FREEZE, INVALID
    ids: dict[int, str] = {}  # index -> the id as it was sent
    event: Ints | None = None  # (n) task "events": digest of each symbol
    symbols: dict[int, str | int] = {}  # digest -> the symbol as it was sent
    future: Floats | None = None  # (n, G K) of the G features of known future at the K horizons; NaN is not told

    def __len__(self) -> int:
        return len(self.time)


class Outcomes(Struct, frozen=True):
    """What the engine says of each of n observations; T targets, K horizons. Filled by one compiled call.

    Two arrays, whose columns are the properties below: they are views, made when they are asked for.
    """

    ints: Ints  # (n, 13 + K)
    reals: Floats  # (n, 6 + 3 T K + 3 T + T (E + 1) + drift)
    targets: int  # T
    horizons: int  # K
    drifts: int = 0  # columns of `drift`: none in a model that does not look for it

    def __len__(self) -> int:
        return len(self.ints)

    @property
    def row(self) -> Ints:
        """(n) row of the stream in the bank."""
        return self.ints[:, 0]

    @property
    def bits(self) -> Ints:
        """(n) see above."""
        return self.ints[:, 1]

    @property
    def seq(self) -> Ints:
        """(n) the stream's own count of learned observations, from 1."""
        return self.ints[:, 2]

    @property
    def severity(self) -> Ints:
        """(n) index into SEVERITIES."""
        return self.ints[:, 3]

    @property
    def event(self) -> Ints:
        """(n) number of the stream's latest anomaly event, 0 before the first."""
        return self.ints[:, 4]

    @property
    def learned(self) -> Ints:
        """(n) labels the network has been given so far, over all horizons and targets."""
        return self.ints[:, 5]

    @property
    def lost(self) -> Ints:
        """(n) sender's sequence numbers skipped just before this one."""
        return self.ints[:, 6]

    @property
    def monitor(self) -> Ints:
        """(n) index of the monitor that was most surprised, -1 while there was none."""
        return self.ints[:, 7]

    @property
    def spoken(self) -> Ints:
        """(n) number of the event that feedback spoke of last, 0: of none."""
        return self.ints[:, 8]

    @property
    def word(self) -> Ints:
        """(n) what was said of it: TRUE_ALARM, FALSE_ALARM, IGNORE; 0: nothing."""
        return self.ints[:, 9]

    @property
    def steps(self) -> Ints:
        """(n) by feedback the alert rate asked for is multiplied with 2^(-steps / 2)."""
        return self.ints[:, 10]

    @property
    def muted(self) -> Ints:
        """(n) time until which no alarm is raised, 0: it was never asked for."""
        return self.ints[:, 11]

    @property
    def counted(self) -> Ints:
        """(n) steps of the stream so far: a horizon's forecast is about so many more (kernels/step/gaps.py)."""
        return self.ints[:, 12]

    @property
    def leads(self) -> Ints:
        """(n, K) usual intervals that the horizons lie ahead: more than their steps before a usual silence."""
        return self.ints[:, 13:]

    @property
    def time(self) -> Floats:
        """(n) seconds; the stream's clock: of this observation, of the latest one when this one was late."""
        return self.reals[:, 0]

    @property
    def interval(self) -> Floats:
        """(n) running median of the seconds between observations, 0 while unknown."""
        return self.reals[:, 1]

    @property
    def score(self) -> Floats:
        """(n) anomaly score, 0..1; NaN while warming up or not scored."""
        return self.reals[:, 2]

    @property
    def tail(self) -> Floats:
        """(n) estimated probability of an error at least this large."""
        return self.reals[:, 3]

    @property
    def started(self) -> Floats:
        """(n) time at which the latest anomaly event opened."""
        return self.reals[:, 4]

    @property
    def skill(self) -> Floats:
        """(n) 1 - error / error of persistence, running, shortest horizon; NaN while unknown."""
        return self.reals[:, 5]

    @property
    def forecast(self) -> Floats:
        """(n, T, K, 3) yhat, yhat_lower, yhat_upper; NaN while unknown."""
        t, k = self.targets, self.horizons
        return self.reals[:, 6 : 6 + 3 * t * k].reshape(len(self), t, k, 3)

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
        rest = self.reals[:, 6 + 3 * self.targets * (self.horizons + 1) : end]
        return rest.reshape(len(self), self.targets, rest.shape[1] // self.targets)

    @property
    def drift(self) -> Floats:
        """(n, 5) of the latest drift: index of the detector, time at which it began, mean standardised loss before and
        after; how many there were. (n, 0) in a model that does not look for it."""
        return self.reals[:, self.reals.shape[1] - self.drifts :]

    def _target(self, number: int) -> Floats:
        """One of the three blocks of T columns behind the forecasts."""
        start = 6 + self.targets * (3 * self.horizons + number)
        return self.reals[:, start : start + self.targets]


def digest(symbol: str | int) -> int:
    """63 bits that stand for a symbol of task "events", or for an id; never 0. 5 and "5" are two symbols."""
    kind = b"number" if isinstance(symbol, int) else b""
    raw = str(symbol).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(raw, digest_size=8, person=kind).digest()) >> 1 or 1


class EventOutcomes(Struct, frozen=True):
    """What the engine says of each of n events: two arrays, whose columns `column` finds by name."""

    ints: Ints  # (n, 18 + shown)
    reals: Floats  # (n, 23 + shown)

    def __len__(self) -> int:
        return len(self.ints)

    def __getattr__(self, name: str) -> NDArray[Any]:
        """A column: EVENT_INTS and EVENT_REALS say which there are."""
        if name in EVENT_INTS:
            return self.ints[:, EVENT_INTS[name]]
        if name in EVENT_REALS:
            return self.reals[:, EVENT_REALS[name]]
        raise AttributeError(name)

    @property
    def following(self) -> Ints:
        """(n, shown) the likeliest next symbols, likeliest first; -1 where there are no more."""
        return self.ints[:, len(EVENT_INTS) :]

    @property
    def shares(self) -> Floats:
        """(n, shown) their probabilities."""
        return self.reals[:, len(EVENT_REALS) :]


# Columns of EventOutcomes; symbols are numbers in the vocabulary of the row, 0 is "unseen".
EVENT_INTS = {
    name: number
    for number, name in enumerate(
        (
            "row",  # of the stream in the bank
            "bits",  # see above
            "seq",  # the stream's own count of learned events, from 1
            "severity",  # index into SEVERITIES
            "event",  # number of the stream's latest anomaly event, 0 before the first
            "learned",  # events the network has been given
            "lost",  # sender's sequence numbers skipped just before this one
            "monitor",  # 0
            "symbol",  # that came
            "rank",  # it had among the known symbols, from 1
            "known",  # symbols in the vocabulary, "unseen" among them
            "admitted",  # the symbol's number if it entered the vocabulary with this event, else 0
            "predicted",  # the symbol that was likeliest
            "length",  # events of the session so far
            "worst_place",  # which of them was the most surprising, from 1; length + 1: that it ended
            "worst_symbol",  # what came there
            "worst_predicted",  # the symbol that was likeliest there
            "session_severity",  # of a session that has ended, as `severity`
        )
    )
}
EVENT_REALS = {
    name: number
    for number, name in enumerate(
        (
            "time",  # seconds; the stream's clock
            "interval",  # running median of the seconds between events
            "score",  # anomaly score, 0..1; NaN while warming up
            "tail",  # estimated probability of an event at least this surprising
            "started",  # time at which the latest anomaly event opened
            "skill",  # 1 - bits / bits of the best table, running
            "share",  # probability that the symbol had been given
            "surprise",  # -log2 of it
            "surprise_network",  # the same of the network alone,
            "surprise_table",  # and of the longest table alone
            "share_predicted",  # probability of the likeliest symbol
            "lateness",  # log of the elapsed time, in standard deviations from what was predicted; NaN unknown
            "by_time",  # share of the time in the anomaly score
            "total",  # bits of the session so far
            "worst",  # most bits of one event of it
            "session_score",  # anomaly score of the session when it has ended, NaN before
            "session_tail",
            "worst_share_predicted",  # probability of `worst_predicted`
            "began",  # time of the session's first event
            "by_worst",  # share of the worst event, not of all together, in the session's score
            "share_end",  # probability that had been given to the session's end instead of the event
            "expected",  # time at which the next event is expected (median), NaN unknown
            "overdue",  # time by which it should have come, at the alert rate
        )
    )
}


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
