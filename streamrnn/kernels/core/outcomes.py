"""Bits of observations and of outcomes, and the columns of outcomes: defined here, and read by messages.py."""

from streamrnn.kernels.core.record import Record, many


class Flag(Record):
    """Bits of an observation on its way in."""

    END = 1  # the sequence ends here: the hidden state is reset afterwards, and only it
    LABEL_ONLY = 2  # a label for an earlier observation, no values
    STAMPED = 4  # the sender gave no time: it is the time of arrival
    FREEZE = 8  # nothing is to be learned from it; the engine sets it
    TRUE_ALARM = 16  # a verdict on an alarm, no values: `ident` is the number of the event
    FALSE_ALARM = 32
    IGNORE = 64  # until `time`
    VERDICT = 16 | 32 | 64
    AHEAD = 128  # its time is more than a day ahead of its arrival


class Bit(Record):
    """Bits of an outcome."""

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
    INVALID = 4194304  # a value is out of range or implausible, and counts as missing; in a batch the engine sets it
    JUDGED = 8388608  # a verdict on an alarm was taken
    UNJUDGED = 16777216  # there is no such event
    TOOK_OVER = 33554432  # a challenger serves from here on
    WITHDRAWN = 67108864  # a challenger was not better in time


class OutInt(Record):
    """Columns of outcomes of all tasks: integers."""

    ROW: int  # of the stream in the bank
    BITS: int  # Bit
    SEQ: int  # the stream's own count of learned observations, from 1
    SEVERITY: int  # 0 none .. 3 critical
    EVENT: int  # number of the stream's latest anomaly event, 0 before the first
    LEARNED: int  # labels the network has been given so far
    SEQUENCE_GAP: int  # sender's sequence numbers skipped just before this one
    MONITOR: int  # index of the monitor that was most surprised, -1 while there was none
    FEEDBACK_EVENT: int  # number of the event that feedback spoke of last, 0: of none
    FEEDBACK_VERDICT: int  # Flag.TRUE_ALARM, FALSE_ALARM, IGNORE; 0: nothing
    ALERT_RATE_HALVINGS: int  # by feedback the alert rate is multiplied with 2^(-steps / 2)
    IGNORED_UNTIL: int  # seconds: until then no alarm is raised, 0: it was never asked for


class ForecastInt(OutInt):
    """Integers of the outcome of a forecast."""

    STEP: int  # the stream's count of steps: see step/gaps.py
    LEADS: int = many(0)  # usual intervals that each horizon lies ahead (K)


class EventInt(OutInt):
    """Integers of the outcome of an event; behind them the likeliest next symbols. A symbol is its number."""

    SYMBOL: int  # that came
    RANK: int  # it had among the known symbols, from 1
    KNOWN: int  # symbols in the vocabulary, "unseen" among them
    ADMITTED: int  # the symbol's number if it entered the vocabulary with this event, else 0
    PREDICTED: int  # the symbol that was likeliest
    LENGTH: int  # events of the session so far
    WORST_PLACE: int  # which of them was the most surprising, from 1; length + 1: that it ended
    WORST_SYMBOL: int  # what came there
    WORST_PREDICTED: int  # the symbol that was likeliest there
    SESSION_SEVERITY: int  # of a session that has ended, as SEVERITY
    NEXT: int = many(0)  # the likeliest next symbols, -1 where there are no more


class OutReal(Record):
    """Columns of outcomes of all tasks: reals."""

    TIME: int  # seconds; the stream's clock
    INTERVAL: int  # seconds: running median between observations, 0 while unknown
    SCORE: int  # anomaly score, 0..1; NaN while warming up or not scored
    TAIL: int  # estimated probability of what is at least this surprising
    STARTED: int  # seconds: when the latest anomaly event opened
    SKILL: int  # 1 - error / error of the baseline, running


class ForecastReal(OutReal):
    """Reals of the outcome of a forecast."""

    FORECAST: int = many(0)  # yhat, lower, upper (T, K, 3); expected, actual, attribution (3, T); shares (T, E + 1)


class EventReal(OutReal):
    """Reals of the outcome of an event; behind them the probabilities of the likeliest next symbols."""

    SHARE: int  # probability that the symbol had been given
    SURPRISE: int  # bits: -log2 of it
    NETWORK: int  # bits of the network alone,
    TABLE: int  # and of the longest table alone
    PREDICTED_SHARE: int  # probability of the likeliest symbol
    LATENESS: int  # log of the elapsed time, in standard deviations from the predicted one; NaN unknown
    BY_TIME: int  # share of the time in the anomaly score
    SUM: int  # bits of the session so far
    WORST: int  # most bits of one event of it
    SESSION_SCORE: int  # anomaly score of the session when it has ended, NaN before
    SESSION_TAIL: int  # probability of a session at least this surprising
    WORST_PREDICTED_SHARE: int  # probability of WORST_PREDICTED
    BEGAN: int  # seconds: time of the session's first event
    BY_WORST: int  # share of the worst event, not of all together, in the session's score
    END_SHARE: int  # probability that had been given to the session's end instead of the event
    EXPECTED: int  # seconds: time at which the next event is expected (median), NaN unknown
    OVERDUE: int  # seconds: time by which it should have come, at the alert rate
    NEXT_SHARES: int = many(0)  # of the likeliest next symbols
