"""Advance: the inputs, the network, the mix, and the forecasts that are now pending."""

import math

from numba import carray

from streamrnn.kernels.core import table as c
from streamrnn.kernels.core.call import at, call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.experts import gate, mix, seasons
from streamrnn.kernels.learning.network import fade, through
from streamrnn.kernels.learning.recompute import remember
from streamrnn.kernels.learning.tbptt import roll_back
from streamrnn.kernels.monitors import outliers
from streamrnn.kernels.step import scale
from streamrnn.kernels.step.settle import breadth, pending, stats_of

DAY = 86_400.0
REACH = 10.0  # the network's output counts up to this many usual errors
FLOOR = 1e-4  # of the target's spread: the least usual error
ROUNDING = 1e-12  # of the last value: below it lies the noise of the mix's own arithmetic
TINY = 1e-100  # on a series of zeros


@jit
def foresee(plan, row, scratch, known, x):
    """What is known ahead of G features at K horizons: standardised value and 1 if it was not told into x (G, K, 2).

    What was not told stands where the feature stands now. For the linear experts the same into the scratch, each
    feature's behind its value of now (G, K + 1).
    """
    p = plan.ints
    horizons, place = p[c.HORIZONS], 0
    out = shift(scratch.f64, p[c.SCRATCH_COMING])
    for g in range(p[c.COMING]):
        s = shift(row.real, p[c.SCALE] + plan.coming[g] * c.SCALE_WIDTH)
        out[g * (horizons + 1)] = s[c.SCALED]
        for k in range(horizons):
            v = known[p[c.AHEAD] + g * horizons + k]
            told = not math.isnan(v)
            z = scale.standardise(v, s[c.MEAN], s[c.VARIANCE]) if told else s[c.SCALED]
            out[g * (horizons + 1) + 1 + k] = z
            x[place], x[place + 1] = z, 0.0 if told else 1.0
            place += 2


@jit
def inputs(plan, row, scratch, values, known, time, learn):
    """Fill the network's inputs (I) from the values (F), after they have moved the scalers, unless without `learn`.
    Returns values missing.

    Per feature: standardised value, standardised change, 1 if missing; then the time of day as sine and cosine; then
    the last standardised error of every target; then the log of the elapsed time over the usual interval; then what is
    known of the time to come. A missing value stands where the last one stood.
    """
    p = plan.ints
    features, targets = p[c.FEATURES], p[c.TARGETS]
    x = carray(shift(row.net, p[c.INPUT]), p[c.INPUTS])
    missing, held = 0, row.count[c.HELD] > 0 and row.count[c.SEVERITY] > 0
    for f in range(features):
        s = carray(shift(row.real, p[c.SCALE] + f * c.SCALE_WIDTH), c.SCALE_WIDTH)
        x[3 * f], x[3 * f + 1], x[3 * f + 2] = s[c.SCALED], 0.0, 1.0
        v = values[f]
        if math.isnan(v) or outliers.doubted(plan, row, f):
            missing += 1
            continue
        s[c.SIZE] += learn
        rate = 0.0 if held or not learn else max(plan.reals[c.SCALE_RATE], 1.0 / s[c.SIZE])
        s[c.MEAN], s[c.VARIANCE] = scale.moments(s[c.MEAN], s[c.VARIANCE], v, rate)
        change = 0.0 if math.isnan(s[c.LAST]) else v - s[c.LAST]
        s[c.CHANGE] += rate * (change * change - s[c.CHANGE])
        s[c.LAST] = v
        s[c.SCALED] = scale.standardise(v, s[c.MEAN], s[c.VARIANCE])
        x[3 * f], x[3 * f + 1], x[3 * f + 2] = s[c.SCALED], scale.standardise(change, 0.0, s[c.CHANGE]), 0.0
    angle = 2.0 * math.pi * (time / DAY - math.floor(time / DAY))
    x[3 * features], x[3 * features + 1] = math.sin(angle), math.cos(angle)
    for j in range(targets):
        error = row.real[p[c.TARGET] + j * c.TARGET_WIDTH + c.T_ERROR]
        x[3 * features + 2 + j] = min(max(error, -scale.CLIP), scale.CLIP)
    x[3 * features + 2 + targets] = min(row.real[p[c.CLOCK] + c.ELAPSED], scale.CLIP)
    if p[c.COMING] > 0:
        foresee(plan, row, scratch, known, x[3 * features + 3 + targets :])
    return missing


@jit
def left(plan, row):
    """What is left of the hidden state: halved for every half-life of silence beyond the usual interval.

    Up to LONGER usual intervals nothing fades: they are the jitter of a clock.
    """
    elapsed, half = row.real[plan.ints[c.CLOCK] + c.ELAPSED], plan.reals[c.HALF_LIFE]
    if half <= 0.0 or elapsed <= math.log(scale.LONGER):
        return 1.0
    return 0.5 ** ((math.exp(elapsed) - 1.0) / half)


