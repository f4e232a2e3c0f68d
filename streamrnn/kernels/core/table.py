"""Where things are: the columns of the plan's integer table and of a row's small records.

`model.layout` fills the offsets in, the kernels read them; nothing else does arithmetic on places. Letters of shapes,
here and in every kernel:

    F features    T targets    K horizons    E experts beside the network    I inputs of the network
    H units of a layer    O outputs of the network, T K of N a head    C rows of the tape    L layers    N observations

A stream is one row in each of three planes: `f32` (network), `f64` (clocks, scalers, experts, calibration, pending
forecasts) and `i64` (counters, places). What is *learned by gradient* lies in front in the row of `f32` and `i64`, so
that with pooled weights the same code reads it from the pool's own row instead.
"""

from typing import NamedTuple

import numpy as np

# --- plan.ints
INTS = 105
(
    FEATURES,
    TARGETS,
    HORIZONS,
    EXPERTS,
    INPUTS,
    LAYERS,
    OUTPUTS,
    TOP,  # units of the top layer
    ROWS,  # C
    KEPT,  # rows that stay when the tape is moved to its front
    WINDOW,
    STRIDE,
    LABEL_TASK,
    LABEL_RING,
    SLOTS,  # places of pending forecasts
    SLOT_WIDTH,  # numbers per target in one
    SEASONAL,  # index of the seasonal expert, -1 without
    POOLED,
    WARMUP,
    QUIET,
    HEAD_GRAD,  # parts, by address
    HEAD_READ,
    OPTIMISE,
    SCHEDULE,  # of its rate: see pace.py
    HEAD_WIDTH,  # outputs per target and horizon
    GATE,  # inputs of the network before those of the gate; 0: there is none
    LOGITS,  # outputs of the network before the gate's
    LAST_ROUND,  # forecasts that the last round of the mix mixes: base, gated if there is a gate, network
    HEAD_ABSOLUTE,  # the head sees the target itself, not the error of the mix
    WIDTH_F32,  # of a row in each plane
    WIDTH_F64,
    WIDTH_I64,
    WIDTH_LEARNED,  # of the learned parts: the row's own width when weights are private
    WIDTH_COUNTS,
    BASE_F32,  # where a row's own state begins behind the learned part
    BASE_I64,
    PARAMS,  # learned f32: layers, then the readout V (O, H of the top layer), b (O)
    PARAMS_LENGTH,
    READOUT,  # from PARAMS
    OPTIMISER,
    OPTIMISER_LENGTH,
    GOOD,  # the last good parameters
    MEMORY_F32,  # state f32, from BASE_F32: layers' states, one after the other
    MEMORY_LENGTH,
    INPUT,
    KEEP,  # blocks of the tape: what the state was multiplied with before the row, 0 where it was reset,
    GRADIENT,  # gradient at the outputs,
    TOPS,  # output of the top layer,
    RAW,  # outputs of the network,
    RECOMPUTE,  # whether windows are run again: then also
    PAST,  # inputs of the network,
    BEFORE,  # all layers' states before the row,
    ANSWERS,  # standardised answers to its forecasts (T K), NaN where none has come or it has been learned from
    LABELLED,  # how many labels the row has (rules that learn forward in time),
    BLOCKS,  # how many blocks the tape has
    CLOCK,  # state f64
    SCALE,
    TARGET,
    EXPERT,
    EXPERT_LENGTH,  # numbers of one target's experts
    HISTORY,
    HISTORY_LENGTH,  # numbers of one target's history
    MIX,
    MIX_WIDTH,
    STATS,
    WATCH,  # what the judgement of each target stands on
    HOURS_OF_DAY,  # by which intervals are weighted; 0: by none,
    SHARES,  # and where the shares stand, so many of them for each target and horizon
    HOLDOFF,  # surprising values of an event that are not learned
    MONITORS,  # how many monitors,
    MONITOR,  # their state, and how many numbers of it a target has
    MONITOR_LENGTH,
    PENDING,
    LATEST,
    LOSS,  # of the latest label that was taught, and the sum since the last update
    TRACES,  # state f32 of those rules: all layers' traces
    TRACES_LENGTH,
    TRACED,  # state i64: number of the first row that they have not reached; the plan has none: -1
    DELAY,  # rows that wait for answers
    DRAWN,  # how many random numbers the stream has drawn: its dropout; the plan has none: -1
    PLACES,  # state i64, from BASE_I64: pending places, PLACE_WIDTH each
    SCRATCH_GRADIENT,  # scratch f32
    SCRATCH_DY,
    SCRATCH_DX,
    SCRATCH_LAYER,
    SCRATCH_STATE,
    SCRATCH_CUT,  # zeros, in place of KEEP
    SCRATCH_FORECASTS,  # scratch f64
    SCRATCH_REGRESSORS,
    DETECTORS,  # of drift; 0: the plan has none
    DETECTOR_LENGTH,  # numbers of all their states
    REACTIONS,
    FEEDBACK,  # state i64, from BASE_I64: what was said of alarms
    HALF_F32,  # where the challenger's half of a row begins in each plane; 0: the plan has none
    HALF_F64,
    HALF_I64,
    DUEL,  # state i64, from BASE_I64, and f64: who is ahead
    DUEL_LOSS,
    DRIFT,  # state f64: DRIFT_WIDTH, then usual error and its count for each target, then the detectors
    SCRATCH_COMING,
    COMING,  # features whose values are known ahead: what each of G shows now and at K horizons
    KNOWN,  # numbers that come beside an observation:
    ZONE,  # where the seconds by which local time is ahead of UTC stand among them; -1: it is UTC
    AHEAD,  # where the values to come begin (G K),
    MUTED,  # where it stands for each target whether it is muted (T); -1: none ever is
) = range(INTS)

