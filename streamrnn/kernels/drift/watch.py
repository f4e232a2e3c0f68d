"""Drift: whether the forecasts have become worse for good, and what is done about it.

Detectors read the standardised loss, a number in [0, 1) an observation: the error of the shortest horizon over itself
plus the usual error, a slow running mean; so it is about a half in ordinary times, whatever the units are, and a single
huge error counts for no more than one. With several targets it is the mean over those that came. What is held off is
not read. A change to the worse is a drift: it is told, all detectors begin anew, what is usual is learned as after
SETTLED errors, and the plan's reactions are called. A change to the better is the learner's success and is not told.

Rejected: the error over the running error of the intervals, which follows within fifty values and so hides what a
detector should see; the likelihood of the network's head, which says nothing of the mix that is published.
"""

import math

from numba import carray

from streamrnn.kernels.core import table as c
from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.drift import contract as d

RATE = 0.001  # of the usual error
SETTLED = 50.0  # errors before the first is told to the detectors


@jit
def loss(plan, row):
    """The standardised loss of this observation, NaN when there is none yet; learns what is usual."""
    p = plan.ints
    expected, total, known = shift(row.real, p[c.LATEST] + c.TARGETS_FROM), 0.0, 0
    for j in range(p[c.TARGETS]):
        error = abs(expected[p[c.TARGETS] + j] - expected[j])
        if math.isnan(error):
            continue
        usual = shift(row.real, p[c.DRIFT] + c.DRIFT_WIDTH + 2 * j)  # mean, errors seen
        if usual[1] >= SETTLED:
            total += error / (error + usual[0]) if error > 0.0 else 0.0
            known += 1
        usual[1] += 1
        usual[0] += max(RATE, 1.0 / usual[1]) * (error - usual[0])
    return total / known if known > 0 else math.nan


@jit
def begin_anew(plan, row):
    """Fresh detectors, and another usual error soon."""
    p = plan.ints
    for j in range(p[c.TARGETS]):
        usual = shift(row.real, p[c.DRIFT] + c.DRIFT_WIDTH + 2 * j)
        usual[1] = min(usual[1], SETTLED)
    first = p[c.DRIFT] + c.DRIFT_WIDTH + 2 * p[c.TARGETS]
    carray(shift(row.real, first), p[c.DETECTOR_LENGTH])[:] = 0.0


@jit
def react(plan, row):
    """Call the plan's reactions."""
    for i in range(plan.ints[c.REACTIONS]):
        call(
            plan.reactions[i],
            plan.ints,
            plan.experts,
            plan.settings,
            row.counts,
            row.real,
            row.count,
        )


@jit
def look(plan, row, scratch):
    """Tell the detectors the loss of this observation. Returns the outcome's bits."""
    p = plan.ints
    if p[c.DETECTORS] == 0:
        return 0
    x = loss(plan, row)
    if math.isnan(x):
        return 0
    record, out = shift(row.real, p[c.DRIFT]), scratch.f64
    first, drifted = shift(row.real, p[c.DRIFT] + c.DRIFT_WIDTH + 2 * p[c.TARGETS]), False
    for i in range(p[c.DETECTORS]):
        each = shift(plan.detectors, i * c.DETECTOR_WIDTH)
        call(each[c.UPDATE], shift(plan.tuning, i * c.DETECTOR_REALS), shift(first, each[c.DETECTOR_STATE]), x, out)
        if out[d.FOUND] != 0.0 and out[d.AFTER] > out[d.BEFORE] and not drifted:
            drifted = True
            record[c.D_WHICH], record[c.D_BEFORE], record[c.D_AFTER] = i, out[d.BEFORE], out[d.AFTER]
            record[c.D_SINCE] = row.real[p[c.CLOCK] + c.TIME] - out[d.AGO] * row.real[p[c.CLOCK] + c.INTERVAL]
    if not drifted:
        return 0
    record[c.D_COUNT] += 1
    begin_anew(plan, row)
    react(plan, row)
    return c.DRIFT_FOUND
