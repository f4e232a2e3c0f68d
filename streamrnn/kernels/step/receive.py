"""What came is received: judged, settled against what was predicted, and given to those who learn from it."""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import (
    ForecastLatest,
    Pending,
    Place,
    Target,
    Watch,
)
from streamrnn.kernels.core.outcomes import Bit
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.core.usual import Doubt
from streamrnn.kernels.drift.watch import look
from streamrnn.kernels.monitors import outliers
from streamrnn.kernels.monitors.hold_off import hold
from streamrnn.kernels.monitors.score import judge, local_time
from streamrnn.kernels.step import gaps
from streamrnn.kernels.step.settle import (
    measure,
    measure_due,
    pending,
    place_of,
    settle_due,
    settle_one,
    show,
    step_from,
    welcome,
)


@jit
def believed(plan, row, j, y):
    """The value y of target j, NaN where it is doubted, and the outcome's bits. What is followed is the last value."""
    doubt = outliers.doubted(plan, row, plan.targets[j])
    if doubt == Doubt.NONE:
        step_from(plan, row, j, y)
        return y, 0
    if doubt == Doubt.UNFOLLOWED or math.isnan(y):
        return math.nan, 0
    row.real[plan.ints[Program.TARGET] + j * Target.WIDTH + Target.LAST] = y
    return math.nan, Bit.HELD_OFF


@jit
def settle_target(plan, row, j, y, worth, held, learn):
    """Settle what was predicted of target j with its value, and learn it unless it is held off. Returns the error."""
    if math.isnan(y):
        return math.nan
    if held or not learn:
        measured = measure_due(plan, row, j, y)
        row.real[plan.ints[Program.TARGET] + j * Target.WIDTH + Target.LAST] = y
        return math.nan if held else measured
    error = settle_due(plan, row, j, y, worth)
    welcome(plan, row, j, y)
    return error


@jit
def receive(plan, row, scratch, values, odd, gap, known, learn):
    """Forecast task: judge, settle, and let scalers and experts have the targets' values, unless they are held off.

    Without `learn` nothing is given to them either. What is not learned is still the last value, stands in the history,
    and counts in the published figures; not so what is doubted. `odd`: something is. gap (2): regular times that were
    skipped before it, and how many of them are steps.
    """
    p, worth = plan.ints, gaps.worth(gap[1])
    latest, place = shift(row.real, p[Program.LATEST] + ForecastLatest.TARGETS), place_of(plan, row, 0)
    for j in range(p[Program.TARGETS]):
        y = values[plan.targets[j]]
        latest[j] = pending(plan, row, place, j)[Pending.MIXED] if place >= 0 and not math.isnan(y) else math.nan
        latest[p[Program.TARGETS] + j] = y
        blind = place >= 0 and pending(plan, row, place, j)[Pending.DOUBT] > 0.0
        row.real[p[Program.WATCH] + j * Watch.WIDTH + Watch.BLIND] = 1.0 if blind else 0.0
    bits = judge(plan, row, scratch, worth, learn, known)
    held, more = hold(plan, row) if learn else (False, 0)
    for j in range(p[Program.TARGETS]):
        y, bit = believed(plan, row, j, values[plan.targets[j]])
        more |= bit
        error = settle_target(plan, row, j, y, worth, held, learn)
        show(plan, row, j, y, gap[0], local_time(plan, row, known), 0 if held else learn)
        row.real[p[Program.TARGET] + j * Target.WIDTH + Target.ERROR] = 0.0 if math.isnan(error) else error
    return bits | more | (0 if held or odd or not learn else look(plan, row, scratch))


@jit
def receive_label(plan, row, scratch, place, label, known, learn):
    """Label task: the label of the observation at a pending place has come."""
    p = plan.ints
    latest, error = shift(row.real, p[Program.LATEST] + ForecastLatest.TARGETS), math.nan
    latest[0], latest[1] = pending(plan, row, place, 0)[Pending.MIXED], label
    bits = judge(plan, row, scratch, 1.0, learn, known)
    held, more = hold(plan, row) if learn else (False, 0)
    if held or not learn:
        measured = measure(plan, row, place, 0, 0, label)
        error = math.nan if held else measured
    else:
        error = settle_one(plan, row, place, 0, 0, label, 1.0)
        welcome(plan, row, 0, label)
    row.count[p[Program.PLACES] + Place.WIDTH * place + Place.STEP] = -1
    row.real[p[Program.TARGET] + Target.ERROR] = 0.0 if math.isnan(error) else error
    return bits | more | (0 if held or not learn else look(plan, row, scratch))


@jit
def late_label(plan, row, scratch, ident, label, known, learn):
    """A label that comes after its observation: found by id among the last LABEL_RING ones."""
    p, q = plan.ints, row.count
    for place in range(p[Program.LABEL_RING] if p[Program.LABEL_TASK] else 0):
        due = carray(shift(q, p[Program.PLACES] + Place.WIDTH * place), Place.WIDTH)
        if due[Place.STEP] >= 0 and due[Place.IDENT] == ident:
            return Bit.SETTLED | receive_label(plan, row, scratch, place, label, known, learn)
    return Bit.UNMATCHED


@jit
def unlabelled(plan, row):
    """Label task: nothing is judged, for no label came."""
    p = plan.ints
    latest = shift(row.real, p[Program.LATEST])
    latest[ForecastLatest.SCORE], latest[ForecastLatest.TAIL] = math.nan, math.nan
    carray(shift(latest, ForecastLatest.TARGETS), 3)[:] = math.nan
