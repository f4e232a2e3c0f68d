"""Page-Hinkley (Page 1954): how far a faded sum of deviations from the mean has left its least or its largest value.

Agrees with river's PageHinkley, two-sided, number for number; like that it begins anew with the number after a change.
"""

import math

from numba import carray

from streamrnn.kernels.drift import contract as d

N, MEAN, RISE, FALL, LEAST, MOST, LEAST_N, LEAST_MEAN, MOST_N, MOST_MEAN, OVER = range(11)  # state
LENGTH = 11
SOONEST = 30  # numbers before the first change


@d.part
def update(reals, state, x, out):
    """A change is found when the distance exceeds the threshold; it began where that value stood.

    Reals: delta, threshold, alpha. State: LENGTH numbers.
    """
    found = carray(out, d.WIDTH)
    found[d.FOUND] = 0.0
    if state[OVER] != 0.0:
        carray(state, LENGTH)[:] = 0.0
    if state[N] == 0.0:
        state[LEAST], state[MOST] = math.inf, -1.0
    state[N] += 1
    state[MEAN] += (x - state[MEAN]) / state[N]
    apart = x - state[MEAN]
    state[RISE] = reals[2] * state[RISE] + apart - reals[0]
    state[FALL] = reals[2] * state[FALL] + apart + reals[0]
    if state[RISE] < state[LEAST]:
        state[LEAST], state[LEAST_N], state[LEAST_MEAN] = state[RISE], state[N], state[MEAN]
    if state[FALL] > state[MOST]:
        state[MOST], state[MOST_N], state[MOST_MEAN] = state[FALL], state[N], state[MEAN]
    if state[N] < SOONEST:
        return
    up = state[RISE] - state[LEAST] > reals[1]
    if up or state[MOST] - state[FALL] > reals[1]:
        n, mean = (state[LEAST_N], state[LEAST_MEAN]) if up else (state[MOST_N], state[MOST_MEAN])
        state[OVER], found[d.FOUND] = 1.0, 1.0
        found[d.BEFORE], found[d.AGO] = mean, state[N] - n
        found[d.AFTER] = (state[N] * state[MEAN] - n * mean) / (state[N] - n)
