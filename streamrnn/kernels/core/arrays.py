"""What a compiled call is given: plan, planes and scratch as arrays, and where they begin.

A stream is one row in each of three planes: `f32` (network), `f64` (clocks, scalers, experts, calibration, pending
forecasts) and `i64` (counters, places). What is *learned by gradient* lies in front in the row of `f32` and `i64`, so
that with pooled weights the same code reads it from the pool's own row instead. Letters of shapes: program.py.
"""

from typing import NamedTuple

import numpy as np


class Plan(NamedTuple):
    """The program: what to call, where everything is."""

    ints: np.ndarray  # (Program.WIDTH)
    layers: np.ndarray  # (L, Layer.WIDTH)
    experts: np.ndarray  # (E, Expert.WIDTH)
    settings: np.ndarray  # (E, Expert.SETTINGS) the experts' own
    past: np.ndarray  # (seasons.TABLE + N * REGRESSOR_WIDTH) shape of a history, and its regressors
    priors: np.ndarray  # (E + LAST_ROUND) logarithms of the prior weights of the experts, then of the last round
    targets: np.ndarray  # (T) feature of each target; -1 is the label
    horizons: np.ndarray  # (K) steps
    slots: np.ndarray  # (K) first pending place of each horizon
    blocks: np.ndarray  # (B, 2) tape blocks of a row: offset from BASE_F32, width; each of C rows
    reals: np.ndarray  # (Reals.WIDTH + the head's own)
    monitors: np.ndarray  # (M, Monitor.WIDTH)
    rates: np.ndarray  # (M) of each monitor's own running mean
    limits: np.ndarray  # (T, Limits.WIDTH) what an operator knows of each target
    detectors: np.ndarray  # (D, Detector.WIDTH)
    tuning: np.ndarray  # (D, Detector.SETTINGS) the detectors' own
    reactions: np.ndarray  # (R) addresses
    coming: np.ndarray  # (G) features whose values are known ahead


class EventPlan(NamedTuple):
    """The program of a model of events."""

    ints: np.ndarray  # (Program.WIDTH)
    layers: np.ndarray  # (L, Layer.WIDTH)
    orders: np.ndarray  # (K, Order.WIDTH)
    blocks: np.ndarray  # (B, 2)
    reals: np.ndarray  # (Reals.WIDTH + the head's own)


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


class EventScratch(NamedTuple):
    """Room to work in. `own` remembers between two steps of one stream what it looked up, and of which row that is."""

    f32: np.ndarray
    f64: np.ndarray
    own: np.ndarray  # row, longest context, its state; then (K, 2): entry and escape cell of every table


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


class Row(NamedTuple):
    """Where one stream's row begins, found once per observation."""

    params: np.ndarray  # f32: weights, optimiser, last good weights
    counts: np.ndarray  # i64: Updates
    net: np.ndarray  # f32: hidden state and tape
    real: np.ndarray  # f64
    count: np.ndarray  # i64: Count


def addresses(plan: Plan | EventPlan, planes: Planes, scratch: Scratch | EventScratch) -> np.ndarray:
    """Where the arrays of all three begin, in their order: they do not move, and to take 24 arrays apart at every call
    would cost 4 us."""
    return np.array([array.ctypes.data for group in (plan, planes, scratch) for array in group], np.int64)