# --- plan.layers (L, LAYER_WIDTH): four addresses (0: the plan has no such part), offsets, CUT, DROPS, then the shape
FORWARD, BACKWARD, TRAIN, FOLLOW = range(4)
LAYER_PARAMS, LAYER_STATE, LAYER_TAPE, LAYER_TRACE, CUT, DROPS, LAYER_SHAPE = range(4, 11)
LAYER_WIDTH = LAYER_SHAPE + 5

# --- plan.experts (E, EXPERT_WIDTH): three addresses (the last may be 0), offset inside a target's, then shape
SETTLE, FORECAST, HASTEN, EXPERT_STATE, EXPERT_SHAPE = range(5)
EXPERT_WIDTH = EXPERT_SHAPE + 3
EXPERT_REALS = 2

# --- plan.monitors (M, MONITOR_WIDTH): two addresses, offset inside a target's monitors, then the shape
DEVIATE, ADOPT, MONITOR_STATE, MONITOR_UNITS, MONITOR_SHAPE = range(5)  # UNITS: its errors are in those of the target
MONITOR_WIDTH = MONITOR_SHAPE + 1

# --- plan.detectors (D, DETECTOR_WIDTH): an address, offset inside the detectors' state
UPDATE, DETECTOR_STATE = range(2)
DETECTOR_WIDTH = 2
DETECTOR_REALS = 3

# --- plan.reals
SCALE_RATE, LEVEL, ALERTS, RATE, CLIP, START_QUANTILE = range(6)
FIRST, SECOND, SHRINK = range(6, 9)  # the optimiser's own: see its part
SEASONS = 9  # seconds of both; 0: by the sampling interval
VALUE, CAP, PERIOD = 11, 12, 13  # of an update: see pace.py and optim.py
HALF_LIFE = 14  # of the hidden state, in usual intervals beyond the first; 0: for ever
SILENCE_AFTER = 15  # usual intervals, or times the foretold time, without an observation; 0: never
AGE = 16  # answers that the mix rests on when a stream begins: those of its prior
HEAD_REALS = 17  # from here on the head's own

# --- plan.limits (T, LIMITS_WIDTH)
LOWER_LIMIT, UPPER_LIMIT, SIGN, LEAST = range(
    4
)  # of its forecasts; of errors that may surprise (0: both), and their size
LIMITS_WIDTH = 4

