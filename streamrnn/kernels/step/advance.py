"""Advance: the inputs, the network, the mix, and the forecasts that are now pending."""

import math

from numba import carray

from streamrnn.kernels.core.call import at, call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Clock, Count, ForecastLatest, Pending, Place, Scale, Stats, Target
from streamrnn.kernels.core.outcomes import Bit
from streamrnn.kernels.core.program import Expert, Layer, Limits, Program, Reals, Sees
from streamrnn.kernels.core.usual import Doubt
from streamrnn.kernels.experts import echo, gate, mix, seasons
from streamrnn.kernels.learning.network import fade, through
from streamrnn.kernels.learning.recompute import remember
from streamrnn.kernels.learning.tape import tape_row
from streamrnn.kernels.learning.tbptt import roll_back
from streamrnn.kernels.monitors import outliers
from streamrnn.kernels.step import scale
from streamrnn.kernels.step.settle import FLOOR, TINY, breadth, corrected, pending, stats_of

DAY = 86_400.0
REACH = 10.0  # the network's output counts up to this many usual errors
ROUNDING = 1e-12  # of the last value: below it lies the noise of the mix's own arithmetic


@jit
def foresee(plan, row, scratch, known, x):
    """What is known ahead of G features at K horizons: standardised value and 1 if it was not told into x (G, K, 2).

    What was not told stands where the feature stands now. For the linear experts the same into the scratch, each
    feature's behind its value of now (G, K + 1).
    """
    p = plan.ints
    horizons, place = p[Program.HORIZONS], 0
    out = shift(scratch.f64, p[Program.SCRATCH_COMING])
    for g in range(p[Program.COMING]):
        s = shift(row.real, p[Program.SCALE] + plan.coming[g] * Scale.WIDTH)
        out[g * (horizons + 1)] = s[Scale.SCALED]
        for k in range(horizons):
            v = known[p[Program.AHEAD] + g * horizons + k]
            told = not math.isnan(v)
            z = scale.standardise(v, s[Scale.MEAN], s[Scale.VARIANCE]) if told else s[Scale.SCALED]
            out[g * (horizons + 1) + 1 + k] = z
            x[place], x[place + 1] = z, 0.0 if told else 1.0
            place += 2


@jit
def see(x, place, sees, scaled, change, missing):
    """What of a feature the network sees, from x[place] on. Returns the place behind."""
    if sees & Sees.VALUE:
        x[place] = scaled
        place += 1
    if sees & Sees.CHANGE:
        x[place] = change
        place += 1
    if sees & Sees.MISSING:
        x[place] = missing
        place += 1
    return place


@jit
def inputs(plan, row, scratch, values, known, time, learn):
    """Fill the network's inputs (I) from the values (F), after they have moved the scalers, unless without `learn`.
    Returns values missing.

    Per feature: standardised value, standardised change, 1 if missing; then the time of day as sine and cosine; then
    the last standardised error of every target; then the log of the elapsed time over the usual interval; then what is
    known of the time to come. Of these those that the plan's SEES has. A missing value stands where the last one stood.
    """
    p = plan.ints
    features, targets, sees, place = p[Program.FEATURES], p[Program.TARGETS], p[Program.SEES], 0
    x = carray(shift(row.net, p[Program.INPUT]), p[Program.INPUTS])
    missing, held = 0, row.count[Count.HELD] > 0 and row.count[Count.SEVERITY] > 0
    for f in range(features):
        s = carray(shift(row.real, p[Program.SCALE] + f * Scale.WIDTH), Scale.WIDTH)
        v = values[f]
        if math.isnan(v) or outliers.doubted(plan, row, f) > 0:
            missing += 1
            place = see(x, place, sees, s[Scale.SCALED], 0.0, 1.0)
            continue
        s[Scale.SIZE] += learn
        rate = 0.0 if held or not learn else max(plan.reals[Reals.SCALE_RATE], 1.0 / s[Scale.SIZE])
        near = scale.bounded(v, s[Scale.MEAN], s[Scale.VARIANCE], s[Scale.SIZE])
        s[Scale.MEAN], s[Scale.VARIANCE] = scale.moments(s[Scale.MEAN], s[Scale.VARIANCE], near, rate)
        change = 0.0 if math.isnan(s[Scale.LAST]) else v - s[Scale.LAST]
        near = scale.bounded(change, 0.0, s[Scale.CHANGE], s[Scale.SIZE])
        s[Scale.CHANGE] += rate * (near * near - s[Scale.CHANGE])
        s[Scale.LAST] = v
        s[Scale.SCALED] = scale.standardise(v, s[Scale.MEAN], s[Scale.VARIANCE])
        place = see(x, place, sees, s[Scale.SCALED], scale.standardise(change, 0.0, s[Scale.CHANGE]), 0.0)
    if sees & Sees.HOUR:
        angle = 2.0 * math.pi * (time / DAY - math.floor(time / DAY))
        x[place], x[place + 1] = math.sin(angle), math.cos(angle)
        place += 2
    for j in range(targets if sees & Sees.ERROR else 0):
        error = row.real[p[Program.TARGET] + j * Target.WIDTH + Target.ERROR]
        x[place] = min(max(error, -scale.CLIP), scale.CLIP)
        place += 1
    if sees & Sees.ELAPSED:
        x[place] = min(row.real[p[Program.CLOCK] + Clock.ELAPSED], scale.CLIP)
        place += 1
    if p[Program.COMING] > 0:
        foresee(plan, row, scratch, known, x[place:])
    return missing


