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

from streamrnn.kernels.core import arrays
from streamrnn.kernels.core.call import at, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import (
    Challenger,
    ChallengerLoss,
    Clock,
    Count,
    Drift,
    Feedback,
    ForecastLatest,
    Level,
    Scale,
    Target,
    Watch,
)
from streamrnn.kernels.core.outcomes import Bit
from streamrnn.kernels.core.program import Program
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
    return arrays.Row(
        shift(row.params, p[Program.HALF_F32]),
        shift(row.counts, p[Program.HALF_I64]),
        shift(row.net, p[Program.HALF_F32]),
        shift(row.real, p[Program.HALF_F64]),
        shift(row.count, p[Program.HALF_I64]),
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
    copy(at(fresh32, 0), other.params, p[Program.HALF_F32])
    copy(at(fresh64, 0), other.real, p[Program.HALF_F64])
    copy(at(fresh_int, 0), other.counts, p[Program.HALF_I64])
    n = p[Program.TARGETS]
    same(row.real, other.real, p[Program.CLOCK], Clock.WIDTH)
    same(row.real, other.real, p[Program.SCALE], p[Program.FEATURES] * Scale.WIDTH)
    same(row.real, other.real, p[Program.TARGET], n * Target.WIDTH)
    same(row.real, other.real, p[Program.HISTORY], n * p[Program.HISTORY_LENGTH])
    same(row.real, other.real, p[Program.WATCH], n * Watch.WIDTH)
    same(row.real, other.real, p[Program.MONITOR], n * p[Program.MONITOR_LENGTH])
    same(row.real, other.real, p[Program.LEVEL], n * Level.WIDTH)
    same(row.real, other.real, p[Program.JOINT], p[Program.JOINT_LENGTH])
    same(row.real, other.real, p[Program.LATEST], ForecastLatest.TARGETS)
    same(row.count, other.count, 0, Count.OF_STREAM + Count.OF_EVENT)
    for f in range(p[Program.FEATURES]):
        s = shift(other.real, p[Program.SCALE] + f * Scale.WIDTH)
        s[Scale.SIZE] = min(s[Scale.SIZE], AFRESH)
    for j in range(n):
        t = shift(other.real, p[Program.TARGET] + j * Target.WIDTH)
        t[Target.COUNT] = min(t[Target.COUNT], AFRESH)
    state, losses = shift(row.count, p[Program.CHALLENGER]), shift(row.real, p[Program.CHALLENGER_LOSS])
    state[Challenger.ACTIVE], state[Challenger.ANSWERED], state[Challenger.LEADING] = 1, 0, 0
    losses[ChallengerLoss.BEGAN], losses[ChallengerLoss.SERVING], losses[ChallengerLoss.CHALLENGING] = (
        row.real[p[Program.CLOCK] + Clock.TIME],
        0.0,
        0.0,
    )


@jit
def replace(plan, row):
    """Let the second half serve: it becomes the first, with the stream's events, alarms, feedback and drifts."""
    p, other = plan.ints, second(plan, row)
    number = row.real[p[Program.DRIFT] + Drift.COUNT]
    other.count[Count.EVENT] = row.count[Count.EVENT]
    same(row.count, other.count, Count.OF_STREAM, Count.OF_EVENT)
    same(row.count, other.count, p[Program.FEEDBACK], Feedback.WIDTH)
    same(
        row.real,
        other.real,
        p[Program.LATEST] + ForecastLatest.STARTED,
        ForecastLatest.TARGETS - ForecastLatest.STARTED,
    )
    same(row.real, other.real, p[Program.LEVEL], p[Program.TARGETS] * Level.WIDTH)
    copy(other.params, row.params, p[Program.HALF_F32])
    copy(other.real, row.real, p[Program.HALF_F64])
    copy(other.counts, row.counts, p[Program.HALF_I64])
    row.real[p[Program.DRIFT] + Drift.COUNT] = number


@jit
def errors(plan, row, other):
    """Mean errors of both halves over the targets, in deviations of the target; NaN where one predicted nothing."""
    p, n, one, two, known = plan.ints, plan.ints[Program.TARGETS], 0.0, 0.0, 0
    ours, theirs = (
        shift(row.real, p[Program.LATEST] + ForecastLatest.TARGETS),
        shift(other.real, p[Program.LATEST] + ForecastLatest.TARGETS),
    )
    for j in range(n):
        sd = math.sqrt(max(row.real[p[Program.TARGET] + j * Target.WIDTH + Target.VARIANCE], 0.0))
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
    state, losses = shift(row.count, p[Program.CHALLENGER]), shift(row.real, p[Program.CHALLENGER_LOSS])
    one, two = errors(plan, row, second(plan, row))
    if bits & Bit.HELD_OFF or bits & (Bit.LEARNED | Bit.SETTLED) == 0 or math.isnan(one):
        return 0
    state[Challenger.ANSWERED] += 1
    rate = max(RATE, 1.0 / state[Challenger.ANSWERED])
    losses[ChallengerLoss.SERVING] += rate * (one - losses[ChallengerLoss.SERVING])
    losses[ChallengerLoss.CHALLENGING] += rate * (two - losses[ChallengerLoss.CHALLENGING])
    better = losses[ChallengerLoss.CHALLENGING] < (1.0 - MARGIN) * losses[ChallengerLoss.SERVING]
    state[Challenger.LEADING] = state[Challenger.LEADING] + 1 if better and state[Challenger.ANSWERED] > FIRST else 0
    if state[Challenger.LEADING] < LEAD and state[Challenger.ANSWERED] < PATIENCE:
        return 0
    took = state[Challenger.LEADING] >= LEAD
    if took:
        replace(plan, row)
    state[Challenger.ACTIVE] = 0
    record = shift(row.real, p[Program.DRIFT])
    record[Drift.COUNT] += 1
    record[Drift.SINCE] = losses[ChallengerLoss.BEGAN]
    record[Drift.BEFORE], record[Drift.AFTER] = losses[ChallengerLoss.SERVING], losses[ChallengerLoss.CHALLENGING]
    return Bit.TOOK_OVER if took else Bit.WITHDRAWN


@jit
def run(places, real, order, batch, changed, stamp, out_ints, out_reals, fresh32, fresh64, fresh_int):
    """As step.run, with challengers; fresh32, fresh64 and fresh_int are a half of a row that has seen nothing."""
    plan, planes, scratch = borrow(places, real, batch.time, batch.seq)
    for i in order:
        r = batch.row[i]
        row, bits, lost = view(plan, planes, r), 0, 0
        active = row.count[plan.ints[Program.CHALLENGER] + Challenger.ACTIVE] != 0
        for half in range(2 if active else 1):
            one = second(plan, row) if half else row
            told, missed = observe(plan, one, scratch, batch, i)
            if half == 0:
                bits, lost = told, missed
        if bits & Bit.DRIFT_FOUND:
            begin(plan, row, fresh32, fresh64, fresh_int)
        elif active:
            bits |= judge(plan, row, bits)
        emit(plan, row, r, bits, lost, at(out_ints, i * out_ints.shape[1]), at(out_reals, i * out_reals.shape[1]))
        if changed[r] == 0:
            changed[r] = stamp
