"""Naive experts: last value, seasonal naive, seasonal change, seasonal level, seasonal profile of changes. One target
each, in the target's units. This file also has the signature of all experts.

settle(shape, reals, state, past, history, k, y, anchor, time, step)
    The answer y to what horizon k predicted at `step` and `time`, when the last value known was `anchor`.
forecast(shape, reals, state, past, history, steps, out, last, step, time, interval, learn)
    Writes the forecast for each of the K horizons; always finite. Without `learn` (0) only what the row will need.
hasten(shape, reals, state)
    There was a drift: what is long ago counts little from now on. For those that remember long.

shape is (K, a number of the kind's own, another), reals are the kind's own settings; past and history are what all
experts of the target share (seasons.py). float64: counters of bytes do not fit float32.
"""

import math

from numba import carray, types

from streamrnn.kernels.core.calendar import bin_of
from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import family, jit
from streamrnn.kernels.experts import seasons

REAL, INT = types.float64, types.int64
REALS, INTS = types.CPointer(REAL), types.CPointer(INT)
settle_part = family(lambda real: types.void(INTS, REALS, REALS, INTS, REALS, INT, REAL, REAL, REAL, INT))
forecast_part = family(
    lambda real: types.void(INTS, REALS, REALS, INTS, REALS, INTS, REALS, REAL, INT, REAL, REAL, INT)
)

hasten_part = family(lambda real: types.void(INTS, REALS, REALS))


@settle_part
def ignore(shape, reals, state, past, history, k, y, anchor, time, step):
    """For experts that learn nothing from a settled forecast."""


@forecast_part
def forecast_last(shape, reals, state, past, history, steps, out, last, step, time, interval, learn):
    """Persistence: y(t + h) = y(t)."""
    f = carray(out, shape[0])
    for k in range(shape[0]):
        f[k] = last


@jit
def ago(history, season, h):
    """Steps from now back to where h steps ahead was whole seasons ago; -1: there is no such season."""
    steps = int(history[seasons.STEPS + season])
    return steps * ((h + steps - 1) // steps) - h if steps > 0 else -1


@forecast_part
def forecast_seasonal(shape, reals, state, past, history, steps, out, last, step, time, interval, learn):
    """y(t + h - P ceil(h / P)), P the season in steps; the last value while that is not known."""
    f, hs = carray(out, shape[0]), carray(steps, shape[0])
    for k in range(shape[0]):
        back = ago(history, shape[1], hs[k])
        f[k] = seasons.value(past, history, step, back, last)


@forecast_part
def forecast_change(shape, reals, state, past, history, steps, out, last, step, time, interval, learn):
    """y(t) plus the change that there was over the same h steps whole seasons ago; 0 while that is not known."""
    f, hs = carray(out, shape[0]), carray(steps, shape[0])
    for k in range(shape[0]):
        back = ago(history, shape[1], hs[k])
        before = seasons.value(past, history, step, back + hs[k], math.nan) if back >= 0 else math.nan
        after = seasons.value(past, history, step, back, math.nan)
        f[k] = last if math.isnan(before) or math.isnan(after) else last + after - before


@forecast_part
def forecast_level(shape, reals, state, past, history, steps, out, last, step, time, interval, learn):
    """The running level of the season's bin at t + h; the last value while that is not known."""
    f, hs = carray(out, shape[0]), carray(steps, shape[0])
    for k in range(shape[0]):
        f[k] = seasons.level(past, history, shape[1], time + hs[k] * interval, last)


@settle_part
def settle_profile(shape, reals, state, past, history, k, y, anchor, time, step):
    """Move the bin's change towards this one by max(.1, 1/count), the step clipped to half the usual spread.

    State: spread (K), then change and count per bin and horizon (bins, K, 2). So hard a clip makes it nearly a running
    median: on heavy-tailed series the usual change is the better forecast, the mean one far worse.
    """
    n = shape[0]
    spread = carray(state, n)
    cell = carray(shift(state, n + (bin_of(time, reals[0], shape[1]) * n + k) * 2), 2)
    miss = y - anchor - cell[0]
    size = abs(miss)
    limit = 0.5 * spread[k] if spread[k] > 0 else size
    moved = min(max(miss, -limit), limit)
    cell[1] += 1
    cell[0] += max(0.1, 1.0 / cell[1]) * moved
    spread[k] += 0.02 * (size - spread[k]) if spread[k] > 0 else size


@forecast_part
def forecast_profile(shape, reals, state, past, history, steps, out, last, step, time, interval, learn):
    """Last value plus the change that is usual from this time of the period on."""
    n = shape[0]
    cell = carray(shift(state, n + bin_of(time, reals[0], shape[1]) * n * 2), (n, 2))
    f = carray(out, n)
    for k in range(n):
        f[k] = last + cell[k, 0]
