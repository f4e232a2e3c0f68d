"""Settle: what was predicted against what came."""

import math

from numba import carray

from streamrnn.kernels.core.calendar import bin_of
from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Clock, Count, Filter, Loss, Pending, Place, Stats, Target
from streamrnn.kernels.core.program import Corrects, Expert, Program, Reals
from streamrnn.kernels.experts import gate, mix, seasons
from streamrnn.kernels.learning.network import grade
from streamrnn.kernels.monitors import conformal
from streamrnn.kernels.step import scale

DAY = 86_400.0
FLOOR = 1e-4  # of the target's spread: the least usual error
TINY = 1e-100  # on a series of zeros
GATE_FROM = 200  # the experts must have shown what they can do before the network weighs them
TRAIN_FROM = 10  # observations before the network is given labels: the scalers must have settled


@jit
def pending(plan, row, place, j):
    """The record of target j's forecast at a pending place."""
    p = plan.ints
    return carray(
        shift(row.real, p[Program.PENDING] + (place * p[Program.TARGETS] + j) * p[Program.SLOT_WIDTH]),
        p[Program.SLOT_WIDTH],
    )


@jit
def stats_of(plan, row, j, k):
    """The running figures of target j at horizon k."""
    p = plan.ints
    return carray(shift(row.real, p[Program.STATS] + (j * p[Program.HORIZONS] + k) * Stats.WIDTH), Stats.WIDTH)


@jit
def breadth(plan, row, j, k, time, size):
    """What the usual error of target j at horizon k is multiplied with for forecasts made at this local time.

    `size` is an error, in usual ones, to learn from afterwards; NaN for none.
    """
    p = plan.ints
    n = p[Program.HOURS_OF_DAY]
    if n == 0:
        return 1.0
    shares, hour = (
        carray(shift(row.real, p[Program.SHARES] + (j * p[Program.HORIZONS] + k) * n), n),
        bin_of(time, DAY, n),
    )
    weight = conformal.weight(shares, hour)
    if not math.isnan(size):
        conformal.learn_hour(shares, hour, size, stats_of(plan, row, j, k)[Stats.COUNT])
    return weight


@jit
def corrected(plan, row, j, k, f):
    """What the network's forecast corrects, and the unit that its output is in, for target j at horizon k.

    f is the record of a pending forecast. With the filter the unit is what is usually missed without the network: it
    must not shrink as the network learns.
    """
    p = plan.ints
    if p[Program.EKF] == 0:
        return f[Pending.FORECASTS + p[Program.EXPERTS] + p[Program.LAST_ROUND] - 2], f[Pending.UNIT]
    target = shift(row.real, p[Program.TARGET] + j * Target.WIDTH)
    sd = math.sqrt(max(target[Target.VARIANCE], 0.0))
    if p[Program.CORRECTS] == Corrects.MEAN:
        return target[Target.MEAN], max(sd, TINY)
    own = shift(row.real, p[Program.FILTER] + (j * p[Program.HORIZONS] + k) * Filter.WIDTH)
    unit = max(own[Filter.UNIT] if own[Filter.UNIT_COUNT] > 0.0 else sd, FLOOR * sd + TINY)
    anchored = p[Program.CORRECTS] == Corrects.LAST
    return f[Pending.ANCHOR] if anchored else f[
        Pending.FORECASTS + p[Program.EXPERTS] + p[Program.LAST_ROUND] - 2
    ], unit


@jit
def learn_unit(plan, row, j, k, missed):
    """The filter's unit after one more value that was missed by so much without the network."""
    own = shift(row.real, plan.ints[Program.FILTER] + (j * plan.ints[Program.HORIZONS] + k) * Filter.WIDTH)
    own[Filter.UNIT_COUNT] += 1.0
    own[Filter.UNIT] += max(plan.reals[Reals.SCALE_RATE], 1.0 / own[Filter.UNIT_COUNT]) * (
        abs(missed) - own[Filter.UNIT]
    )


@jit
def hand_over(plan, row, place, j, k, target, y, t):
    """Write one label where the filter takes it from: beside row t of the tape, which issued its forecast.

    For the gate: by how much its forecast missed, and the derivatives of that forecast by the logits.
    """
    p, q = plan.ints, row.count
    answer, n = j * p[Program.HORIZONS] + k, p[Program.EXPERTS]
    row.net[p[Program.ANSWERS] + t * p[Program.TARGETS] * p[Program.HORIZONS] + answer] = target
    if p[Program.GATE] == 0:
        return
    missed = shift(row.net, p[Program.GRADIENT] + t * p[Program.OUTPUTS] + answer * p[Program.HEAD_WIDTH])
    missed[0] = math.nan
    if q[Count.SEEN] < GATE_FROM:
        return
    f, own = (
        pending(plan, row, place, j),
        shift(row.net, p[Program.GRADIENT] + t * p[Program.OUTPUTS] + p[Program.LOGITS] + j * n),
    )
    mixed, unit, shares = (
        f[Pending.FORECASTS + n + 1],
        f[Pending.UNIT],
        f[Pending.FORECASTS + n + p[Program.LAST_ROUND] :],
    )
    missed[0] = (y - mixed) / unit
    for e in range(n):
        own[e] = shares[e] * gate.cut((f[Pending.FORECASTS + e] - mixed) / unit)


