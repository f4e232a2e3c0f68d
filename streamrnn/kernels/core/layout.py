"""Where things are in a stream's row: one record class a table. Where each begins stands in program.Program.

Letters of shapes: program.py. Bits and columns of outcomes: outcomes.py. Arrays: arrays.py.
"""

from streamrnn.kernels.core.record import Record, many


class Clock(Record):
    """f64: a stream's clock."""

    TIME: int  # seconds
    INTERVAL: int  # seconds: running median
    ELAPSED: int  # log of the last interval over the usual one
    SOON: int  # intervals in a row that are much shorter
    RING: int = many(15)  # seconds: the last intervals
    INTERVALS = 15  # how many the running median looks at


class Scale(Record):
    """f64: running scale of a feature, and how far off its last values were."""

    MEAN: int
    VARIANCE: int
    CHANGE: int  # mean square of the changes
    LAST: int  # last value
    SCALED: int  # the same, standardised
    SIZE: int  # values seen
    ODD: int  # values in a row that are too far off to be followed
    WIDEST: int  # largest distance from the mean that was followed
    AWAY: int  # values in a row that are too far off to be learned
    LEARNED: int  # largest distance from the mean that was learned
    DOUBT: int  # of the latest value: Doubt
    RAW: int  # the latest value, as it came
    DAYS: int = many(2 * 96)  # share of the last days on which, and day on which, one came in a quarter of an hour
    QUARTERS = 96


class Target(Record):
    """f64: running scale of a target."""

    MEAN: int
    VARIANCE: int
    LAST: int  # last value
    ERROR: int  # last error of the shortest horizon, in usual ones
    COUNT: int  # values seen
    LEAST: int  # lowest value below 0, or 0
    USUAL: int  # what its deviation usually is,
    SCALES: int  # and how many that rests on
    LARGEST: int  # largest change from a value to the next


class Loss(Record):
    """f64: losses of the network."""

    LATEST: int  # of the latest label that was taught
    SUM: int  # since the last update


class Filter(Record):
    """f64: what the filter (learning/ekf_learn.py) knows of a target at a horizon, in units of the network's target."""

    NOISE: int  # R: variance of what the weights cannot explain
    COUNT: int  # labels that it rests on
    UNIT: int  # what is usually missed without the network, in the target's units
    UNIT_COUNT: int
    GATE_NOISE: int  # R of the gated forecast, in usual errors
    GATE_COUNT: int


class Stats(Record):
    """f64: running figures of a target at a horizon; errors in the target's units."""

    SPREAD: int  # usual error: running mean absolute error
    LOW: int  # bounds of the interval, in usual errors
    HIGH: int
    RANGE: int  # recent size of the scores
    COUNT: int  # settled forecasts
    ERROR: int  # mean absolute error, published
    ERROR_LAST: int  # the same of the last value
    ERROR_SEASONAL: int  # and of the seasonal naive
    COVERED: int  # share of answers inside the interval
    BREADTH: int  # mean width of the interval
    WINKLER: int  # mean interval score
    BOUNDED: int  # answers that had an interval


class Watch(Record):
    """f64: what the judgement of a target stands on."""

    SEEN: int  # values judged
    DAY: int  # local day of the last one
    BLIND: int  # 1 where what was predicted for the latest value is not to be judged


class Tail(Record):
    """f64: calibrated tail of one sign of one series of errors (see monitors/tail.py)."""

    BASE: int  # logarithm of the first bin
    SEEN: int  # sizes seen
    MASS: int  # sizes above 0
    EXCESS: int  # sum of relative excesses, discounted
    COUNT: int  # their number, discounted
    HISTOGRAM: int = many(40)  # sizes by bin
    ENVELOPE: int = many(48)  # largest by hour, on earlier days and today
    BINS = 40  # of the histogram
    HOURS = 24  # of the envelope


class Peaks(Record):
    """f64: how often a stream's surprises come (see monitors/calibration.py)."""

    BEGAN: int  # seconds: time of the first observation that was judged
    HIGHEST: int  # nats: of the run of observations since the latest peak
    SINCE: int  # observations since that
    RUN: int  # observations in the run
    ROWS: int  # observations that the peaks come from, discounted; 0 before the first
    LEVEL: int  # nats: above it the tail is fitted
    RATE: int  # peaks above it, an observation
    EXCESS: int  # nats: their mean excess
    PEAK: int  # nats: the highest surprise of late, alarm or not,
    PEAK_AT: int  # and Count.SEEN then
    HISTOGRAM: int = many(160)  # histogram, discounted
    BINS = 160


