"""The tables of a plan: its integers, its reals, and a row for each of its parts.

`model.layout` fills the offsets in, the kernels read them; nothing else does arithmetic on places. Letters of shapes,
here and in every kernel:

    F features    T targets    K horizons    E experts beside the network    I inputs of the network
    H units of a layer    O outputs of the network    C rows of the tape    L layers    N observations
    V symbols, 0 is "unseen"    n of them known    M members of the mix of events: tables, network

For forecasts O = T K outputs a head + T E of the gate; for events O = V + 2: a logit a symbol, mean and log sd of the
log of the time to the next event. Records of a row: layout.py.
"""

from streamrnn.kernels.core.record import Record, many


class Program(Record):
    """plan.ints: sizes, settings, addresses of parts, and offsets in the row of each plane; unused ones are 0."""

    FEATURES: int  # F
    TARGETS: int  # T
    HORIZONS: int  # K
    EXPERTS: int  # E
    INPUTS: int  # I
    LAYERS: int  # L
    OUTPUTS: int  # O
    TOP: int  # units of the top layer
    ROWS: int  # C
    KEPT: int  # rows that stay when the tape is moved to its front
    WINDOW: int  # rows that an update goes back
    STRIDE: int  # observations from update to update
    LABEL_TASK: int  # 1 for task "label"
    LABEL_RING: int  # observations that wait for a label
    SLOTS: int  # places of pending forecasts
    SLOT_WIDTH: int  # numbers per target in one
    SEASONAL: int  # index of the seasonal expert, -1 without
    POOLED: int  # 1 when weights are pooled
    WARMUP: int  # observations before the first score
    QUIET: int  # observations without surprise that close an event
    HEAD_GRAD: int  # address of the head's gradient,
    HEAD_READ: int  # and of its point forecast
    OPTIMISE: int  # address of the optimiser
    SCHEDULE: int  # of its rate: see learning_rate.py
    HEAD_WIDTH: int  # outputs per target and horizon
    GATE: int  # inputs of the network before those of the gate; 0: there is none
    LOGITS: int  # outputs of the network before the gate's
    LAST_ROUND: int  # forecasts that the last round of the mix mixes: base, gated if there is a gate, network
    HEAD_ABSOLUTE: int  # the head sees the target itself, not the error of the mix
    WIDTH_F32: int  # of a row in each plane
    WIDTH_F64: int
    WIDTH_I64: int
    WIDTH_LEARNED: int  # of the learned parts: the row's own width when weights are private
    WIDTH_COUNTS: int
    BASE_F32: int  # where a row's own state begins behind the learned part
    BASE_I64: int
    PARAMS: int  # learned f32: layers, then the readout V (O, H of the top layer), b (O)
    PARAMS_LENGTH: int
    READOUT: int  # from PARAMS
    OPTIMISER: int  # learned f32: its state
    OPTIMISER_LENGTH: int
    GOOD: int  # learned f32: the last good parameters
    MEMORY_F32: int  # state f32, from BASE_F32: layers' states, one after the other
    MEMORY_LENGTH: int
    INPUT: int  # state f32: inputs of the network now (I)
    KEEP: int  # blocks of the tape: what the state was multiplied with before the row, 0 where it was reset,
    GRADIENT: int  # gradient at the outputs,
    TOPS: int  # output of the top layer; for events of all layers,
    RAW: int  # outputs of the network,
    RECOMPUTE: int  # whether windows are run again: then also
    PAST: int  # inputs of the network,
    BEFORE: int  # all layers' states before the row,
    ANSWERS: int  # standardised answers to its forecasts (T K), NaN where none has come or it has been learned from
    LABELLED: int  # how many labels the row has (rules that learn forward in time),
    BLOCKS: int  # how many blocks the tape has
    CLOCK: int  # state f64: Clock
    SCALE: int  # Scale (F)
    TARGET: int  # Target (T)
    EXPERT: int  # experts of each target
    EXPERT_LENGTH: int  # numbers of one target's experts
    HISTORY: int  # history of each target
    HISTORY_LENGTH: int  # numbers of one target's history
    MIX: int  # weights of the mix (T, K)
    MIX_WIDTH: int  # numbers of one
    STATS: int  # Stats (T, K)
    WATCH: int  # Watch (T)
    PEAKS: int  # Peaks
    LEVEL: int  # Level (T)
    CREEP: int  # Creep (T)
    JOINT: int  # Joint, correlation (T, T), factors (k, 1 + T),
    JOINT_LENGTH: int  # and how many numbers that is; 0: targets are not judged together
    HOURS_OF_DAY: int  # by which intervals are weighted; 0: by none,
    SHARES: int  # and where the shares stand, so many of them for each target and horizon
    HOLDOFF: int  # surprising values of an event that are not learned
    MONITORS: int  # how many monitors,
    MONITOR: int  # their state, and how many numbers of it a target has
    MONITOR_LENGTH: int
    PENDING: int  # Pending (SLOTS, T)
    LATEST: int  # ForecastLatest or EventLatest
    LOSS: int  # Loss
    TRACES: int  # state f32 of rules that learn forward in time: all layers' traces
    TRACES_LENGTH: int
    TRACED: int  # state i64: number of the first row that they have not reached; the plan has none: -1
    DELAY: int  # rows that wait for answers
    DRAWN: int  # state i64: how many random numbers the stream has drawn: its dropout; the plan has none: -1
    PLACES: int  # state i64, from BASE_I64: Place (SLOTS)
    SCRATCH_GRADIENT: int  # scratch f32: gradient of an update (PARAMS_LENGTH),
    SCRATCH_DY: int  # gradient at a layer's outputs,
    SCRATCH_DX: int  # and at its inputs,
    SCRATCH_LAYER: int  # a layer's own,
    SCRATCH_STATE: int  # states of a window that is run again,
    SCRATCH_CUT: int  # zeros, in place of KEEP
    SCRATCH_FORECASTS: int  # scratch f64: of every expert,
    SCRATCH_REGRESSORS: int  # inputs of the linear experts,
    SCRATCH_COMING: int  # what is known ahead, and behind it what all targets see of the features,
    SCRATCH_ECHO: int  # and room to make that: features, harmonics, states
    ECHO: int  # state f64: states of the reservoir, last values of the features,
    ECHO_UNITS: int  # its units; 0: the plan has none,
    ECHO_SEES: int  # features that drive it,
    ECHO_LAGS: int  # and observations of which their values are kept
    DETECTORS: int  # of drift; 0: the plan has none
    DETECTOR_LENGTH: int  # numbers of all their states
    REACTIONS: int  # how many reactions to a drift
    FEEDBACK: int  # state i64, from BASE_I64: Feedback
    HALF_F32: int  # where the challenger's half of a row begins in each plane; 0: the plan has none
    HALF_F64: int
    HALF_I64: int
    CHALLENGER: int  # state i64, from BASE_I64: Challenger
    CHALLENGER_LOSS: int  # state f64: ChallengerLoss
    DRIFT: int  # state f64: Drift, then usual error and its count for each target, then the detectors
    COMING: int  # features whose values are known ahead: what each of G shows now and at K horizons
    KNOWN: int  # numbers that come beside an observation:
    ZONE: int  # where the seconds by which local time is ahead of UTC stand among them; -1: it is UTC
    AHEAD: int  # where the values to come begin (G K),
    MUTED: int  # where it stands for each target whether it is muted (T); -1: none ever is

    EKF: int  # whether the optimiser is the filter of learning/ekf.py: then also
    COVARIANCE_READOUT: int  # learned f32: covariances of the readout's rows of the answers,
    COVARIANCE_GATE: int  # and of the gate's logits,
    LARGEST_GROUP: int  # weights in the largest group of them,
    FILTER: int  # state f64: Filter (T, K),
    SCRATCH_FILTER: int  # scratch f32: gradients and products of a label,
    SCRATCH_KEPT: int  # the traces as they were before a row,
    SCRATCH_DERIVATIVES: int  # scratch f64: of an output by rows of the readout,
    HEAD_INNOVATE: int  # part, by address
    CORRECTS: int  # what the network corrects: Corrects
    OWN_INPUTS: int  # inputs of the network before the experts' and the calendar
    GAPS: int  # state f64: Gaps
    LEADS: int  # state i64, from BASE_I64: regular times that each horizon lies ahead (K)
    STEPS: int  # what of a gap counts: Steps
    SEES: int  # what of its inputs the network has: a sum of Sees

    SYMBOLS: int  # events: V
    NUMBERS: int  # numeric features
    TABLES: int  # context tables
    SHOWN: int  # how many likeliest symbols an outcome tells
    JOINED: int  # units of all layers, which the readout sees
    MIXER: int  # learned f32: weights of the mix (sets, M)
    ESCAPE: int  # (tables, ESCAPES, 2): new successors, all, by the state of the context
    BELIEF: int  # (CANDIDATES): weights of mix, network and longest table
    LAPSE: int  # Lapse
    CALIBRATION: int  # EventTail (Calibration.WIDTH)
    RUNNING: int  # bits of each member (M), then Running
    KEYS: int  # learned i64: digests of the known symbols (V), by symbol
    BUCKETS: int  # (2 V rounded to a power of two): symbol + 1 by hash of its digest
    BUCKET_MASK: int  # buckets - 1
    WAITING: int  # (Symbols.WAITERS) digests that were seen once
    TEXTS: int  # (V, Symbols.TEXT): length, then bytes; written by the engine
    KNOWN_SYMBOLS: int  # n
    TABLE_AT: int  # first word of the tables
    RECENT: int  # own i64: the last symbols, newest first (Contexts.REACH), behind the counters
    NUMERIC: int  # own f64: Lapse of each numeric feature
    SESSION: int  # own f64: Session
    SCRATCH_SHARES: int  # scratch f32: probabilities of every member (M + 1, V)
    SCRATCH_LOGS: int  # their logarithms (M, V)
    SCRATCH_MIXED: int  # (V) the mix
    SCRATCH_FINAL: int  # (V) what is published
    SCRATCH_DELTA: int  # (rows, O)


