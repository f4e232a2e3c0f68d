"""Judge: how surprising an event is, by what it was or by when it came, and a session as a whole."""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Calibration, Clock, EventCount, EventLatest, EventTail, Feedback, Session
from streamrnn.kernels.core.outcomes import Bit
from streamrnn.kernels.core.program import Program, Reals
from streamrnn.kernels.heads import categorical
from streamrnn.kernels.monitors import alarm, anomaly_event, feedback, tail


@jit
def tail_of(plan, row, number):
    """A calibrated tail."""
    return carray(shift(row.params, plan.ints[Program.CALIBRATION] + number * EventTail.WIDTH), EventTail.WIDTH)


@jit
def tracked(record, size, learn):
    """How surprising a size is by a tail; without `learn` that stays as it was."""
    start, excess, number, seen = (
        record[EventTail.START],
        record[EventTail.EXCESS],
        record[EventTail.COUNT],
        record[EventTail.SEEN],
    )
    value = tail.tracked(record, size)
    if not learn:
        record[EventTail.START], record[EventTail.EXCESS], record[EventTail.COUNT], record[EventTail.SEEN] = (
            start,
            excess,
            number,
            seen,
        )
    return value


@jit
def threshold_of(plan, row):
    """Nats of an alarm at the rate asked for, as feedback has moved it; and whether alarms are ignored now."""
    own = shift(row.count, plan.ints[Program.FEEDBACK])
    muted = row.real[plan.ints[Program.CLOCK] + Clock.TIME] < own[Feedback.IGNORED_UNTIL]
    return -math.log(plan.reals[Reals.ALERTS] * feedback.factor(own[Feedback.STEPS])), muted


@jit
def judge(plan, row, bits, late, learn):
    """Anomaly score of an event from its bits and its lateness; returns the outcome's bits.

    Without `learn` what is usual stays as it is.
    """
    p = plan.ints
    latest = shift(row.real, p[Program.LATEST])
    first, tests = tail_of(plan, row, Calibration.BITS), 1
    size = tracked(first, bits, learn)
    latest[EventLatest.LATENESS], latest[EventLatest.BY_TIME] = late, 0.0
    if not math.isnan(late):
        second, tests = tail_of(plan, row, Calibration.LAPSE), 2
        other = tracked(second, abs(late), learn)
        latest[EventLatest.BY_TIME] = other / max(size + other, 1e-9)
        size = max(size, other)
    latest[EventLatest.SCORE], latest[EventLatest.TAIL] = math.nan, math.nan
    if first[EventTail.SEEN] + 1 < p[Program.WARMUP]:
        return 0
    size, (threshold, muted) = max(size - math.log(tests), 0.0), threshold_of(plan, row)
    level = 0 if muted else alarm.severity(size, threshold)
    latest[EventLatest.TAIL] = math.exp(-size)
    latest[EventLatest.SCORE] = alarm.score_of_event(size, threshold, level > 0)
    time = row.real[p[Program.CLOCK] + Clock.TIME]
    return anomaly_event.judged(latest, row.count, level, level > 0, time, p[Program.QUIET])


@jit
def add_up(plan, row, scratch, s, bits, n):
    """Symbol s cost so many bits: into the sum and the worst of the session, with what was expected instead."""
    p = plan.ints
    session = shift(row.real, p[Program.SESSION])
    session[Session.SUM] += bits
    if bits > session[Session.WORST]:
        final = carray(shift(scratch.f32, p[Program.SCRATCH_FINAL]), p[Program.SYMBOLS])
        best = categorical.best(final, n)
        session[Session.WORST], session[Session.PLACE], session[Session.CAME] = (
            bits,
            row.count[EventCount.IN_SESSION] + 1,
            s,
        )
        session[Session.PREDICTED], session[Session.PREDICTED_SHARE] = best, final[best]


@jit
def conclude(plan, row, learn):
    """The session has ended: its sum, mean and worst event against those of the sessions before. Returns STRANGE or 0.

    The sum shows what goes wrong often, the worst what goes wrong once, the mean what breaks off early.
    """
    p = plan.ints
    session = shift(row.real, p[Program.SESSION])
    sums = tail_of(plan, row, Calibration.SUM)
    mean = session[Session.SUM] / (session[Session.COUNT] + 1.0)  # the end counts as an event
    whole = max(
        tracked(sums, session[Session.SUM], learn),
        tracked(tail_of(plan, row, Calibration.MEAN), mean, learn),
    )
    worst = tracked(tail_of(plan, row, Calibration.WORST), session[Session.WORST], learn)
    session[Session.BY_WORST] = worst / max(whole + worst, 1e-9)
    if sums[EventTail.SEEN] + 1 < p[Program.WARMUP]:
        return 0
    size, (threshold, muted) = max(max(whole, worst) - math.log(3.0), 0.0), threshold_of(plan, row)
    level = 0 if muted else alarm.severity(size, threshold)
    session[Session.TAIL] = math.exp(-size)
    session[Session.SCORE] = alarm.score_of_event(size, threshold, level > 0)
    session[Session.SEVERITY] = level
    return Bit.STRANGE if level > 0 else 0
