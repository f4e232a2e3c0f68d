"""The outcome of an event, read from its row: it can be written again at any time."""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import (
    Calibration,
    Clock,
    Count,
    EventCount,
    EventLatest,
    EventTail,
    Feedback,
    Lapse,
    Running,
    Session,
)
from streamrnn.kernels.core.outcomes import Bit, EventInt, EventReal, OutInt, OutReal
from streamrnn.kernels.core.program import Program, Reals
from streamrnn.kernels.heads import categorical
from streamrnn.kernels.monitors import anomaly_event
from streamrnn.kernels.monitors.event_score import tail_of
from streamrnn.kernels.step.event_receive import SOONEST, predict


@jit
def warming(plan, row):
    """Whether too few events have been judged yet for a score."""
    return tail_of(plan, row, Calibration.BITS)[EventTail.SEEN] + 1 < plan.ints[Program.WARMUP]


@jit
def when(plan, row, deviations):
    """The time by which the next event is expected, so many sds after the median; NaN while there is none to tell."""
    p = plan.ints
    record = carray(shift(row.params, p[Program.LAPSE]), 3)
    if row.count[EventCount.IN_SESSION] == 0 or record[Lapse.COUNT] < 2:
        return math.nan
    out = shift(row.net, p[Program.RAW] + (row.count[Count.POSITION] - 1) * p[Program.OUTPUTS] + p[Program.SYMBOLS])
    z = float(out[0]) + deviations * math.exp(min(max(float(out[1]), -4.0), 4.0))
    log = record[Lapse.MEAN] + math.sqrt(record[Lapse.VARIANCE]) * z
    return row.real[p[Program.CLOCK] + Clock.TIME] + max(math.exp(min(log, 25.0)) - SOONEST, 0.0)


@jit
def deadline(plan, row):
    """The time by which the next event should have come; NaN where none is due, or its absence was told."""
    after = plan.reals[Reals.SILENCE_AFTER]
    if after == 0.0 or row.count[Count.OPEN] == anomaly_event.SILENT or warming(plan, row):
        return math.nan
    now = row.real[plan.ints[Program.CLOCK] + Clock.TIME]
    until = now + after * (when(plan, row, plan.reals[Reals.START_QUANTILE]) - now)
    return math.nan if until < row.count[plan.ints[Program.FEEDBACK] + Feedback.IGNORED_UNTIL] else until


@jit
def skill(plan, row):
    """1 - bits / bits of the best table, running; NaN while unknown."""
    p = plan.ints
    K = p[Program.TABLES]
    running = carray(shift(row.params, p[Program.RUNNING]), K + 1 + Running.WIDTH)
    best = running[0]
    for k in range(1, K):
        best = min(best, running[k])
    return 1.0 - running[K + 1 + Running.MIXED] / best if best > 0.0 else math.nan


