"""Judge: how surprising an event is, by what it was or by when it came, and a session as a whole."""

import math

from numba import carray

from streamrnn.kernels.core import event_table as e
from streamrnn.kernels.core import table as c
from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.heads import categorical
from streamrnn.kernels.monitors import event_tail


@jit
def tail_of(plan, row, number):
    """A calibrated tail."""
    return carray(shift(row.params, plan.ints[e.CALIBRATION] + number * e.TAIL_WIDTH), e.TAIL_WIDTH)


@jit
def judge(plan, row, bits, late):
    """Anomaly score of an event from its bits and its lateness; returns the outcome's bits."""
    p = plan.ints
    latest = shift(row.real, p[c.LATEST])
    first, tests = tail_of(plan, row, e.TAIL_BITS), 1
    size = event_tail.surprise(first, bits)
    latest[e.LATENESS], latest[e.BY_TIME] = late, 0.0
    if not math.isnan(late):
        second, tests = tail_of(plan, row, e.TAIL_LAPSE), 2
        other = event_tail.surprise(second, abs(late))
        latest[e.BY_TIME] = other / max(size + other, 1e-9)
        size = max(size, other)
    latest[e.SCORE], latest[e.TAIL] = math.nan, math.nan
    if first[e.TAIL_SEEN] + 1 < p[c.WARMUP]:
        return 0
    size = max(size - math.log(tests), 0.0)
    rate = plan.reals[c.ALERTS]
    latest[e.TAIL] = math.exp(-size)
    latest[e.SCORE] = 1.0 - math.exp(math.log(2.0) * size / math.log(rate))
    level = event_tail.severity(latest[e.TAIL], rate)
    return event_tail.follow(latest, row.count, level, row.real[p[c.CLOCK] + c.TIME], p[c.QUIET])


@jit
def add_up(plan, row, scratch, s, bits, n):
    """Symbol s cost so many bits: into the sum and the worst of the session, with what was expected instead."""
    p = plan.ints
    session = shift(row.real, p[e.SESSION])
    session[e.S_SUM] += bits
    if bits > session[e.S_WORST]:
        final = carray(shift(scratch.f32, p[e.SCRATCH_FINAL]), p[e.SYMBOLS])
        best = categorical.best(final, n)
        session[e.S_WORST], session[e.S_PLACE], session[e.S_CAME] = bits, row.count[e.TOLD] + 1, s
        session[e.S_FORETOLD], session[e.S_FORETOLD_SHARE] = best, final[best]


@jit
def conclude(plan, row):
    """The session has ended: its sum, mean and worst event against those of the sessions before. Returns STRANGE or 0.

    The sum shows what goes wrong often, the worst what goes wrong once, the mean what breaks off early.
    """
    p = plan.ints
    session = shift(row.real, p[e.SESSION])
    tail = tail_of(plan, row, e.TAIL_SUM)
    mean = session[e.S_SUM] / (session[e.S_COUNT] + 1.0)  # the end counts as an event
    whole = max(
        event_tail.surprise(tail, session[e.S_SUM]),
        event_tail.surprise(tail_of(plan, row, e.TAIL_MEAN), mean),
    )
    worst = event_tail.surprise(tail_of(plan, row, e.TAIL_WORST), session[e.S_WORST])
    session[e.S_BY_WORST] = worst / max(whole + worst, 1e-9)
    if tail[e.TAIL_SEEN] + 1 < p[c.WARMUP]:
        return 0
    size, rate = max(max(whole, worst) - math.log(3.0), 0.0), plan.reals[c.ALERTS]
    session[e.S_TAIL] = math.exp(-size)
    session[e.S_SCORE] = 1.0 - math.exp(math.log(2.0) * size / math.log(rate))
    session[e.S_SEVERITY] = event_tail.severity(session[e.S_TAIL], rate)
    return c.STRANGE if session[e.S_SEVERITY] > 0 else 0