@jit
def echo_features(plan, row, scratch, values, time, learn):
    """Move on what all targets see of the features, and put it into the scratch behind what is known ahead."""
    p = plan.ints
    features, units, lags = p[Program.ECHO_SEES], p[Program.ECHO_UNITS], p[Program.ECHO_LAGS]
    state, u = shift(row.real, p[Program.ECHO]), shift(scratch.f64, p[Program.SCRATCH_ECHO])
    moments = shift(state, units + lags * features)
    for f in range(features):
        v = math.nan if outliers.doubted(plan, row, f) else values[f]
        u[f] = echo.standard(shift(moments, f * echo.MOMENTS), v, learn)
    c, room = shift(u, features), shift(u, features + gate.HARMONICS)
    echo.calendar(shift(row.real, p[Program.HISTORY]), time, c)
    out = shift(scratch.f64, p[Program.SCRATCH_COMING] + plan.past[seasons.SEEN])
    echo.harvest(state, units, u, features, lags, c, out, room)


@jit
def network(plan, row, scratch):
    """One step of all layers and the readout, onto the tape. Returns the tape's row."""
    p = plan.ints
    t = tape_row(plan, row)
    if p[Program.TRACED] >= 0 and p[Program.EKF] == 0:
        row.net[p[Program.LABELLED] + t] = 0
    fade(carray(shift(row.net, p[Program.MEMORY_F32]), p[Program.MEMORY_LENGTH]), row.net[p[Program.KEEP] + t])
    if p[Program.RECOMPUTE] or p[Program.EKF]:
        remember(plan, row, t)
    through(
        plan, row, scratch, shift(row.net, p[Program.MEMORY_F32]), shift(row.net, p[Program.INPUT]), t, Layer.FORWARD
    )
    carray(shift(row.net, p[Program.GRADIENT] + t * p[Program.OUTPUTS]), p[Program.OUTPUTS])[:] = 0
    return t


@jit
def experts(plan, row, scratch, j, f, time, learn):
    """Forecasts f (E, K) of target j by every expert but the network; nothing before its first value."""
    p = plan.ints
    z, coming = shift(scratch.f64, p[Program.SCRATCH_REGRESSORS]), shift(scratch.f64, p[Program.SCRATCH_COMING])
    target = shift(row.real, p[Program.TARGET] + j * Target.WIDTH)
    history = shift(row.real, p[Program.HISTORY] + j * p[Program.HISTORY_LENGTH])
    last, sd, interval = (
        target[Target.LAST],
        math.sqrt(max(target[Target.VARIANCE], 0.0)),
        row.real[p[Program.CLOCK] + Clock.INTERVAL],
    )
    if math.isnan(last):
        return
    if plan.past[seasons.REGRESSORS] > 0:
        mean, step = target[Target.MEAN], row.count[Count.STEP]
        above, usual = target[Target.LEAST] >= 0.0, scale.over_usual(target, sd, learn)
        seasons.regress(plan.past, history, last, mean, sd, step, time, interval, coming, z, above, usual)
    for e in range(p[Program.EXPERTS]):
        expert = shift(plan.experts, e * Expert.WIDTH)
        call(
            expert[Expert.FORECAST],
            shift(expert, Expert.SHAPE),
            shift(plan.settings, e * Expert.SETTINGS),
            shift(row.real, p[Program.EXPERT] + j * p[Program.EXPERT_LENGTH] + expert[Expert.STATE]),
            plan.past,
            history,
            shift(row.count, p[Program.LEADS]),
            shift(f, e * p[Program.HORIZONS]),
            last,
            row.count[Count.STEP],
            time,
            interval,
            learn,
        )