@jit
def teach(plan, row, place, j, k, target, y):
    """Write the gradient of one label at the tape row that issued its forecast, if it is still there.

    `target` is what the head sees of the label y.
    """
    p, q = plan.ints, row.count
    number = q[p[Program.PLACES] + Place.WIDTH * place + Place.ROW]
    t = number - (q[Count.WRITTEN] - q[Count.POSITION])
    if t < 0 or q[Count.SEEN] < TRAIN_FROM:
        return
    answer = j * p[Program.HORIZONS] + k
    if p[Program.EKF]:
        hand_over(plan, row, place, j, k, target, y, t)
    elif p[Program.TRACED] >= 0:
        row.net[p[Program.LABELLED] + t] += 1
    if p[Program.RECOMPUTE]:
        row.net[p[Program.ANSWERS] + t * p[Program.TARGETS] * p[Program.HORIZONS] + answer] = target
    if p[Program.EKF] == 0:
        grade(plan, row, t, answer, target, shift(row.real, p[Program.LOSS]))
    if p[Program.GATE] and p[Program.EKF] == 0 and q[Count.SEEN] >= GATE_FROM:
        f, n = pending(plan, row, place, j), p[Program.EXPERTS]
        g = shift(row.net, p[Program.GRADIENT] + t * p[Program.OUTPUTS] + p[Program.LOGITS] + j * n)
        told = f[Pending.FORECASTS : Pending.FORECASTS + n]
        gate.pull(
            f[Pending.FORECASTS + n + p[Program.LAST_ROUND] :],
            told,
            f[Pending.FORECASTS + n + 1],
            y,
            f[Pending.UNIT],
            g,
            n,
        )
    fresh = q[Count.LABELS] == 0
    told = shift(row.real, p[Program.LOSS])
    told[Loss.SUM] = told[Loss.LATEST] if fresh else told[Loss.SUM] + told[Loss.LATEST]
    q[Count.OLDEST] = number if fresh else min(q[Count.OLDEST], number)
    q[Count.NEWEST] = number if fresh else max(q[Count.NEWEST], number)
    q[Count.LABELS] += 1
    q[Count.LEARNT] += 1


@jit
def measure(plan, row, place, j, k, y):
    """Target j's forecast at horizon k has its answer y: what the published figures say of it, and nothing more.

    Returns error over usual error; NaN if none was made.
    """
    p = plan.ints
    f = pending(plan, row, place, j)
    if math.isnan(f[Pending.MIXED]) or f[Pending.DOUBT] > 0.0:
        return math.nan
    seasonal = f[Pending.FORECASTS + p[Program.SEASONAL]] if p[Program.SEASONAL] >= 0 else math.nan
    missed = max(f[Pending.LOWER] - y, y - f[Pending.UPPER], 0.0)
    conformal.measure(
        stats_of(plan, row, j, k),
        (abs(y - f[Pending.MIXED]), abs(y - f[Pending.ANCHOR]), abs(y - seasonal)),
        f[Pending.UPPER] - f[Pending.LOWER],
        missed,
        1.0 - plan.reals[Reals.LEVEL],
    )
    return (y - f[Pending.MIXED]) / f[Pending.UNIT]


@jit
def settle_experts(plan, row, place, j, k, y):
    """The experts of target j learn from the answer y to what they said at a pending place."""
    p, f = plan.ints, pending(plan, row, place, j)
    for e in range(p[Program.EXPERTS]):
        expert = shift(plan.experts, e * Expert.WIDTH)
        call(
            expert[Expert.SETTLE],
            shift(expert, Expert.SHAPE),
            shift(plan.settings, e * Expert.SETTINGS),
            shift(row.real, p[Program.EXPERT] + j * p[Program.EXPERT_LENGTH] + expert[Expert.STATE]),
            plan.past,
            shift(row.real, p[Program.HISTORY] + j * p[Program.HISTORY_LENGTH]),
            k,
            y,
            f[Pending.ANCHOR],
            f[Pending.ISSUE],
            row.count[p[Program.PLACES] + Place.WIDTH * place + Place.STEP],
        )