class Level(Record):
    """f64: how a target's level of late stands to its slow one (see monitors/levels.py)."""

    COUNT: int  # values
    LEARNT: int  # values that what is usual was learned from
    SHORT: int  # running mean of the values of late,
    FIRM: int  # the same of values cut at CUT spreads from the slow one,
    SLOW: int  # and slow running mean
    SPREAD: int  # mean square of a value's distance from the slow mean
    WANDER: int  # mean square of the distance of the short mean, over the spread
    TURNS: int  # changes of the sign of that distance, discounted: the sample that WANDER rests on
    SIDE: int  # its sign
    SCORE: int  # normal score of the distance now
    PART: int  # 1: the target is part of the open event,
    BASE: int  # whose slow mean was this when it opened,
    MOST: int  # and the largest distance from it since


class Joint(Record):
    """f64: of all targets together (see monitors/joint.py); behind it the correlation (T, T) and the factors."""

    SEEN: int  # observations that the correlation rests on
    HIGHEST: int  # nats: of the run since the latest peak
    SINCE: int  # observations since that
    PEAKS: int  # peaks, discounted,
    EXCESS: int  # and the sum of their excesses
    DOUBT: int  # observations in a row that may be the beginning of a fault
    T2: int  # T-squared now
    Q: int  # residual now


class MonitorState(Record):
    """f64: state of a monitor for one target."""

    SHORT: int  # running mean of its errors
    SHORT_COUNT: int  # errors in it
    TAILS: int = many(4 * Tail.WIDTH)  # two signs of two series
    OWN: int = many(0)  # its own state


class Pending(Record):
    """f64: one pending forecast of a target."""

    ANCHOR: int  # last value when it was made
    UNIT: int  # usual error then
    MIXED: int  # what was published
    LOWER: int
    UPPER: int
    ISSUE: int  # seconds: local time then
    DOUBT: int  # 1 where the last value was not to be learned from
    FORECASTS: int = many(0)  # what the E experts say, what the last round mixes, the gate's shares


class Drift(Record):
    """f64: the latest drift."""

    WHICH: int  # index of the detector
    SINCE: int  # seconds: when it began
    BEFORE: int  # mean loss before
    AFTER: int  # and after
    COUNT: int  # drifts so far
    RAISED: int  # updates at a raised rate that are left
    PUBLISHED = 5  # the first so many stand in outcomes


class ChallengerLoss(Record):
    """f64: of champion and challenger."""

    BEGAN: int  # seconds: since when
    SERVING: int  # discounted loss of the half that serves
    CHALLENGING: int  # and of the other


class Challenger(Record):
    """i64: of champion and challenger."""

    ACTIVE: int  # whether there is one
    ANSWERED: int  # answers in it
    LEADING: int  # the challenger's last ones ahead


class Latest(Record):
    """f64: the latest outcome and anomaly event, in every task."""

    SCORE: int  # anomaly score
    TAIL: int  # probability
    STARTED: int  # seconds: when the event opened
    PEAK: int  # its highest severity


class ForecastLatest(Latest):
    """f64: the same of a forecast."""

    ALARMED: int  # Count.SEEN at the latest alarm
    SIZE_THEN: int  # nats: its surprise
    OFFSET: int  # of 0.1.0, not read: what alarms had moved the threshold by
    TARGETS: int = many(0)  # expected, actual, attribution (3, T), shares (T, E + 1)


class EventLatest(Latest):
    """f64: the same of an event; a symbol is its number."""

    SURPRISE: int  # bits
    SHARE: int  # probability it had
    RANKED: int  # from 1
    NETWORK_BITS: int
    TABLE_BITS: int  # of the longest table
    PREDICTED: int  # symbol that was likeliest
    PREDICTED_SHARE: int
    LATENESS: int  # (log elapsed - mean) / sd
    CAME: int  # symbol
    BY_TIME: int  # share of the time in the score
    END_SHARE: int  # probability that the session had ended before it


class Updates(Record):
    """i64, learned: of the network's updates."""

    STEPS: int  # of the optimiser
    CLEAN: int  # clean updates
    FALLS: int  # falls back to the last good weights
    SINCE: int  # clean updates since the first of them
    REST: int  # updates left to rest


class Schedule(Record):
    """f32, learned, behind the optimiser: state of the schedule (see learning_rate.py)."""

    COUNT: int  # updates in the period
    SUM: int  # of their losses
    SQUARES: int
    BEST: int  # mean loss of a period
    FACTOR: int  # on the rate


