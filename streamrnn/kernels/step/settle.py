"""Settle: what was foretold against what came."""

import math

from numba import carray

from streamrnn.kernels.core import table as c
from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.experts import gate, mix, seasons
from streamrnn.kernels.experts.naive import bin_of
from streamrnn.kernels.learning.network import grade
from streamrnn.kernels.monitors import conformal
from streamrnn.kernels.step import scale

DAY = 86_400.0
GATE_FROM = 200  # the experts must have shown what they can do before the network weighs them
TRAIN_FROM = 10  # observations before the network is given labels: the scalers must have settled


@jit
def pending(plan, row, place, j):
    """The record of target j's forecast at a pending place."""
    p = plan.ints
    return carray(shift(row.real, p[c.PENDING] + (place * p[c.TARGETS] + j) * p[c.SLOT_WIDTH]), p[c.SLOT_WIDTH])


@jit
def stats_of(plan, row, j, k):
    """The running figures of target j at horizon k."""
    p = plan.ints
    return carray(shift(row.real, p[c.STATS] + (j * p[c.HORIZONS] + k) * c.STATS_WIDTH), c.STATS_WIDTH)


@jit
def breadth(plan, row, j, k, time, size):
    """What the usual error of target j at horizon k is multiplied with for forecasts made at this local time.

    `size` is an error, in usual ones, to learn from afterwards; NaN for none.
    """
    p = plan.ints
    n = p[c.HOURS_OF_DAY]
    if n == 0:
        return 1.0
    shares, hour = carray(shift(row.real, p[c.SHARES] + (j * p[c.HORIZONS] + k) * n), n), bin_of(time, DAY, n)
    weight = conformal.weight(shares, hour)
    if not math.isnan(size):
        conformal.learn_hour(shares, hour, size, stats_of(plan, row, j, k)[c.COUNT])
    return weight


@jit
def teach(plan, row, place, j, k, target, y):
    """Write the gradient of one label at the tape row that issued its forecast, if it is still there.

    `target` is what the head sees of the label y.
    """
    p, q = plan.ints, row.count
    number = q[p[c.PLACES] + c.PLACE_WIDTH * place + c.PLACE_ROW]
    t = number - (q[c.WRITTEN] - q[c.POSITION])
    if t < 0 or q[c.SEEN] < TRAIN_FROM:
        return
    answer = j * p[c.HORIZONS] + k
    if p[c.TRACED] >= 0:
        row.net[p[c.LABELLED] + t] += 1
    if p[c.RECOMPUTE]:
        row.net[p[c.ANSWERS] + t * p[c.TARGETS] * p[c.HORIZONS] + answer] = target
    grade(plan, row, t, answer, target, shift(row.real, p[c.LOSS]))
    if p[c.GATE] and q[c.SEEN] >= GATE_FROM:
        f, n = pending(plan, row, place, j), p[c.EXPERTS]
        g = shift(row.net, p[c.GRADIENT] + t * p[c.OUTPUTS] + p[c.LOGITS] + j * n)
        told = f[c.FORECASTS : c.FORECASTS + n]
        gate.pull(f[c.FORECASTS + n + p[c.LAST_ROUND] :], told, f[c.FORECASTS + n + 1], y, f[c.UNIT], g, n)
    fresh = q[c.LABELS] == 0
    told = shift(row.real, p[c.LOSS])
    told[c.LOSS_SUM] = told[c.LATEST_LOSS] if fresh else told[c.LOSS_SUM] + told[c.LATEST_LOSS]
    q[c.OLDEST] = number if fresh else min(q[c.OLDEST], number)
    q[c.NEWEST] = number if fresh else max(q[c.NEWEST], number)
    q[c.LABELS] += 1
    q[c.LEARNT] += 1


@jit
def measure(plan, row, place, j, k, y):
    """Target j's forecast at horizon k has its answer y: what the published figures say of it, and nothing more.

    Returns error over usual error; NaN if none was made.
    """
    p = plan.ints
    f = pending(plan, row, place, j)
    if math.isnan(f[c.MIXED]):
        return math.nan
    seasonal = f[c.FORECASTS + p[c.SEASONAL]] if p[c.SEASONAL] >= 0 else math.nan
    missed = max(f[c.LOWER] - y, y - f[c.UPPER], 0.0)
    conformal.measure(
        stats_of(plan, row, j, k),
        (abs(y - f[c.MIXED]), abs(y - f[c.ANCHOR]), abs(y - seasonal)),
        f[c.UPPER] - f[c.LOWER],
        missed,
        1.0 - plan.reals[c.LEVEL],
    )
    return (y - f[c.MIXED]) / f[c.UNIT]


