"""Naive experts: last value, seasonal naive, seasonal profile of changes. One target each, in the target's units.

observe(shape, period, state, y, step, skipped)
    The value at `step`, NaN when it is missing, after `skipped` regular steps without an observation.
settle(shape, period, state, k, change, time)
    What horizon k, issued at `time`, should have said: the change from the last value known then.
forecast(shape, period, state, steps, out, last, step, time, interval)
    Writes the forecast for each of the K horizons; always finite.

shape is (K, ring or bins). float64: counters of bytes do not fit float32.
"""

import math

from numba import carray, types

from streamrnn.kernels.call import shift
from streamrnn.kernels.jit import family, jit

REAL, INT = types.float64, types.int64
REALS, INTS = types.CPointer(REAL), types.CPointer(INT)
observe_part = family(lambda real: types.void(INTS, REAL, REALS, REAL, INT, INT))
settle_part = family(lambda real: types.void(INTS, REAL, REALS, INT, REAL, REAL))
forecast_part = family(lambda real: types.void(INTS, REAL, REALS, INTS, REALS, REAL, INT, REAL, REAL))


@observe_part
def ignore_value(shape, period, state, y, step, skipped):
    """For experts that learn nothing from a value alone."""


@settle_part
def ignore_change(shape, period, state, k, change, time):
    """For experts that learn nothing from a settled forecast."""


@forecast_part
def forecast_last(shape, period, state, steps, out, last, step, time, interval):
    """Persistence: y(t + h) = y(t)."""
    f = carray(out, shape[0])
    for k in range(shape[0]):
        f[k] = last


@observe_part
def observe_seasonal(shape, period, state, y, step, skipped):
    """Keep the value; state is a ring by step, NaN where no value came."""
    size = shape[1]
    ring = carray(state, size)
    for s in range(min(skipped, size)):
        ring[(step - 1 - s) % size] = math.nan
    ring[step % size] = y


@forecast_part
def forecast_seasonal(shape, period, state, steps, out, last, step, time, interval):
    """y(t + h - P ceil(h / P)), P the period in steps; the last value while that is not known."""
    size = shape[1]
    ring, f, hs = carray(state, size), carray(out, shape[0]), carray(steps, shape[0])
    season = round(period / interval) if interval > 0 else 0
    known = 2 <= season <= size
    for k in range(shape[0]):
        f[k] = last
        if known:
            back = season * ((hs[k] + season - 1) // season) - hs[k]
            y = ring[(step - back) % size]
            if back <= step and not math.isnan(y):
                f[k] = y


@jit
def bin_of(time, period, bins):
    """Bin of `time` (seconds) in its period."""
    phase = time / period
    return min(int((phase - math.floor(phase)) * bins), bins - 1)


@settle_part
def settle_profile(shape, period, state, k, change, time):
    """Move the bin's change towards this one by max(.1, 1/count), the step clipped to half the usual spread.

    State: spread (K), then change and count per bin and horizon (bins, K, 2). So hard a clip makes it nearly a running
    median: on heavy-tailed series the usual change is the better forecast, the mean one far worse.
    """
    n = shape[0]
    spread = carray(state, n)
    cell = carray(shift(state, n + (bin_of(time, period, shape[1]) * n + k) * 2), 2)
    miss = change - cell[0]
    size = abs(miss)
    limit = 0.5 * spread[k] if spread[k] > 0 else size
    step = min(max(miss, -limit), limit)
    cell[1] += 1
    cell[0] += max(0.1, 1.0 / cell[1]) * step
    spread[k] += 0.02 * (size - spread[k]) if spread[k] > 0 else size


@forecast_part
def forecast_profile(shape, period, state, steps, out, last, step, time, interval):
    """Last value plus the change that is usual from this time of the period on."""
    n = shape[0]
    cell = carray(shift(state, n + bin_of(time, period, shape[1]) * n * 2), (n, 2))
    f = carray(out, n)
    for k in range(n):
        f[k] = last + cell[k, 0]