@jit
def settle_one(plan, row, place, j, k, y, worth):
    """Target j's forecast at horizon k has its answer y. Returns error over usual error; NaN if none was made.

    Below 1, `worth` is the share of the error that all but the mix, the bounds and the published figures learn from.
    """
    p = plan.ints
    f = pending(plan, row, place, j)
    mixed, unit = f[Pending.MIXED], f[Pending.UNIT]
    if math.isnan(mixed) or f[Pending.DOUBT] > 0.0:
        return math.nan
    experts, width = p[Program.EXPERTS], p[Program.MIX_WIDTH]
    record = carray(shift(row.real, p[Program.MIX] + (j * p[Program.HORIZONS] + k) * width), width)
    stats = stats_of(plan, row, j, k)
    base, last = f[Pending.FORECASTS + experts], p[Program.LAST_ROUND]
    final = f[Pending.FORECASTS + experts : Pending.FORECASTS + experts + last]
    ahead = 1 if p[Program.LABEL_TASK] else plan.horizons[k]
    age = (plan.reals[Reals.AGE] + stats[Stats.COUNT]) / (
        1.0 + ahead / conformal.PATIENCE
    )  # answers far ahead come of few causes
    size = (
        1.0 if p[Program.HEAD_ABSOLUTE] else unit
    )  # of probabilities: the loss stays square, and so proper (Brier 1950)
    mix.update(
        record[: 4 * experts],
        mix.bets(plan.priors, experts, last, row.real[p[Program.CLOCK] + Clock.INTERVAL]),
        f[Pending.FORECASTS : Pending.FORECASTS + experts],
        base,
        y,
        size,
        age,
        ahead,
        mix.FORGET,
    )
    mix.update(record[4 * experts :], shift(plan.priors, experts), final, mixed, y, size, age, ahead, mix.FORGET_LAST)
    conformal.settle(stats, worth * abs(y - mixed))
    measure(plan, row, place, j, k, y)
    score = (y - mixed) / unit
    conformal.track(
        stats, score / breadth(plan, row, j, k, f[Pending.ISSUE], abs(score)), plan.reals[Reals.LEVEL], plan.horizons[k]
    )
    if worth < 1.0:
        y = mixed + worth * (y - mixed)
    settle_experts(plan, row, place, j, k, y)
    anchor, scale_of = corrected(plan, row, j, k, f)
    teach(plan, row, place, j, k, y if p[Program.HEAD_ABSOLUTE] else (y - anchor) / scale_of, y)
    if p[Program.EKF]:
        learn_unit(plan, row, j, k, y - anchor)
    return score


@jit
def welcome(plan, row, j, y):
    """A value of target j came: running scale, last value."""
    p = plan.ints
    t = carray(shift(row.real, p[Program.TARGET] + j * Target.WIDTH), Target.WIDTH)
    t[Target.COUNT] += 1
    rate = max(plan.reals[Reals.SCALE_RATE], 1.0 / t[Target.COUNT])
    x = scale.bounded(y, t[Target.MEAN], t[Target.VARIANCE], t[Target.COUNT])
    t[Target.MEAN], t[Target.VARIANCE] = scale.moments(t[Target.MEAN], t[Target.VARIANCE], x, rate)
    t[Target.LAST], t[Target.LEAST] = y, min(t[Target.LEAST], y)


@jit
def step_from(plan, row, j, y):
    """Note how far target j moved from its last value to y; NaN: it did not come."""
    t = shift(row.real, plan.ints[Program.TARGET] + j * Target.WIDTH)
    if not math.isnan(y) and not math.isnan(t[Target.LAST]):
        t[Target.LARGEST] = max(t[Target.LARGEST], abs(y - t[Target.LAST]))


@jit
def show(plan, row, j, y, skipped, local, learn):
    """Take this step's value y of target j, NaN when it is missing, into its history; `local` tells the season."""
    p, clock = plan.ints, shift(row.real, plan.ints[Program.CLOCK])
    history = shift(row.real, p[Program.HISTORY] + j * p[Program.HISTORY_LENGTH])
    history[seasons.PASSED] = row.count[Count.PASSED]
    seasons.observe(
        plan.past,
        history,
        y,
        local,
        row.count[Count.STEP] + row.count[Count.PASSED],
        skipped,
        plan.reals[Reals.SEASONS],
        plan.reals[Reals.SEASONS + 1],
        clock[Clock.INTERVAL],
        learn,
    )


@jit
def place_of(plan, row, k):
    """Pending place of horizon k's forecast that falls due at this step, -1 if none was issued for it.

    Step 1 is the next observation, however long it took; of the first ones nobody knows what is usual.
    """
    p, q = plan.ints, row.count
    h = plan.horizons[k]
    place = plan.slots[k] + q[Count.STEP] % h
    issued = q[p[Program.PLACES] + Place.WIDTH * place + Place.STEP]
    following = h == 1 and q[Count.SEEN] >= TRAIN_FROM
    return place if issued >= 0 and (following or issued == q[Count.STEP] - h) else -1


@jit
def settle_due(plan, row, j, y, worth):
    """All forecasts of target j that fall due now. Returns the standardised error of the shortest horizon.

    Step 1 may have taken longer than it should; then its error is learned from at this share of it.
    """
    first = math.nan
    for k in range(plan.ints[Program.HORIZONS]):
        place = place_of(plan, row, k)
        if place >= 0:
            error = settle_one(plan, row, place, j, k, y, worth if plan.horizons[k] == 1 else 1.0)
            if k == 0:
                first = error
    return first


@jit
def measure_due(plan, row, j, y):
    """The same without learning from any of them."""
    first = math.nan
    for k in range(plan.ints[Program.HORIZONS]):
        place = place_of(plan, row, k)
        if place >= 0:
            error = measure(plan, row, place, j, k, y)
            if k == 0:
                first = error
    return first
