"""Monitors: each has an expectation of its own, and what comes deviates from it by an error.

deviate(shape, rate, state, y, expected, time, out)
    Writes y - expectation to `out`, NaN while there is none, 0 for rounding, and learns from y at once.
adopt(shape, state, error)
    What comes is `error` off, and that is right from now on: move there, and learn as after AFRESH values.

`expected` is the published forecast. The others do not see the last hours, so that they do not follow what goes wrong:
a good one-step forecast explains an anomaly away after its first value. shape is (bins), or (steps). float64.
"""

from numba import carray, types

from streamrnn.kernels.core.calendar import bin_of
from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import family, jit

DAY = 86_400.0
AFRESH = 20.0
EXACT = 1e-9  # of the value: a smaller error is rounding
SLOW = 0.001  # rate of the running mean that stands in for an hour not seen yet
REAL, INT = types.float64, types.int64
REALS, INTS = types.CPointer(REAL), types.CPointer(INT)
deviate_part = family(lambda real: types.void(INTS, REAL, REALS, REAL, REAL, REAL, REALS))
adopt_part = family(lambda real: types.void(INTS, REALS, REAL))


@jit
def exact(error, y):
    """The error of value y, 0 where it is its rounding; NaN stays."""
    return 0.0 if abs(error) <= EXACT * abs(y) else error


@deviate_part
def deviate_residual(shape, rate, state, y, expected, time, out):
    """From the published forecast of the shortest horizon."""
    out[0] = exact(y - expected, y)


@deviate_part
def deviate_mean(shape, rate, state, y, expected, time, out):
    """From the running mean, rate max(rate, 1/n). State: mean, n."""
    out[0] = exact(y - state[0], y) if state[1] > 0 else 0.0
    state[1] += 1
    state[0] += max(rate, 1.0 / state[1]) * (y - state[0])


@deviate_part
def deviate_hours(shape, rate, state, y, expected, time, out):
    """From the running mean of this time of the day, of all times while it has not been seen.

    State: mean and n of all times, then of each of the bins (2).
    """
    cell = carray(shift(state, 2 + 2 * bin_of(time, DAY, shape[0])), 2)
    usual = cell[0] if cell[1] > 0 else state[0]
    out[0] = exact(y - usual, y) if state[1] > 0 else 0.0
    cell[1] += 1
    cell[0] += max(rate, 1.0 / cell[1]) * (y - cell[0])
    state[1] += 1
    state[0] += max(SLOW, 1.0 / state[1]) * (y - state[0])


@deviate_part
def deviate_flat(shape, rate, state, y, expected, time, out):
    """How many values in a row have been equal, beyond the first shape[0]. State: the value, how many times it came."""
    state[1] = state[1] + 1 if state[1] > 0 and y == state[0] else 1.0
    state[0] = y
    out[0] = max(state[1] - shape[0], 0.0)


@adopt_part
def adopt_nothing(shape, state, error):
    """For a monitor that has no level of its own."""


@adopt_part
def adopt_mean(shape, state, error):
    """Another running mean."""
    state[0] += error
    state[1] = min(state[1], AFRESH)


@adopt_part
def adopt_hours(shape, state, error):
    """Every time of the day as much higher."""
    for i in range(shape[0] + 1):
        state[2 * i] += error
        state[2 * i + 1] = min(state[2 * i + 1], AFRESH)