# --- records in f64
INTERVALS = 15  # how many last intervals the running median looks at
TIME, INTERVAL, ELAPSED, RING = 0, 1, 2, 3
CLOCK_WIDTH = RING + INTERVALS
MEAN, VARIANCE, CHANGE, LAST, SCALED, SIZE, ODD, WIDEST = range(8)
SCALE_WIDTH = 8
T_MEAN, T_VARIANCE, T_LAST, T_ERROR, T_COUNT = range(5)
TARGET_WIDTH = 5
LATEST_LOSS, LOSS_SUM = 0, 1
LOSS_WIDTH = 2
SPREAD, LOW, HIGH, RANGE, COUNT, ERROR, ERROR_LAST, ERROR_SEASONAL, COVERED, BREADTH, WINKLER, BOUNDED = range(12)
STATS_WIDTH = 12
W_SEEN, W_DAY = range(2)
WATCH_WIDTH = 2
BINS, HOURS = 40, 24  # of a tail's histogram; of its envelope
TAIL_BASE, TAIL_SEEN, TAIL_MASS, TAIL_EXCESS, TAIL_COUNT, TAIL_BINS = range(6)  # of one sign of one series
ENVELOPE = TAIL_BINS + BINS  # largest by hour, on earlier days and today
TAIL_WIDTH = ENVELOPE + 2 * HOURS
SHORT, SHORT_COUNT, TAILS = range(3)  # of a monitor: running mean of its errors, then two signs of two series, its own
MONITOR_OWN = TAILS + 4 * TAIL_WIDTH
# Of one pending forecast; behind it what the E experts say, what the last round mixes, and the gate's shares.
ANCHOR, UNIT, MIXED, LOWER, UPPER, ISSUE, FORECASTS = range(7)
# Of the latest drift: detector, when it began, mean loss before, after; number of drifts; updates at a raised rate.
D_WHICH, D_SINCE, D_BEFORE, D_AFTER, D_COUNT, D_RAISED = range(6)
DRIFT_WIDTH, DRIFT_TOLD = 6, 5  # the first so many are told in outcomes
BEGAN, SERVING, CHALLENGING = range(3)  # of a duel: since when, discounted losses
DUEL_LOSS_WIDTH = 3
SCORE, TAIL_P, STARTED, PEAK, ALARMED, SIZE_THEN, OFFSET = range(7)  # of the latest outcome, event and alarm,
TARGETS_FROM = 7  # then expected, actual, attribution (3, T)

# --- records in i64
STEPS, CLEAN = 0, 1  # learned: optimiser steps, clean updates,
FALLS, SINCE, REST = 2, 3, 4  # falls back to the last good weights, clean updates since the first, updates left to rest
COUNTS_WIDTH = 5
PACE_WIDTH = 5  # learned f32, behind the optimiser: see pace.py
SEEN, STEP, SEQ, EVENT, RING_AT, PHASE, LATENESS = range(7)  # of the stream
OPEN, CALM, SEVERITY, ALARMS, LOUDEST, HELD = range(7, 13)  # of its latest anomaly event, and of all its alarms
WRITTEN, POSITION, OLDEST, NEWEST, LABELS, FRESH, LEARNT = range(13, 20)  # of the tape
SLOT = 20  # latest pending place
STREAM_COUNTS, EVENT_COUNTS, TAPE_COUNTS = 7, 6, 7
ACTIVE, ANSWERED, LEADING = range(3)  # of a duel: is there one; answers in it, and the challenger's last ones ahead
DUEL_WIDTH = 3
# Of feedback: the event spoken of last, what was said, steps and those before it, and until when alarms are muted.
F_EVENT, F_WORD, F_STEPS, F_BEFORE, F_MUTED = range(5)
FEEDBACK_WIDTH = 5
PLACE_STEP, PLACE_ROW, PLACE_IDENT = range(3)
PLACE_WIDTH = 3