@jit
def unlearned(plan, row, j):
    """Whether target j stands where it is followed, but not learned from (see monitors/outliers.py)."""
    return plan.targets[j] >= 0 and outliers.doubted(plan, row, plan.targets[j]) == Doubt.UNLEARNED


@jit
def usual_error(plan, row, j, k):
    """The unit of target j at horizon k: running mean absolute error, its spread while nothing has been settled."""
    stats = stats_of(plan, row, j, k)
    at_target = plan.ints[Program.TARGET] + j * Target.WIDTH
    sd = math.sqrt(max(row.real[at_target + Target.VARIANCE], 0.0))
    least = FLOOR * sd + ROUNDING * abs(row.real[at_target + Target.LAST]) + TINY
    unit = stats[Stats.SPREAD] if stats[Stats.COUNT] > 0 else sd
    return max(unit, least)


@jit
def look(plan, row, f, time):
    """The gate's inputs: how the experts' forecasts f (T, E, K) stand to their mix, near and far, and the calendar."""
    p = plan.ints
    n, horizons, width = p[Program.EXPERTS], p[Program.HORIZONS], p[Program.MIX_WIDTH]
    x = shift(row.net, p[Program.INPUT] + p[Program.OWN_INPUTS])
    for j in range(p[Program.TARGETS] if p[Program.SEES] & Sees.EXPERTS else 0):
        target = shift(row.real, p[Program.TARGET] + j * Target.WIDTH)
        own, sd = shift(f, j * n * horizons), math.sqrt(max(target[Target.VARIANCE], 0.0))
        for end in range(min(horizons, 2)):
            k = end * (horizons - 1)
            w = shift(row.real, p[Program.MIX] + (j * horizons + k) * width)
            if math.isnan(target[Target.LAST]):
                carray(x, n + 1)[:] = 0
            else:
                gate.look(own, w, target[Target.LAST], sd, usual_error(plan, row, j, k), k, x, n, horizons)
            x = shift(x, n + 1)
    if p[Program.SEES] & Sees.CALENDAR:
        gate.calendar(shift(row.real, p[Program.HISTORY]), time, x)


@jit
def share(plan, row, j, record, r):
    """Who makes target j's forecast r at the shortest horizon: the experts' shares, then the network's (E + 1).

    Experts count as the mix and the gate weigh them; the network's is the part of the forecast that it corrects.
    """
    p, n = plan.ints, plan.ints[Program.EXPERTS]
    out = shift(row.real, p[Program.LATEST] + ForecastLatest.TARGETS + 3 * p[Program.TARGETS] + j * (n + 1))
    last, behind = record[4 * n :], p[Program.LAST_ROUND]
    for e in range(n):
        out[e] = last[0] * record[e]
        if p[Program.GATE]:
            out[e] += last[1] * r[Pending.FORECASTS + n + behind + e]
    out[n] = last[behind - 1]


@jit
def inside(plan, j, f):
    """A forecast of target j, moved to the limits that its values keep to: never further from any of them.

    So a forecast that is moved has no greater error, whatever comes, and a mean of moved ones needs no moving but for
    its rounding.
    """
    limits = shift(plan.limits, j * Limits.WIDTH)
    return min(max(f, limits[Limits.LOWER]), limits[Limits.UPPER])


