"""How far an update may go: the gradient clipped by value and by norm, and the rate that a schedule gives it.

    constant   the rate itself
    sqrt       rate / sqrt(update / period) after the first `period` updates (Zinkevich 2003)
    plateau    halved after every `period` updates whose mean loss is not below the best by its own standard error, down
               to rate / 32; back to the full rate when it lies above the best by three of them: the stream has changed

A schedule sees the stream's (with pooled weights the pool's) own count of updates and losses, nothing else.
"""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Drift, Loss, Schedule, Updates
from streamrnn.kernels.core.program import Program, Reals

CONSTANT, SQRT, PLATEAU = 0, 1, 2
LARGEST = 30.0  # a mean loss counts up to this
LEAST = 1.0 / 32.0
UPDATES = 200.0  # at a raised rate after a drift,
RAISED = 4.0  # times the rate just after a drift; it falls back evenly over the updates that the reaction asks for
COUNT, SUM, SQUARES, BEST, FACTOR = range(5)


@jit
def limit(G, most):
    """Every number of G cut to +-most. Returns the sum of their squares."""
    total, high = G.dtype.type(0), G.dtype.type(most)
    for i in range(len(G)):
        g = high if G[i] > high else G[i]
        G[i] = -high if g < -high else g
        total += G[i] * G[i]
    return float(total)


@jit
def shorten(plan, G, norm, labels):
    """What the gradient G, the sum over so many labels, is to be multiplied with; `norm` is that of its mean."""
    if plan.reals[Reals.VALUE] > 0.0:
        norm = math.sqrt(limit(G, plan.reals[Reals.VALUE] * labels)) / labels
    return min(1.0, plan.reals[Reals.CLIP] / max(norm, 1e-12)) / labels


@jit
def plateau(state, period, loss):
    """The factor on the rate after one more update at this mean loss. State: see COUNT..FACTOR; 0 is fresh."""
    told = -LARGEST if loss < -LARGEST else loss if loss < LARGEST else LARGEST
    if state[FACTOR] == 0:
        state[FACTOR] = 1
        state[BEST] = math.inf
    state[COUNT] += 1
    state[SUM] += told
    state[SQUARES] += told * told
    if state[COUNT] < period:
        return float(state[FACTOR])
    mean = float(state[SUM]) / period
    error = math.sqrt(max(float(state[SQUARES]) / period - mean * mean, 0.0) / period)
    if mean > state[BEST] + 3.0 * error:
        state[BEST], state[FACTOR] = mean, 1
    elif mean < state[BEST] - error:
        state[BEST] = mean
    else:
        state[FACTOR] = max(0.5 * float(state[FACTOR]), LEAST)
    state[COUNT], state[SUM], state[SQUARES] = 0, 0, 0
    return float(state[FACTOR])


@jit
def raised(plan, row):
    """What the rate is multiplied with after a drift; an update more has been taken."""
    record = shift(row.real, plan.ints[Program.DRIFT])
    left = record[Drift.RAISED]
    record[Drift.RAISED] = max(left - 1.0, 0.0)
    return 1.0 + (RAISED - 1.0) * left / UPDATES


@jit
def rate(plan, row, labels):
    """The rate of the update that is due."""
    p, base, period = plan.ints, plan.reals[Reals.RATE], plan.reals[Reals.PERIOD]
    if p[Program.DETECTORS] > 0:
        base *= raised(plan, row)
    if p[Program.SCHEDULE] == SQRT:
        return base * math.sqrt(period / max(row.counts[Updates.STEPS], period))
    if p[Program.SCHEDULE] == PLATEAU:
        state = carray(
            shift(row.params, p[Program.OPTIMISER] + p[Program.OPTIMISER_LENGTH] - Schedule.WIDTH), Schedule.WIDTH
        )
        return base * plateau(state, period, row.real[p[Program.LOSS] + Loss.SUM] / labels)
    return base