class Corrects(Record):
    """Values of Program.CORRECTS."""

    MIX, LAST, MEAN = range(3)


class Steps(Record):
    """Values of Program.STEPS: what of a gap counts, all but what is usual, nothing, all (see step/gaps.py)."""

    AUTO, OBSERVATIONS, TIME = range(3)


class Sees(Record):
    """Bits of Program.SEES."""

    VALUE, CHANGE, MISSING, HOUR, ERROR, ELAPSED, EXPERTS, CALENDAR = 1, 2, 4, 8, 16, 32, 64, 128


class Layer(Record):
    """A row of plan.layers: addresses (0: the plan has no such part), offsets, settings."""

    FORWARD: int  # addresses
    BACKWARD: int
    TRAIN: int
    FOLLOW: int
    PARAMS: int  # offset from Program.PARAMS
    STATE: int  # offsets from BASE_F32
    TAPE: int
    TRACE: int
    CUT: int  # 1: no gradient goes through its recurrence
    DROPS: int  # 1 for dropout
    GROUPS: int  # groups of weights of the filter,
    GROUP_SIZE: int  # weights in each,
    COVARIANCE: int  # learned f32: their covariances
    SHAPE: int = many(5)  # inputs, units, rows of the tape, own setting, whether the inputs want a gradient