@jit
def emit(plan, row, scratch, r, bits, lost, admitted, out_ints, out_reals):
    """Write an outcome; what is predicted is worked out here, unless it still lies there."""
    p, q = plan.ints, row.count
    latest, session = shift(row.real, p[Program.LATEST]), shift(row.real, p[Program.SESSION])
    bits |= Bit.ANOMALY if latest[EventLatest.SCORE] >= 0.5 else 0
    bits |= Bit.WARMING if warming(plan, row) else 0
    out_ints[OutInt.ROW], out_ints[OutInt.BITS], out_ints[OutInt.SEQUENCE_GAP] = r, bits, lost
    out_ints[OutInt.SEQ], out_ints[OutInt.SEVERITY] = q[Count.SEEN], q[Count.SEVERITY]
    out_ints[OutInt.EVENT], out_ints[OutInt.LEARNED], out_ints[OutInt.MONITOR] = q[Count.EVENT], q[Count.LEARNT], 0
    own = shift(q, p[Program.FEEDBACK])
    out_ints[OutInt.FEEDBACK_EVENT], out_ints[OutInt.FEEDBACK_VERDICT] = own[Feedback.EVENT], own[Feedback.VERDICT]
    out_ints[OutInt.ALERT_RATE_HALVINGS] = own[Feedback.STEPS]
    out_ints[OutInt.IGNORED_UNTIL] = own[Feedback.IGNORED_UNTIL]
    out_ints[EventInt.SYMBOL], out_ints[EventInt.RANK] = int(latest[EventLatest.CAME]), int(latest[EventLatest.RANKED])
    out_ints[EventInt.KNOWN], out_ints[EventInt.ADMITTED] = row.counts[p[Program.KNOWN_SYMBOLS]], admitted
    out_ints[EventInt.PREDICTED], out_ints[EventInt.LENGTH] = (
        int(latest[EventLatest.PREDICTED]),
        int(session[Session.COUNT]),
    )
    out_ints[EventInt.WORST_PLACE], out_ints[EventInt.WORST_SYMBOL] = (
        int(session[Session.PLACE]),
        int(session[Session.CAME]),
    )
    out_ints[EventInt.WORST_PREDICTED] = int(session[Session.PREDICTED])
    out_ints[EventInt.SESSION_SEVERITY] = int(session[Session.SEVERITY])
    out_reals[OutReal.TIME] = row.real[p[Program.CLOCK] + Clock.TIME]
    out_reals[OutReal.INTERVAL] = row.real[p[Program.CLOCK] + Clock.INTERVAL]
    out_reals[OutReal.SCORE], out_reals[OutReal.TAIL] = latest[EventLatest.SCORE], latest[EventLatest.TAIL]
    out_reals[OutReal.STARTED], out_reals[OutReal.SKILL] = latest[EventLatest.STARTED], skill(plan, row)
    out_reals[EventReal.SHARE], out_reals[EventReal.SURPRISE] = latest[EventLatest.SHARE], latest[EventLatest.SURPRISE]
    out_reals[EventReal.NETWORK], out_reals[EventReal.TABLE] = (
        latest[EventLatest.NETWORK_BITS],
        latest[EventLatest.TABLE_BITS],
    )
    out_reals[EventReal.PREDICTED_SHARE] = latest[EventLatest.PREDICTED_SHARE]
    out_reals[EventReal.LATENESS], out_reals[EventReal.BY_TIME] = (
        latest[EventLatest.LATENESS],
        latest[EventLatest.BY_TIME],
    )
    out_reals[EventReal.SUM], out_reals[EventReal.WORST] = session[Session.SUM], session[Session.WORST]
    out_reals[EventReal.SESSION_SCORE], out_reals[EventReal.SESSION_TAIL] = (
        session[Session.SCORE],
        session[Session.TAIL],
    )
    out_reals[EventReal.WORST_PREDICTED_SHARE], out_reals[EventReal.BEGAN] = (
        session[Session.PREDICTED_SHARE],
        session[Session.BEGAN],
    )
    out_reals[EventReal.BY_WORST], out_reals[EventReal.END_SHARE] = (
        session[Session.BY_WORST],
        latest[EventLatest.END_SHARE],
    )
    show(plan, row, scratch, r, out_ints, out_reals)


@jit
def show(plan, row, scratch, r, out_ints, out_reals):
    """The likeliest next symbols and the expected time."""
    p = plan.ints
    shown = carray(shift(out_ints, EventInt.NEXT), p[Program.SHOWN])
    if row.count[Count.SEEN] == 0:
        shown[:] = -1
        out_reals[EventReal.EXPECTED], out_reals[EventReal.OVERDUE] = math.nan, math.nan
        carray(shift(out_reals, EventReal.NEXT_SHARES), p[Program.SHOWN])[:] = math.nan
        return
    if scratch.own[0] != r:
        predict(plan, row, scratch, r)
    final = carray(shift(scratch.f32, p[Program.SCRATCH_FINAL]), p[Program.SYMBOLS])
    categorical.likeliest(final, row.counts[p[Program.KNOWN_SYMBOLS]], shown, p[Program.SHOWN])
    for k in range(p[Program.SHOWN]):
        out_reals[EventReal.NEXT_SHARES + k] = final[shown[k]] if shown[k] >= 0 else math.nan
    out_reals[EventReal.EXPECTED] = when(plan, row, 0.0)
    out_reals[EventReal.OVERDUE] = when(plan, row, plan.reals[Reals.START_QUANTILE])