@jit
def settle_one(plan, row, place, j, k, y):
    """Target j's forecast at horizon k has its answer y. Returns error over usual error; NaN if none was made."""
    p = plan.ints
    f = pending(plan, row, place, j)
    mixed, unit = f[c.MIXED], f[c.UNIT]
    if math.isnan(mixed):
        return math.nan
    experts, width = p[c.EXPERTS], p[c.MIX_WIDTH]
    record = carray(shift(row.real, p[c.MIX] + (j * p[c.HORIZONS] + k) * width), width)
    stats = stats_of(plan, row, j, k)
    base, last = f[c.FORECASTS + experts], p[c.LAST_ROUND]
    final = f[c.FORECASTS + experts : c.FORECASTS + experts + last]
    ahead = 1 if p[c.LABEL_TASK] else plan.horizons[k]
    age = (plan.reals[c.AGE] + stats[c.COUNT]) / (
        1.0 + ahead / conformal.PATIENCE
    )  # answers far ahead come of few causes
    size = 1.0 if p[c.HEAD_ABSOLUTE] else unit  # of probabilities: the loss stays square, and so proper (Brier 1950)
    mix.update(
        record[: 4 * experts],
        plan.priors,
        f[c.FORECASTS : c.FORECASTS + experts],
        base,
        y,
        size,
        age,
        ahead,
        mix.FORGET,
    )
    mix.update(record[4 * experts :], shift(plan.priors, experts), final, mixed, y, size, age, ahead, mix.FORGET_LAST)
    conformal.settle(stats, abs(y - mixed))
    measure(plan, row, place, j, k, y)
    score = (y - mixed) / unit
    conformal.track(
        stats, score / breadth(plan, row, j, k, f[c.ISSUE], abs(score)), plan.reals[c.LEVEL], plan.horizons[k]
    )
    for e in range(experts):
        expert = shift(plan.experts, e * c.EXPERT_WIDTH)
        call(
            expert[c.SETTLE],
            shift(expert, c.EXPERT_SHAPE),
            shift(plan.settings, e * c.EXPERT_REALS),
            shift(row.real, p[c.EXPERT] + j * p[c.EXPERT_LENGTH] + expert[c.EXPERT_STATE]),
            plan.past,
            shift(row.real, p[c.HISTORY] + j * p[c.HISTORY_LENGTH]),
            k,
            y,
            f[c.ANCHOR],
            f[c.ISSUE],
            row.count[p[c.PLACES] + c.PLACE_WIDTH * place + c.PLACE_STEP],
        )
    teach(plan, row, place, j, k, y if p[c.HEAD_ABSOLUTE] else (y - final[last - 2]) / unit, y)
    return (y - mixed) / unit


@jit
def welcome(plan, row, j, y):
    """A value of target j came: running scale, last value."""
    p = plan.ints
    t = carray(shift(row.real, p[c.TARGET] + j * c.TARGET_WIDTH), c.TARGET_WIDTH)
    t[c.T_COUNT] += 1
    rate = max(plan.reals[c.SCALE_RATE], 1.0 / t[c.T_COUNT])
    t[c.T_MEAN], t[c.T_VARIANCE] = scale.moments(t[c.T_MEAN], t[c.T_VARIANCE], y, rate)
    t[c.T_LAST] = y


@jit
def show(plan, row, j, y, skipped, local, learn):
    """Take this step's value y of target j, NaN when it is missing, into its history; `local` tells the season."""
    p, clock = plan.ints, shift(row.real, plan.ints[c.CLOCK])
    seasons.observe(
        plan.past,
        shift(row.real, p[c.HISTORY] + j * p[c.HISTORY_LENGTH]),
        y,
        local,
        row.count[c.STEP],
        skipped,
        plan.reals[c.SEASONS],
        plan.reals[c.SEASONS + 1],
        clock[c.INTERVAL],
        learn,
    )


@jit
def place_of(plan, row, k):
    """Pending place of horizon k's forecast that falls due at this step, -1 if none was issued for it."""
    p, q = plan.ints, row.count
    h = plan.horizons[k]
    place = plan.slots[k] + q[c.STEP] % h
    issued = q[p[c.PLACES] + c.PLACE_WIDTH * place + c.PLACE_STEP]
    return place if issued >= 0 and issued == q[c.STEP] - h else -1


@jit
def settle_due(plan, row, j, y):
    """All forecasts of target j that fall due now. Returns the standardised error of the shortest horizon."""
    first = math.nan
    for k in range(plan.ints[c.HORIZONS]):
        place = place_of(plan, row, k)
        if place >= 0:
            error = settle_one(plan, row, place, j, k, y)
            if k == 0:
                first = error
    return first


@jit
def measure_due(plan, row, j, y):
    """The same without learning from any of them."""
    first = math.nan
    for k in range(plan.ints[c.HORIZONS]):
        place = place_of(plan, row, k)
        if place >= 0:
            error = measure(plan, row, place, j, k, y)
            if k == 0:
                first = error
    return first
