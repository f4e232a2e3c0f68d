"""Judge: how surprising what came is, over all monitors and targets; one score."""

import math

from numba import carray

from streamrnn.kernels.core import table as c
from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.experts.naive import bin_of
from streamrnn.kernels.monitors import alarm, feedback, tail

DAY = 86_400.0
BRIEF = 0.05  # rate of the running mean of a monitor's errors: about the last twenty


@jit
def wanted(pair, error, sign, least):
    """Of the surprises (above, below) of an error the one that may be told; 0 for one that is small or of the other
    direction."""
    if abs(error) < least:
        return 0.0
    if sign == 0.0:
        return max(pair[0], pair[1])
    return pair[0] if sign > 0.0 else pair[1]


@jit
def listen(state, error, hour, dawn, sign, least):
    """Surprise of one monitor: of its error and of the short running mean of its errors, in equal parts.

    A mean catches what no single value shows: a small shift, a slow drift.
    """
    tails = carray(shift(state, c.TAILS), (4, c.TAIL_WIDTH))
    state[c.SHORT_COUNT] += 1
    state[c.SHORT] += max(BRIEF, 1.0 / state[c.SHORT_COUNT]) * (error - state[c.SHORT])
    now = tail.signed(tails[:2], error, hour, dawn)
    lately = tail.signed(tails[2:], state[c.SHORT], hour, dawn)
    return 0.5 * (wanted(now, error, sign, least) + wanted(lately, state[c.SHORT], sign, least))


@jit
def local_time(plan, row, known):
    """Seconds of the stream's clock as its people read them; `known` stands beside the observation."""
    zone, time = plan.ints[c.ZONE], row.real[plan.ints[c.CLOCK] + c.TIME]
    return time + known[zone] if zone >= 0 else time


@jit
def watch(plan, row, scratch, j, y, expected, time, learn):
    """Surprise of target j's value y over all monitors, and the loudest of them: mean and maximum in equal parts.

    Without `learn` only the running means of the errors move: what is usual stays what it was.
    """
    p = plan.ints
    target = carray(shift(row.real, p[c.WATCH] + j * c.WATCH_WIDTH), c.WATCH_WIDTH)
    day = math.floor(time / DAY)
    dawn = target[c.W_SEEN] > 0 and day != target[c.W_DAY]
    if learn:
        target[c.W_SEEN] += 1
        target[c.W_DAY] = day
    out, hour, kept = scratch.f64, bin_of(time, DAY, c.HOURS), shift(scratch.f64, 1)
    total, most, heard, loudest = 0.0, 0.0, 0, -1
    limits = shift(plan.limits, j * c.LIMITS_WIDTH)
    for m in range(p[c.MONITORS]):
        monitor = shift(plan.monitors, m * c.MONITOR_WIDTH)
        state = shift(row.real, p[c.MONITOR] + j * p[c.MONITOR_LENGTH] + monitor[c.MONITOR_STATE])
        own = shift(state, c.MONITOR_OWN)
        length = shift(monitor, c.MONITOR_WIDTH)[c.MONITOR_STATE] if m < p[c.MONITORS] - 1 else p[c.MONITOR_LENGTH]
        length -= monitor[c.MONITOR_STATE] + c.TAILS
        if not learn:
            copy(shift(state, c.TAILS), kept, length)
        call(monitor[c.DEVIATE], shift(monitor, c.MONITOR_SHAPE), plan.rates[m], own, y, expected, time, out)
        if math.isnan(out[0]):
            continue
        sign, least = (limits[c.SIGN], limits[c.LEAST]) if monitor[c.MONITOR_UNITS] else (0.0, 0.0)
        value = listen(state, out[0], hour, dawn, sign, least)
        if not learn:
            copy(kept, shift(state, c.TAILS), length)
        total += value
        heard += 1
        if value > most:
            most, loudest = value, m
    return (0.5 * (total / heard + most) if heard > 0 else math.nan), loudest


@jit
def copy(source, target, n):
    """n numbers from one place to another."""
    carray(target, n)[:] = carray(source, n)


@jit
def judge(plan, row, scratch, learn, known):
    """Anomaly score from what was expected and what came (2, T) of the row; returns the outcome's bits.

    Without `learn` neither what is usual nor the threshold moves. What is muted surprises nobody, and is learned from.
    """
    p, q, targets = plan.ints, row.count, plan.ints[c.TARGETS]
    latest = carray(shift(row.real, p[c.LATEST]), c.TARGETS_FROM + 3 * targets)
    expected, actual = latest[c.TARGETS_FROM :], latest[c.TARGETS_FROM + targets :]
    share = latest[c.TARGETS_FROM + 2 * targets :]
    time, local = row.real[p[c.CLOCK] + c.TIME], local_time(plan, row, known)
    largest, total = -1.0, 0.0
    for j in range(targets):
        share[j] = 0.0
        if math.isnan(actual[j]):
            continue
        value, loudest = watch(plan, row, scratch, j, actual[j], expected[j], local, learn)
        if row.real[p[c.WATCH] + j * c.WATCH_WIDTH + c.W_SEEN] < p[c.WARMUP] or math.isnan(value):
            continue
        if p[c.MUTED] >= 0 and known[p[c.MUTED] + j] != 0.0:
            value = 0.0
        share[j] = value
        total += value
        if value > largest:
            largest = value
            q[c.LOUDEST] = loudest
    latest[c.SCORE], latest[c.TAIL_P] = math.nan, math.nan
    if largest < 0.0:  # nothing came, or all targets are still warming up
        share[:] = math.nan
        return 0
    for j in range(targets):
        share[j] = share[j] / total if total > 0.0 else 1.0 / targets
    sum_ = max(largest - math.log(targets), 0.0)  # Bonferroni: the least of T tail probabilities, times T
    rate, own = alarm.asked(plan.reals[c.ALERTS], row.real[p[c.CLOCK] + c.INTERVAL]), shift(q, p[c.FEEDBACK])
    muted, offset = time < own[c.F_MUTED], latest[c.OFFSET]
    raised, threshold = alarm.alarm(latest, q, sum_, rate * feedback.factor(own[c.F_STEPS]), muted)
    if not learn:
        latest[c.OFFSET] = offset
    latest[c.TAIL_P] = math.exp(-sum_)
    latest[c.SCORE] = alarm.score(sum_, threshold, raised)
    level = 0 if muted else alarm.severity(sum_, threshold)
    return alarm.follow(latest, q, level, raised, time, p[c.QUIET])