@jit
def issue(plan, row, j, k, place, f, out, time):
    """Make target j's forecast at horizon k pending: experts f (E, K), all of the network's outputs `out`.

    Where a value of the target is not known yet, nothing is predicted.
    """
    p = plan.ints
    n, horizons, last_round = p[Program.EXPERTS], p[Program.HORIZONS], p[Program.LAST_ROUND]
    record = carray(shift(row.real, p[Program.MIX] + (j * horizons + k) * p[Program.MIX_WIDTH]), p[Program.MIX_WIDTH])
    stats = stats_of(plan, row, j, k)
    r = pending(plan, row, place, j)
    last = row.real[p[Program.TARGET] + j * Target.WIDTH + Target.LAST]
    r[Pending.MIXED] = math.nan
    if math.isnan(last):
        return
    for e in range(n):
        r[Pending.FORECASTS + e] = inside(plan, j, f[e * horizons + k])
    base = mix.blend(record, r[Pending.FORECASTS :], n)
    unit, final = usual_error(plan, row, j, k), r[Pending.FORECASTS + n :]
    final[0] = base
    if p[Program.GATE]:
        gated = gate.blend(record, shift(out, p[Program.LOGITS] + j * n), r[Pending.FORECASTS :], final[last_round:], n)
        final[1] = gate.near(gated, base, unit)
    o, point = shift(out, (j * horizons + k) * p[Program.HEAD_WIDTH]), at(final, last_round - 1)
    call(p[Program.HEAD_READ], p[Program.HEAD_WIDTH], o, shift(plan.reals, Reals.HEAD), point)
    if not p[Program.HEAD_ABSOLUTE]:
        r[Pending.ANCHOR], r[Pending.UNIT] = last, unit
        anchor, own = corrected(plan, row, j, k, r)
        point[0] = anchor + own * min(max(point[0], -REACH), REACH)
    point[0] = inside(plan, j, point[0])
    mixed = inside(plan, j, mix.blend(record[4 * n :], final, last_round))
    if k == 0:
        share(plan, row, j, record, r)
    known = stats[Stats.COUNT] > 0
    r[Pending.ANCHOR], r[Pending.UNIT], r[Pending.ISSUE], r[Pending.MIXED] = last, unit, time, mixed
    r[Pending.DOUBT] = 1.0 if unlearned(plan, row, j) else 0.0
    around = unit * breadth(plan, row, j, k, time, math.nan)
    r[Pending.LOWER] = inside(plan, j, mixed + stats[Stats.LOW] * around) if known else math.nan
    r[Pending.UPPER] = inside(plan, j, mixed + stats[Stats.HIGH] * around) if known else math.nan


@jit
def advance(plan, row, scratch, values, known, time, ident, learn):
    """One observation, at local `time`, through the experts and the network, and out as pending forecasts.

    Returns the outcome's bits.
    """
    p, q = plan.ints, row.count
    n, horizons = p[Program.EXPERTS], p[Program.HORIZONS]
    bits = Bit.MISSING if inputs(plan, row, scratch, values, known, time, learn) > 0 else 0
    f = shift(scratch.f64, p[Program.SCRATCH_FORECASTS])
    if p[Program.ECHO_UNITS] > 0:
        echo_features(plan, row, scratch, values, time, learn)
    for j in range(p[Program.TARGETS]):
        taught = learn and not unlearned(plan, row, j)
        experts(plan, row, scratch, j, shift(f, j * n * horizons), time, 1 if taught else 0)
    if p[Program.SEES] & (Sees.EXPERTS | Sees.CALENDAR):
        look(plan, row, f, time)
    t = network(plan, row, scratch)
    out = carray(shift(row.net, p[Program.RAW] + t * p[Program.OUTPUTS]), p[Program.OUTPUTS])
    total = 0.0
    for i in range(p[Program.OUTPUTS]):
        total += abs(out[i])
    if not total < math.inf:
        bits |= roll_back(plan, row)
        out[:] = 0
    for k in range(horizons):
        place = plan.slots[k] + (
            q[Count.SEEN] % p[Program.LABEL_RING] if p[Program.LABEL_TASK] else q[Count.STEP] % plan.horizons[k]
        )
        due = carray(shift(q, p[Program.PLACES] + Place.WIDTH * place), Place.WIDTH)
        due[Place.STEP], due[Place.ROW], due[Place.IDENT] = q[Count.STEP], q[Count.WRITTEN] - 1, ident
        q[Count.SLOT] = place
        for j in range(p[Program.TARGETS]):
            issue(plan, row, j, k, place, shift(f, j * n * horizons), at(out, 0), time)
    return bits
