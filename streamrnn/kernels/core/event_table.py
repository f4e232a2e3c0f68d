"""Where things are in a model of events; what a network needs is where table.py has it.

Letters: V symbols at most (0 is "unseen"), n of them known, X numeric features, I = V + 2 X + LAPSE_INPUTS inputs,
O = V + 2 outputs (a logit a symbol, mean and log sd of the time to the next event), K context tables, M = K + 1 members
of the mix (tables, network), S places for successors in an entry of a table.

What is learned, by gradient or by counting, lies in the learned part of f32 and i64: per stream, or once in the pool.
A stream's own are hidden state and tape, its last symbols, its clock, its session and its latest outcome.
"""

from typing import NamedTuple

import numpy as np

from streamrnn.kernels.core import table as c

# --- plan.ints, behind those of table.py
(
    SYMBOLS,  # V
    NUMBERS,  # X
    TABLES,  # K
    SHOWN,  # how many likeliest symbols an outcome tells
    JOINED,  # units of all layers that the readout sees
    MIXER,  # learned f32: weights of the mix (SETS, M)
    ESCAPE,  # (K, ESCAPES, 2): new successors, all, by the state of the context
    BELIEF,  # (CANDIDATES): weights of mix, network and longest table
    LAPSE,  # running mean, variance, count of log seconds
    CALIBRATION,  # tails of surprise, lateness, a session's sum, mean and worst
    RUNNING,  # (M + 5): running bits of each member and of the mix, top-1, top-k, unseen share, count
    KEYS,  # learned i64: digests of the known symbols (V), by symbol
    BUCKETS,  # (2 V rounded to a power of two): symbol + 1 by hash of its digest
    BUCKET_MASK,
    WAITING,  # (WAITERS) digests that were seen once
    TEXTS,  # (V, TEXT): length, then bytes; written by the engine
    KNOWN,  # n
    TABLE_AT,  # first word of the tables
    HISTORY,  # own i64: the last symbols, newest first (REACH), behind the counters
    NUMERIC,  # own f64: scalers of the numeric features
    SESSION,  # own f64
    SCRATCH_SHARES,  # scratch f32: probabilities of every member (M + 1, V)
    SCRATCH_LOGS,  # their logarithms (M, V)
    SCRATCH_MIXED,  # (V) the mix
    SCRATCH_FINAL,  # (V) what is published
    SCRATCH_DELTA,  # (rows, O)
) = range(c.INTS, c.INTS + 26)
INTS = c.INTS + 26

# --- plan.orders (K, ORDER_WIDTH)
ORDER, TABLE, MASK, PLACES = range(4)  # symbols of the context, first word of its table, contexts - 1, S
ORDER_WIDTH = 4
STAMP, WEIGHT, HEAD = range(3)  # words of an entry: check of the context, sum of its counts; then S successors
REACH = 16  # symbols that a stream remembers
UNIT = 4  # one occurrence
FULL = 1000  # a count beyond it halves its entry;
LONG_FULL = 52  # with a context of SHORT symbols or more: what followed it changes, and there are shorter ones
SHORT = 3
PROBES = 4  # entries where a context may be
BEFORE = 1 << 40  # minus this as a place: the session is too short for the context
ESCAPES = 64
STATES = 3  # of the longest context that was found: one successor, two or three, more
CANDIDATES = 3  # of the last step of the mix: mix, network, longest table

LAPSE_INPUTS = 3  # standardised log of the elapsed time, 1 if unknown, 1 at the start of a session
TEXT = 33  # int64 of a symbol's text: length (negative for an integer), 256 bytes
WAITERS = 1024
LONGEST_TEXT = 256

# --- records
TAIL_START, TAIL_EXCESS, TAIL_COUNT, TAIL_SEEN = range(4)  # of one calibrated tail
TAIL_WIDTH = 4
L_MEAN, L_VARIANCE, L_COUNT = range(3)
TAIL_BITS, TAIL_LAPSE, TAIL_SUM, TAIL_MEAN, TAIL_WORST = range(5)
TAILS = 5
R_MIXED, R_TOP1, R_TOPK, R_UNSEEN, R_COUNT = range(5)  # of RUNNING, behind its members
RUNNING_WIDTH = 5
(
    S_SUM,  # bits so far
    S_WORST,  # most bits of one event,
    S_PLACE,  # which one that is, from 1; one more than S_COUNT: the end itself
    S_CAME,  # its symbol
    S_FORETOLD,  # the likeliest one instead
    S_FORETOLD_SHARE,
    S_COUNT,  # events so far
    S_BEGAN,  # time of the first one
    S_SCORE,  # once it has ended
    S_TAIL,
    S_SEVERITY,
    S_BY_WORST,  # share of the worst event in the score
) = range(12)
SESSION_WIDTH = 12
# of c.LATEST: the outcome of the last event
(
    SCORE,
    TAIL,
    STARTED,
    PEAK,
    SURPRISE,  # bits
    SHARE,  # probability it had
    RANKED,
    NETWORK_BITS,
    TABLE_BITS,  # of the longest table
    FORETOLD,  # symbol that was likeliest
    FORETOLD_SHARE,
    LATENESS,  # (log elapsed - mean) / sd
    CAME,  # symbol
    BY_TIME,  # share of the time in the score
    END_SHARE,  # probability that the session had ended before it
) = range(15)
LATEST_WIDTH = 15

# --- counters of a stream, behind those of table.py
TOLD = c.SLOT + 1  # events of the session so far
COUNTERS = TOLD + 1

# --- columns of outcomes
(
    OUT_SYMBOL,
    OUT_RANK,
    OUT_KNOWN,
    OUT_ADMITTED,
    OUT_FORETOLD,
    OUT_LENGTH,
    OUT_WORST_PLACE,
    OUT_WORST_SYMBOL,
    OUT_WORST_FORETOLD,
    OUT_SESSION_SEVERITY,
    OUT_NEXT,
) = range(c.OUT_INTS, c.OUT_INTS + 11)
(
    OUT_SHARE,
    OUT_SURPRISE,
    OUT_NETWORK,
    OUT_TABLE,
    OUT_FORETOLD_SHARE,
    OUT_LATENESS,
    OUT_BY_TIME,
    OUT_SUM,
    OUT_WORST,
    OUT_SESSION_SCORE,
    OUT_SESSION_TAIL,
    OUT_WORST_FORETOLD_SHARE,
    OUT_BEGAN,
    OUT_BY_WORST,
    OUT_END_SHARE,
    OUT_EXPECTED,
    OUT_OVERDUE,
    OUT_NEXT_SHARES,
) = range(c.OUT_SKILL + 1, c.OUT_SKILL + 19)


class Plan(NamedTuple):
    """The program of a model of events."""

    ints: np.ndarray  # (INTS)
    layers: np.ndarray  # (L, c.LAYER_WIDTH)
    orders: np.ndarray  # (K, ORDER_WIDTH)
    blocks: np.ndarray  # (B, 2)
    reals: np.ndarray  # (c.REALS)


class Scratch(NamedTuple):
    """Room to work in. `own` remembers between two steps of one stream what it looked up, and of which row that is."""

    f32: np.ndarray
    f64: np.ndarray
    own: np.ndarray  # row, longest context, its state; then (K, 2): entry and escape cell of every table
