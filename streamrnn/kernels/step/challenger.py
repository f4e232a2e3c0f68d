"""Champion and challenger: after a drift a fresh model learns beside the one that serves, and takes over when better.

A row has two halves of one layout. The first serves; the second is used while there is a challenger. It begins as a
new stream does (weights, experts, mix, intervals, tape), but knows the time, the history, the scales (which follow
soon) and what the monitors know. Every observation goes through both halves; the outcomes of the second are not told.

Both are judged by the error of the published forecast at the shortest horizon, over the target's deviation,
discounted. The challenger takes over when it was better by MARGIN for LEAD answers in a row, after FIRST; it is
withdrawn when that has not happened within PATIENCE answers. Another drift begins another one. Events, alarms and
feedback are the stream's own: they go on over a change. All is in the row, and a function of the stream's own messages.

Rejected: a second engine at the service's level. It needs a bank, a checkpoint and a configuration of its own, twice
the memory and time for all streams at all times, and its decisions journaled. What is given up for it: a challenger of
another layout.
"""

import math

from numba import carray

from streamrnn.kernels.core import table as c
from streamrnn.kernels.core.call import at, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.step.loop import borrow, emit, observe, view

FIRST, LEAD, PATIENCE = 100, 50, 2000  # answers
MARGIN = 0.05
RATE = 0.01  # of the discounted losses
LARGEST = 10.0  # deviations that an error counts for
AFRESH = 20.0  # values that scales count for at the beginning


@jit
def second(plan, row):
    """The challenger's half of a row."""
    p = plan.ints
    return c.Row(
        shift(row.params, p[c.HALF_F32]),
        shift(row.counts, p[c.HALF_I64]),
        shift(row.net, p[c.HALF_F32]),
        shift(row.real, p[c.HALF_F64]),
        shift(row.count, p[c.HALF_I64]),
    )


@jit
def copy(source, target, n):
    """n numbers."""
    carray(target, n)[:] = carray(source, n)


@jit
def same(source, target, place, n):
    """n numbers from one half to the same place in the other."""
    copy(shift(source, place), shift(target, place), n)


@jit
def begin(plan, row, fresh32, fresh64, fresh_int):
    """Make the second half a new model of this stream."""
    p, other = plan.ints, second(plan, row)
    copy(at(fresh32, 0), other.params, p[c.HALF_F32])
    copy(at(fresh64, 0), other.real, p[c.HALF_F64])
    copy(at(fresh_int, 0), other.counts, p[c.HALF_I64])
    n = p[c.TARGETS]
    same(row.real, other.real, p[c.CLOCK], c.CLOCK_WIDTH)
    same(row.real, other.real, p[c.SCALE], p[c.FEATURES] * c.SCALE_WIDTH)
    same(row.real, other.real, p[c.TARGET], n * c.TARGET_WIDTH)
    same(row.real, other.real, p[c.HISTORY], n * p[c.HISTORY_LENGTH])
    same(row.real, other.real, p[c.WATCH], n * c.WATCH_WIDTH)
    same(row.real, other.real, p[c.MONITOR], n * p[c.MONITOR_LENGTH])
    same(row.real, other.real, p[c.LATEST], c.TARGETS_FROM)
    same(row.count, other.count, 0, c.STREAM_COUNTS + c.EVENT_COUNTS)
    for f in range(p[c.FEATURES]):
        s = shift(other.real, p[c.SCALE] + f * c.SCALE_WIDTH)
        s[c.SIZE] = min(s[c.SIZE], AFRESH)
    for j in range(n):
        t = shift(other.real, p[c.TARGET] + j * c.TARGET_WIDTH)
        t[c.T_COUNT] = min(t[c.T_COUNT], AFRESH)
    state, losses = shift(row.count, p[c.DUEL]), shift(row.real, p[c.DUEL_LOSS])
    state[c.ACTIVE], state[c.ANSWERED], state[c.LEADING] = 1, 0, 0
    losses[c.BEGAN], losses[c.SERVING], losses[c.CHALLENGING] = row.real[p[c.CLOCK] + c.TIME], 0.0, 0.0