class Expert(Record):
    """A row of plan.experts."""

    SETTLE: int  # addresses
    FORECAST: int
    HASTEN: int  # may be 0
    STATE: int  # offset inside a target's experts
    SHAPE: int = many(3)  # horizons, then its own
    SETTINGS = 2  # reals of each in plan.settings


class Monitor(Record):
    """A row of plan.monitors."""

    DEVIATE: int  # addresses
    ADOPT: int
    STATE: int  # offset inside a target's monitors
    UNITS: int  # 1: its errors are in those of the target
    SHAPE: int  # bins, or steps


class Detector(Record):
    """A row of plan.detectors."""

    UPDATE: int  # address
    STATE: int  # offset inside the detectors' state
    SETTINGS = 3  # reals of each in plan.tuning


class Reals(Record):
    """plan.reals: rates and levels."""

    SCALE_RATE: int  # least rate of the running scale
    LEVEL: int  # coverage of the intervals
    ALERTS: int  # alarms a week; for events the share of ordinary ones that may alarm
    RATE: int  # of the optimiser
    CLIP: int  # norm of the mean gradient
    START_QUANTILE: int  # first bounds, in mean absolute errors; for events the normal quantile of the alert rate
    FIRST: int  # the optimiser's own: see its part
    SECOND: int
    SHRINK: int
    SEASONS: int = many(2)  # seconds of both; 0: by the sampling interval
    VALUE: int  # largest gradient, 0: any
    CAP: int  # largest move of a weight
    PERIOD: int  # updates: of the schedule
    HALF_LIFE: int  # of the hidden state, in usual intervals beyond the first; 0: for ever
    SILENCE_AFTER: int  # usual intervals, or times the predicted time, without an observation; 0: never
    AGE: int  # answers that the mix rests on when a stream begins: those of its prior
    HEAD: int = many(0)  # from here on the head's own


class Limits(Record):
    """A row of plan.limits: what an operator knows of a target."""

    LOWER: int  # of its forecasts
    UPPER: int
    SIGN: int  # of errors that may surprise, 0: both
    LEAST: int  # size of errors that may surprise


class Order(Record):
    """A row of plan.orders: one context table."""

    LENGTH: int  # symbols of the context
    TABLE: int  # its first word
    MASK: int  # contexts - 1
    PLACES: int  # successors of an entry