@jit
def tape_row(plan, row):
    """The tape's next row; when the tape is full, its last KEPT rows move to its front first."""
    p, q = plan.ints, row.count
    if q[c.POSITION] == p[c.ROWS]:
        kept, moved = p[c.KEPT], p[c.ROWS] - p[c.KEPT]
        for b in range(p[c.BLOCKS]):
            start, width = plan.blocks[2 * b], plan.blocks[2 * b + 1]
            front = carray(shift(row.net, start), kept * width)
            front[:] = carray(shift(row.net, start + moved * width), kept * width)
        q[c.POSITION] = kept
    t = q[c.POSITION]
    q[c.POSITION] += 1
    q[c.WRITTEN] += 1
    row.net[p[c.KEEP] + t] = 0.0 if q[c.FRESH] != 0 else left(plan, row)
    q[c.FRESH] = 0
    return t


@jit
def network(plan, row, scratch):
    """One step of all layers and the readout, onto the tape. Returns the tape's row."""
    p = plan.ints
    t = tape_row(plan, row)
    if p[c.TRACED] >= 0:
        row.net[p[c.LABELLED] + t] = 0
    fade(carray(shift(row.net, p[c.MEMORY_F32]), p[c.MEMORY_LENGTH]), row.net[p[c.KEEP] + t])
    if p[c.RECOMPUTE]:
        remember(plan, row, t)
    through(plan, row, scratch, shift(row.net, p[c.MEMORY_F32]), shift(row.net, p[c.INPUT]), t, c.FORWARD)
    carray(shift(row.net, p[c.GRADIENT] + t * p[c.OUTPUTS]), p[c.OUTPUTS])[:] = 0
    return t


@jit
def experts(plan, row, scratch, j, f, time, learn):
    """Forecasts f (E, K) of target j by every expert but the network; nothing before its first value."""
    p = plan.ints
    z, coming = shift(scratch.f64, p[c.SCRATCH_REGRESSORS]), shift(scratch.f64, p[c.SCRATCH_COMING])
    target = shift(row.real, p[c.TARGET] + j * c.TARGET_WIDTH)
    history = shift(row.real, p[c.HISTORY] + j * p[c.HISTORY_LENGTH])
    last, sd, interval = target[c.T_LAST], math.sqrt(max(target[c.T_VARIANCE], 0.0)), row.real[p[c.CLOCK] + c.INTERVAL]
    if math.isnan(last):
        return
    if plan.past[seasons.REGRESSORS] > 0:
        mean, step = target[c.T_MEAN], row.count[c.STEP]
        seasons.regress(plan.past, history, last, mean, sd, step, time, interval, coming, z)
    for e in range(p[c.EXPERTS]):
        expert = shift(plan.experts, e * c.EXPERT_WIDTH)
        call(
            expert[c.FORECAST],
            shift(expert, c.EXPERT_SHAPE),
            shift(plan.settings, e * c.EXPERT_REALS),
            shift(row.real, p[c.EXPERT] + j * p[c.EXPERT_LENGTH] + expert[c.EXPERT_STATE]),
            plan.past,
            history,
            plan.horizons,
            shift(f, e * p[c.HORIZONS]),
            last,
            row.count[c.STEP],
            time,
            interval,
            learn,
        )


@jit
def usual_error(plan, row, j, k):
    """The unit of target j at horizon k: running mean absolute error, its spread while nothing has been settled."""
    stats = stats_of(plan, row, j, k)
    at_target = plan.ints[c.TARGET] + j * c.TARGET_WIDTH
    sd = math.sqrt(max(row.real[at_target + c.T_VARIANCE], 0.0))
    least = FLOOR * sd + ROUNDING * abs(row.real[at_target + c.T_LAST]) + TINY
    unit = stats[c.SPREAD] if stats[c.COUNT] > 0 else sd
    return max(unit, least)


@jit
def look(plan, row, f, time):
    """The gate's inputs: how the experts' forecasts f (T, E, K) stand to their mix, near and far, and the calendar."""
    p = plan.ints
    n, horizons, width = p[c.EXPERTS], p[c.HORIZONS], p[c.MIX_WIDTH]
    x = shift(row.net, p[c.INPUT] + p[c.GATE])
    for j in range(p[c.TARGETS]):
        target = shift(row.real, p[c.TARGET] + j * c.TARGET_WIDTH)
        own, sd = shift(f, j * n * horizons), math.sqrt(max(target[c.T_VARIANCE], 0.0))
        for end in range(min(horizons, 2)):
            k = end * (horizons - 1)
            w = shift(row.real, p[c.MIX] + (j * horizons + k) * width)
            if math.isnan(target[c.T_LAST]):
                carray(x, n + 1)[:] = 0
            else:
                gate.look(own, w, target[c.T_LAST], sd, usual_error(plan, row, j, k), k, x, n, horizons)
            x = shift(x, n + 1)
    gate.calendar(shift(row.real, p[c.HISTORY]), time, x)


