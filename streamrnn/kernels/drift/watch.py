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

from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Clock, Drift, ForecastLatest
from streamrnn.kernels.core.outcomes import Bit
from streamrnn.kernels.core.program import Detector, Program
from streamrnn.kernels.drift import contract as d

RATE = 0.001  # of the usual error
SETTLED = 50.0  # errors before the first is told to the detectors


@jit
def loss(plan, row):
    """The standardised loss of this observation, NaN when there is none yet; learns what is usual."""
    p = plan.ints
    expected, total, known = shift(row.real, p[Program.LATEST] + ForecastLatest.TARGETS), 0.0, 0
    for j in range(p[Program.TARGETS]):
        error = abs(expected[p[Program.TARGETS] + j] - expected[j])
        if math.isnan(error):
            continue
        usual = shift(row.real, p[Program.DRIFT] + Drift.WIDTH + 2 * j)  # mean, errors seen
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
    for j in range(p[Program.TARGETS]):
        usual = shift(row.real, p[Program.DRIFT] + Drift.WIDTH + 2 * j)
        usual[1] = min(usual[1], SETTLED)
    first = p[Program.DRIFT] + Drift.WIDTH + 2 * p[Program.TARGETS]
    carray(shift(row.real, first), p[Program.DETECTOR_LENGTH])[:] = 0.0


@jit
def react(plan, row):
    """Call the plan's reactions."""
    for i in range(plan.ints[Program.REACTIONS]):
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
    if p[Program.DETECTORS] == 0:
        return 0
    x = loss(plan, row)
    if math.isnan(x):
        return 0
    record, out = shift(row.real, p[Program.DRIFT]), scratch.f64
    first, drifted = shift(row.real, p[Program.DRIFT] + Drift.WIDTH + 2 * p[Program.TARGETS]), False
    for i in range(p[Program.DETECTORS]):
        each = shift(plan.detectors, i * Detector.WIDTH)
        call(
            each[Detector.UPDATE], shift(plan.tuning, i * Detector.SETTINGS), shift(first, each[Detector.STATE]), x, out
        )
        if out[d.FOUND] != 0.0 and out[d.AFTER] > out[d.BEFORE] and not drifted:
            drifted = True
            record[Drift.WHICH], record[Drift.BEFORE], record[Drift.AFTER] = i, out[d.BEFORE], out[d.AFTER]
            record[Drift.SINCE] = (
                row.real[p[Program.CLOCK] + Clock.TIME] - out[d.AGO] * row.real[p[Program.CLOCK] + Clock.INTERVAL]
            )
    if not drifted:
        return 0
    record[Drift.COUNT] += 1
    begin_anew(plan, row)
    react(plan, row)
    return Bit.DRIFT_FOUND