class Count(Record):
    """i64: counters of a stream, of its latest anomaly event, of its tape."""

    SEEN: int  # observations learned
    STEP: int  # regular time steps, skipped ones too, but those at which it is usually silent
    SEQ: int  # the sender's last sequence number
    EVENT: int  # number of the latest anomaly event
    RING_AT: int  # intervals in Clock.RING so far
    PHASE: int  # observations by which updates are put off
    LATENESS: int  # late observations in a row
    PASSED: int  # regular time steps that STEP does not count
    AHEAD: int  # observations in a row that were far ahead of their arrival
    OPEN: int  # state of the event
    CALM: int  # observations of it in a row without surprise
    SEVERITY: int  # now
    ALARMS: int  # all so far
    LOUDEST: int  # index of the monitor
    HELD: int  # values of the event that were not learned
    WRITTEN: int  # rows of the tape so far
    POSITION: int  # rows on it
    OLDEST: int  # number of the first row with a label that waits for an update,
    NEWEST: int  # and of the last
    LABELS: int  # that wait
    FRESH: int  # 1: the state is to be reset
    LEARNT: int  # labels so far
    SLOT: int  # latest pending place
    OF_STREAM = 9  # counters, from SEEN,
    OF_EVENT = 6  # from OPEN,
    OF_TAPE = 7  # from WRITTEN


class EventCount(Count):
    """i64: the same of a stream of events."""

    IN_SESSION: int  # events of the session so far


class Feedback(Record):
    """i64: what was said of alarms."""

    EVENT: int  # number of the event spoken of last
    VERDICT: int  # Flag.TRUE_ALARM, FALSE_ALARM, IGNORE
    STEPS: int  # halvings of the alert rate, times 2
    BEFORE: int  # the same before the last verdict
    IGNORED_UNTIL: int  # seconds


class Place(Record):
    """i64: a place of pending forecasts."""

    STEP: int  # Count.STEP when they were made, -1: none
    ROW: int  # number of the tape's row
    IDENT: int  # digest of the observation's id


class Entry(Record):
    """Words (int32) of an entry of a context table."""

    STAMP: int  # check of the context
    WEIGHT: int  # sum of its counts
    SUCCESSORS: int = many(0)


class Contexts(Record):
    """Sizes of context tables and of their mix."""

    REACH = 16  # symbols that a stream remembers
    UNIT = 4  # one occurrence
    FULL = 1000  # a count beyond it halves its entry;
    LONG_FULL = 52  # with a context of SHORT symbols or more: what followed it changes, and there are shorter ones
    SHORT = 3
    PROBES = 4  # entries where a context may be
    BEFORE = 1 << 40  # minus this as a place: the session is too short for the context
    ESCAPES = 64  # cells of the escape table
    STATES = 3  # of the longest context that was found: one successor, two or three, more
    CANDIDATES = 3  # of the last step of the mix: mix, network, longest table


class Symbols(Record):
    """Sizes of the vocabulary."""

    TEXT = 33  # int64 of a symbol's text: length (negative for an integer), 256 bytes
    LONGEST_TEXT = 256  # bytes
    WAITERS = 1024  # digests that were seen once


class EventTail(Record):
    """f32, learned: one calibrated tail of events."""

    START: int  # quantile beyond which it is exponential
    EXCESS: int  # sum of relative excesses, discounted
    COUNT: int  # their number, discounted
    SEEN: int  # sizes seen


class Lapse(Record):
    """Running mean, variance and count: of log seconds between events, or of a numeric feature."""

    MEAN: int
    VARIANCE: int
    COUNT: int
    INPUTS = 3  # of the network: standardised log of the elapsed time, 1 if unknown, 1 at the start of a session


class Calibration(Record):
    """Tails of events and sessions."""

    BITS: int
    LAPSE: int
    SUM: int  # of a session
    MEAN: int
    WORST: int


class Running(Record):
    """f32, learned: running figures of all members together."""

    MIXED: int  # bits an event
    TOP1: int  # share of events that were the likeliest,
    TOPK: int  # among those shown,
    UNSEEN: int  # not in the vocabulary
    COUNT: int  # events


class Session(Record):
    """f64: the session; a symbol is its number."""

    SUM: int  # bits so far
    WORST: int  # most bits of one event,
    PLACE: int  # which one that is, from 1; one more than COUNT: the end itself
    CAME: int  # its symbol
    PREDICTED: int  # the likeliest one instead
    PREDICTED_SHARE: int  # its probability
    COUNT: int  # events so far
    BEGAN: int  # seconds: time of the first one
    SCORE: int  # once it has ended
    TAIL: int  # probability
    SEVERITY: int
    BY_WORST: int  # share of the worst event in the score