# --- bits, as messages.py names them
END, LABEL_ONLY, STAMPED, FREEZE, TRUE_ALARM, FALSE_ALARM, IGNORE = 1, 2, 4, 8, 16, 32, 64
WORD = TRUE_ALARM | FALSE_ALARM | IGNORE
LEARNED, LATE, DUPLICATE, ANOMALY, WARMING, OPENED, WORSENED, CLOSED = 1, 2, 4, 8, 16, 32, 64, 128
UPDATED, SKIPPED, ROLLED_BACK, MISSING, GAP, UNMATCHED, SETTLED = 256, 512, 1024, 2048, 4096, 8192, 16384
RESTED, REGIME, HELD_OFF, DRIFT_FOUND, STRANGE = 32768, 65536, 131072, 262144, 524288
SILENCE, FROZEN, INVALID, JUDGED, UNJUDGED = 1048576, 2097152, 4194304, 8388608, 16777216
TOOK_OVER, WITHDRAWN = 33554432, 67108864

# --- columns of outcomes, as messages.Outcomes names them
OUT_ROW, OUT_BITS, OUT_SEQ, OUT_SEVERITY, OUT_EVENT, OUT_LEARNED, OUT_LOST, OUT_MONITOR = range(8)
OUT_INTS = 8  # of all tasks; behind them of these alone:
OUT_SPOKEN, OUT_WORD, OUT_STEPS, OUT_MUTED = range(8, 12)
OUT_WIDTH = 12
OUT_TIME, OUT_INTERVAL, OUT_SCORE, OUT_TAIL, OUT_STARTED, OUT_SKILL, OUT_FORECAST = range(7)


class Plan(NamedTuple):
    """The program: what to call, where everything is."""

    ints: np.ndarray  # (INTS)
    layers: np.ndarray  # (L, LAYER_WIDTH)
    experts: np.ndarray  # (E, EXPERT_WIDTH)
    settings: np.ndarray  # (E, EXPERT_REALS) the experts' own
    past: np.ndarray  # (seasons.TABLE + N * REGRESSOR_WIDTH) shape of a history, and its regressors
    priors: np.ndarray  # (E + LAST_ROUND) logarithms of the prior weights of the experts, then of the last round
    targets: np.ndarray  # (T) feature of each target; -1 is the label
    horizons: np.ndarray  # (K) steps
    slots: np.ndarray  # (K) first pending place of each horizon
    blocks: np.ndarray  # (B, 2) tape blocks of a row: offset from BASE_F32, width; each of C rows
    reals: np.ndarray  # (HEAD_REALS + the head's own)
    monitors: np.ndarray  # (M, MONITOR_WIDTH)
    rates: np.ndarray  # (M) of each monitor's own running mean
    limits: np.ndarray  # (T, LIMITS_WIDTH) what an operator knows of each target
    detectors: np.ndarray  # (D, DETECTOR_WIDTH)
    tuning: np.ndarray  # (D, DETECTOR_REALS) the detectors' own
    reactions: np.ndarray  # (R) addresses
    coming: np.ndarray  # (G) features whose values are known ahead


class Planes(NamedTuple):
    """The state, flat: row r of a plane is [r * width, (r + 1) * width)."""

    f32: np.ndarray
    f64: np.ndarray
    i64: np.ndarray
    learned: np.ndarray  # f32 itself, or the pool's
    counts: np.ndarray  # i64 itself, or the pool's


class Scratch(NamedTuple):
    """Room to work in: nothing is allocated in the step, nothing here outlives an observation."""

    f32: np.ndarray
    f64: np.ndarray


class Batch(NamedTuple):
    """The observations, column by column (N), as messages.Batch has them; rows of the bank are `row`."""

    row: np.ndarray
    ident: np.ndarray
    seq: np.ndarray
    bits: np.ndarray
    time: np.ndarray
    label: np.ndarray
    values: np.ndarray  # (N, F)
    known: np.ndarray  # (N, KNOWN)


def addresses(plan: Plan, planes: Planes, scratch: Scratch) -> np.ndarray:
    """Where the arrays of all three begin, in their order: they do not move, and to take 24 arrays apart at every call
    would cost 4 us."""
    return np.array([array.ctypes.data for group in (plan, planes, scratch) for array in group], np.int64)


class Row(NamedTuple):
    """Where one stream's row begins, found once per observation."""

    params: np.ndarray  # f32: weights, optimiser, last good weights
    counts: np.ndarray  # i64: STEPS .. REST
    net: np.ndarray  # f32: hidden state and tape
    real: np.ndarray  # f64
    count: np.ndarray  # i64