@jit
def share(plan, row, j, record, r):
    """Who makes target j's forecast r at the shortest horizon: the experts' shares, then the network's (E + 1).

    Experts count as the mix and the gate weigh them; the network's is the part of the forecast that it corrects.
    """
    p, n = plan.ints, plan.ints[c.EXPERTS]
    out = shift(row.real, p[c.LATEST] + c.TARGETS_FROM + 3 * p[c.TARGETS] + j * (n + 1))
    last, behind = record[4 * n :], p[c.LAST_ROUND]
    for e in range(n):
        out[e] = last[0] * record[e]
        if p[c.GATE]:
            out[e] += last[1] * r[c.FORECASTS + n + behind + e]
    out[n] = last[behind - 1]


@jit
def inside(plan, j, f):
    """A forecast of target j, moved to the limits that its values keep to: never further from any of them.

    So a forecast that is moved has no greater error, whatever comes, and a mean of moved ones needs no moving but for
    its rounding.
    """
    limits = shift(plan.limits, j * c.LIMITS_WIDTH)
    return min(max(f, limits[c.LOWER_LIMIT]), limits[c.UPPER_LIMIT])


@jit
def issue(plan, row, j, k, place, f, out, time):
    """Make target j's forecast at horizon k pending: experts f (E, K), all of the network's outputs `out`.

    Where a value of the target is not known yet, nothing is foretold.
    """
    p = plan.ints
    n, horizons, last_round = p[c.EXPERTS], p[c.HORIZONS], p[c.LAST_ROUND]
    record = carray(shift(row.real, p[c.MIX] + (j * horizons + k) * p[c.MIX_WIDTH]), p[c.MIX_WIDTH])
    stats = stats_of(plan, row, j, k)
    r = pending(plan, row, place, j)
    last = row.real[p[c.TARGET] + j * c.TARGET_WIDTH + c.T_LAST]
    r[c.MIXED] = math.nan
    if math.isnan(last):
        return
    for e in range(n):
        r[c.FORECASTS + e] = inside(plan, j, f[e * horizons + k])
    base = mix.blend(record, r[c.FORECASTS :], n)
    unit, gated, final = usual_error(plan, row, j, k), base, r[c.FORECASTS + n :]
    final[0] = base
    if p[c.GATE]:
        gated = gate.blend(record, shift(out, p[c.LOGITS] + j * n), r[c.FORECASTS :], final[last_round:], n)
        final[1] = gated
    o, point = shift(out, (j * horizons + k) * p[c.HEAD_WIDTH]), at(final, last_round - 1)
    call(p[c.HEAD_READ], p[c.HEAD_WIDTH], o, shift(plan.reals, c.HEAD_REALS), point)
    if not p[c.HEAD_ABSOLUTE]:
        point[0] = gated + unit * min(max(point[0], -REACH), REACH)
    point[0] = inside(plan, j, point[0])
    mixed = inside(plan, j, mix.blend(record[4 * n :], final, last_round))
    if k == 0:
        share(plan, row, j, record, r)
    known = stats[c.COUNT] > 0
    r[c.ANCHOR], r[c.UNIT], r[c.ISSUE], r[c.MIXED] = last, unit, time, mixed
    around = unit * breadth(plan, row, j, k, time, math.nan)
    r[c.LOWER] = inside(plan, j, mixed + stats[c.LOW] * around) if known else math.nan
    r[c.UPPER] = inside(plan, j, mixed + stats[c.HIGH] * around) if known else math.nan


@jit
def advance(plan, row, scratch, values, known, time, ident, learn):
    """One observation, at local `time`, through the experts and the network, and out as pending forecasts.

    Returns the outcome's bits.
    """
    p, q = plan.ints, row.count
    n, horizons = p[c.EXPERTS], p[c.HORIZONS]
    bits = c.MISSING if inputs(plan, row, scratch, values, known, time, learn) > 0 else 0
    f = shift(scratch.f64, p[c.SCRATCH_FORECASTS])
    for j in range(p[c.TARGETS]):
        experts(plan, row, scratch, j, shift(f, j * n * horizons), time, learn)
    if p[c.GATE]:
        look(plan, row, f, time)
    t = network(plan, row, scratch)
    out = carray(shift(row.net, p[c.RAW] + t * p[c.OUTPUTS]), p[c.OUTPUTS])
    total = 0.0
    for i in range(p[c.OUTPUTS]):
        total += abs(out[i])
    if not total < math.inf:
        bits |= roll_back(plan, row)
        out[:] = 0
    for k in range(horizons):
        place = plan.slots[k] + (q[c.SEEN] % p[c.LABEL_RING] if p[c.LABEL_TASK] else q[c.STEP] % plan.horizons[k])
        due = carray(shift(q, p[c.PLACES] + c.PLACE_WIDTH * place), c.PLACE_WIDTH)
        due[c.PLACE_STEP], due[c.PLACE_ROW], due[c.PLACE_IDENT] = q[c.STEP], q[c.WRITTEN] - 1, ident
        q[c.SLOT] = place
        for j in range(p[c.TARGETS]):
            issue(plan, row, j, k, place, shift(f, j * n * horizons), at(out, 0), time)
    return bits