@jit
def replace(plan, row):
    """Let the second half serve: it becomes the first, with the stream's events, alarms, feedback and drifts."""
    p, other = plan.ints, second(plan, row)
    number = row.real[p[c.DRIFT] + c.D_COUNT]
    other.count[c.EVENT] = row.count[c.EVENT]
    same(row.count, other.count, c.STREAM_COUNTS, c.EVENT_COUNTS)
    same(row.count, other.count, p[c.FEEDBACK], c.FEEDBACK_WIDTH)
    same(row.real, other.real, p[c.LATEST] + c.STARTED, c.TARGETS_FROM - c.STARTED)
    copy(other.params, row.params, p[c.HALF_F32])
    copy(other.real, row.real, p[c.HALF_F64])
    copy(other.counts, row.counts, p[c.HALF_I64])
    row.real[p[c.DRIFT] + c.D_COUNT] = number


@jit
def errors(plan, row, other):
    """Mean errors of both halves over the targets, in deviations of the target; NaN where one foretold nothing."""
    p, n, one, two, known = plan.ints, plan.ints[c.TARGETS], 0.0, 0.0, 0
    ours, theirs = shift(row.real, p[c.LATEST] + c.TARGETS_FROM), shift(other.real, p[c.LATEST] + c.TARGETS_FROM)
    for j in range(n):
        sd = math.sqrt(max(row.real[p[c.TARGET] + j * c.TARGET_WIDTH + c.T_VARIANCE], 0.0))
        a, b = abs(ours[n + j] - ours[j]), abs(theirs[n + j] - theirs[j])
        if sd > 0.0 and not math.isnan(a) and not math.isnan(b):
            one += min(a / sd, LARGEST)
            two += min(b / sd, LARGEST)
            known += 1
    return (one / known, two / known) if known > 0 else (math.nan, math.nan)


@jit
def judge(plan, row, bits):
    """Compare both halves after an observation that both have seen. Returns the outcome's bits."""
    p = plan.ints
    state, losses = shift(row.count, p[c.DUEL]), shift(row.real, p[c.DUEL_LOSS])
    one, two = errors(plan, row, second(plan, row))
    if bits & c.HELD_OFF or bits & (c.LEARNED | c.SETTLED) == 0 or math.isnan(one):
        return 0
    state[c.ANSWERED] += 1
    rate = max(RATE, 1.0 / state[c.ANSWERED])
    losses[c.SERVING] += rate * (one - losses[c.SERVING])
    losses[c.CHALLENGING] += rate * (two - losses[c.CHALLENGING])
    better = losses[c.CHALLENGING] < (1.0 - MARGIN) * losses[c.SERVING]
    state[c.LEADING] = state[c.LEADING] + 1 if better and state[c.ANSWERED] > FIRST else 0
    if state[c.LEADING] < LEAD and state[c.ANSWERED] < PATIENCE:
        return 0
    took = state[c.LEADING] >= LEAD
    if took:
        replace(plan, row)
    state[c.ACTIVE] = 0
    record = shift(row.real, p[c.DRIFT])
    record[c.D_COUNT] += 1
    record[c.D_SINCE] = losses[c.BEGAN]
    record[c.D_BEFORE], record[c.D_AFTER] = losses[c.SERVING], losses[c.CHALLENGING]
    return c.TOOK_OVER if took else c.WITHDRAWN


@jit
def run(places, real, order, batch, changed, stamp, out_ints, out_reals, fresh32, fresh64, fresh_int):
    """As step.run, with challengers; fresh32, fresh64 and fresh_int are a half of a row that has seen nothing."""
    plan, planes, scratch = borrow(places, real, batch.time, batch.seq)
    for i in order:
        r = batch.row[i]
        row, bits, lost = view(plan, planes, r), 0, 0
        active = row.count[plan.ints[c.DUEL] + c.ACTIVE] != 0
        for half in range(2 if active else 1):
            one = second(plan, row) if half else row
            told, missed = observe(plan, one, scratch, batch, i)
            if half == 0:
                bits, lost = told, missed
        if bits & c.DRIFT_FOUND:
            begin(plan, row, fresh32, fresh64, fresh_int)
        elif active:
            bits |= judge(plan, row, bits)
        emit(plan, row, r, bits, lost, at(out_ints, i * c.OUT_WIDTH), at(out_reals, i * out_reals.shape[1]))
        if changed[r] == 0:
            changed[r] = stamp
