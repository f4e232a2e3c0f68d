"""The step: a batch of observations in, outcomes out, one call from Python.

    judge    what was expected and what came -> anomaly score, events, whether to learn from it
    settle   the pending forecasts against the value that has now arrived
    learn    experts and scalers; back through the tape every `stride` observations
    advance  inputs -> layers -> head -> mix -> pending forecasts

`forecast` tasks run in this order; `label` tasks advance first and settle with the label that came along. Everything is
reached by bare pointers and views made of them: reference counts would cost more than the arithmetic.
"""

import math

from numba import carray

from streamrnn.kernels.core import arrays
from streamrnn.kernels.core.call import at, point, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import (
    Clock,
    Count,
    Drift,
    Feedback,
    ForecastLatest,
    Pending,
    Stats,
    Watch,
)
from streamrnn.kernels.core.outcomes import Bit, Flag, ForecastInt, ForecastReal, OutInt, OutReal
from streamrnn.kernels.core.program import Program, Reals
from streamrnn.kernels.learning import ekf_learn, rtrl, tbptt
from streamrnn.kernels.monitors import anomaly_event, feedback, outliers
from streamrnn.kernels.monitors.score import local_time
from streamrnn.kernels.step import gaps, scale
from streamrnn.kernels.step.advance import advance
from streamrnn.kernels.step.door import door, repeated
from streamrnn.kernels.step.receive import late_label, receive, receive_label, unlabelled
from streamrnn.kernels.step.settle import (
    pending,
    stats_of,
)


@jit
def borrow(places, f32, f64, i64):
    """Plan, planes and scratch from their addresses; the three arrays tell the types of numbers."""
    plan = arrays.Plan(
        point(places[0], i64),
        point(places[1], i64),
        point(places[2], i64),
        point(places[3], f64),
        point(places[4], i64),
        point(places[5], f64),
        point(places[6], i64),
        point(places[7], i64),
        point(places[8], i64),
        point(places[9], i64),
        point(places[10], f64),
        point(places[11], i64),
        point(places[12], f64),
        point(places[13], f64),
        point(places[14], i64),
        point(places[15], f64),
        point(places[16], i64),
        point(places[17], i64),
    )
    planes = arrays.Planes(
        point(places[18], f32),
        point(places[19], f64),
        point(places[20], i64),
        point(places[21], f32),
        point(places[22], i64),
    )
    return plan, planes, arrays.Scratch(point(places[23], f32), point(places[24], f64))


@jit
def view(plan, planes, r):
    """Where row r begins in each plane."""
    p = plan.ints
    own = 0 if p[Program.POOLED] else r
    return arrays.Row(
        shift(planes.learned, own * p[Program.WIDTH_LEARNED]),
        shift(planes.counts, own * p[Program.WIDTH_COUNTS]),
        shift(planes.f32, r * p[Program.WIDTH_F32] + p[Program.BASE_F32]),
        shift(planes.f64, r * p[Program.WIDTH_F64]),
        shift(planes.i64, r * p[Program.WIDTH_I64] + p[Program.BASE_I64]),
    )


@jit
def learn_if_due(plan, row, scratch, end):
    """An optimiser update every `stride` observations of the stream, and at the end of a sequence.

    With pooled weights each stream counts from a phase of its own, so that the updates do not come in bursts and short
    cases take part too.
    """
    due = end or (row.count[Count.SEEN] + row.count[Count.PHASE]) % plan.ints[Program.STRIDE] == 0
    if not due:
        return 0
    if plan.ints[Program.EKF]:
        return ekf_learn.learn(plan, row, scratch)
    if plan.ints[Program.TRACED] >= 0:
        return rtrl.learn(plan, row, scratch)
    return tbptt.learn(plan, row, scratch) if row.count[Count.LABELS] > 0 else 0


@jit
def warming(plan, row):
    """Whether no target has been judged often enough yet for a score."""
    seen = 0.0
    for j in range(plan.ints[Program.TARGETS]):
        seen = max(seen, row.real[plan.ints[Program.WATCH] + j * Watch.WIDTH + Watch.SEEN])
    return seen < plan.ints[Program.WARMUP]


@jit
def deadline(plan, row):
    """The time by which the next observation should have come; NaN where none is due, or its absence was told."""
    after, q, clock = plan.reals[Reals.SILENCE_AFTER], row.count, shift(row.real, plan.ints[Program.CLOCK])
    if (
        after == 0.0
        or q[Count.OPEN] == anomaly_event.SILENT
        or q[Count.FRESH] != 0
        or clock[Clock.INTERVAL] <= 0.0
        or warming(plan, row)
    ):
        return math.nan
    until = clock[Clock.TIME] + after * clock[Clock.INTERVAL]
    return math.nan if until < q[plan.ints[Program.FEEDBACK] + Feedback.IGNORED_UNTIL] else until


@jit
def aside(plan, row, scratch, said, label, known, learn):
    """What is no observation: a verdict on an alarm, or the label of an earlier observation. Returns outcome bits.

    said (3): flags, digest of an id or number of an event, time.
    """
    flags, ident, time = said
    if flags & Flag.VERDICT:
        own = shift(row.count, plan.ints[Program.FEEDBACK])
        return feedback.take(own, row.count[Count.EVENT], flags & Flag.VERDICT, ident, time)
    bits = late_label(plan, row, scratch, ident, label, known, learn)
    return bits | learn_if_due(plan, row, scratch, False) if learn else bits


@jit
def observe(plan, row, scratch, batch, i):
    """Observation i of the batch through the rooms. Returns (outcome bits, sequence numbers lost)."""
    p, q = plan.ints, row.count
    time, flags, label, ident = batch.time[i], batch.bits[i], batch.label[i], batch.ident[i]
    bits, lost = door(plan, row, time, batch.seq[i], flags)
    learn, known = 0 if flags & Flag.FREEZE else 1, at(batch.known, i * p[Program.KNOWN])
    if bits == 0:
        return aside(plan, row, scratch, (flags, ident, time), label, known, learn), lost
    values = at(batch.values, i * p[Program.FEATURES])
    if bits == Bit.LEARNED and repeated(plan, row, time, flags, values):
        bits = Bit.DUPLICATE
    if bits != Bit.LEARNED:
        return bits, lost
    bits = (Bit.LEARNED if learn else Bit.FROZEN) | flags & Bit.INVALID
    clock = carray(shift(row.real, p[Program.CLOCK]), Clock.WIDTH)
    if q[Count.SEEN] == 0:
        clock[Clock.TIME] = time
    latest = shift(row.real, p[Program.LATEST])
    bits |= anomaly_event.heard(latest, q, deadline(plan, row), time, p[Program.QUIET])
    before, usual = clock[Clock.TIME], clock[Clock.INTERVAL]
    skipped = scale.tick(clock, q, time)
    local = local_time(plan, row, known)
    steps = gaps.follow(plan, row, skipped, usual, local - (time - before), local, learn)
    q[Count.SEEN] += 1
    if skipped > 0:
        bits |= Bit.GAP
    odd, unfollowed = outliers.look(plan, row, values, local)
    if unfollowed:
        bits |= Bit.INVALID
    end = flags & Flag.END != 0
    if p[Program.LABEL_TASK]:
        bits |= advance(plan, row, scratch, values, known, local, ident, learn)
        if math.isnan(label):
            unlabelled(plan, row)
        else:
            bits |= receive_label(plan, row, scratch, q[Count.SLOT], label, known, learn)
    else:
        bits |= receive(plan, row, scratch, values, odd, (skipped, steps), known, learn)
    if learn:
        bits |= learn_if_due(plan, row, scratch, end)
    if not p[Program.LABEL_TASK]:
        bits |= advance(plan, row, scratch, values, known, local, 0, learn)
    bits |= anomaly_event.unjudged(latest, q, p[Program.QUIET])
    if end:
        carray(shift(row.net, p[Program.MEMORY_F32]), p[Program.MEMORY_LENGTH])[:] = 0
        q[Count.FRESH] = 1
    return bits, lost


@jit
def skill(plan, row):
    """1 - error / error of persistence at the shortest horizon, mean over targets; NaN while unknown."""
    total, known = 0.0, 0
    for j in range(plan.ints[Program.TARGETS]):
        stats = stats_of(plan, row, j, 0)
        if stats[Stats.COUNT] > 0 and stats[Stats.ERROR_LAST] > 0.0:
            total += 1.0 - stats[Stats.ERROR] / stats[Stats.ERROR_LAST]
            known += 1
    return total / known if known > 0 else math.nan


@jit
def emit(plan, row, r, bits, lost, out_ints, out_reals):
    """Write an outcome: all of it is read from the row, so that it can be told again at any time."""
    p, q = plan.ints, row.count
    latest = shift(row.real, p[Program.LATEST])
    bits |= Bit.ANOMALY if latest[ForecastLatest.SCORE] >= 0.5 else 0
    bits |= Bit.WARMING if warming(plan, row) else 0
    out_ints[OutInt.ROW], out_ints[OutInt.BITS], out_ints[OutInt.SEQUENCE_GAP] = r, bits, lost
    out_ints[OutInt.SEQ], out_ints[OutInt.SEVERITY] = q[Count.SEEN], q[Count.SEVERITY]
    out_ints[OutInt.EVENT], out_ints[OutInt.LEARNED] = q[Count.EVENT], q[Count.LEARNT]
    out_ints[OutInt.MONITOR] = q[Count.LOUDEST]
    own = shift(q, p[Program.FEEDBACK])
    out_ints[ForecastInt.FEEDBACK_EVENT], out_ints[ForecastInt.FEEDBACK_VERDICT] = (
        own[Feedback.EVENT],
        own[Feedback.VERDICT],
    )
    out_ints[ForecastInt.ALERT_RATE_HALVINGS], out_ints[ForecastInt.IGNORED_UNTIL] = (
        own[Feedback.STEPS],
        own[Feedback.IGNORED_UNTIL],
    )
    out_ints[ForecastInt.STEP] = q[Count.STEP]
    for k in range(p[Program.HORIZONS]):
        out_ints[ForecastInt.LEADS + k] = max(q[p[Program.LEADS] + k], plan.horizons[k])
    out_reals[OutReal.TIME] = row.real[p[Program.CLOCK] + Clock.TIME]
    out_reals[OutReal.INTERVAL] = row.real[p[Program.CLOCK] + Clock.INTERVAL]
    out_reals[OutReal.SCORE], out_reals[OutReal.TAIL] = latest[ForecastLatest.SCORE], latest[ForecastLatest.TAIL]
    out_reals[OutReal.STARTED], out_reals[OutReal.SKILL] = latest[ForecastLatest.STARTED], skill(plan, row)
    n, horizons = p[Program.TARGETS], p[Program.HORIZONS]
    at_out = ForecastReal.FORECAST
    for j in range(n):
        for k in range(horizons):
            place = q[Count.SLOT] if p[Program.LABEL_TASK] else plan.slots[k] + q[Count.STEP] % plan.horizons[k]
            f = pending(plan, row, place, j)
            known = q[Count.SEEN] > 0 and not math.isnan(f[Pending.MIXED])
            out_reals[at_out] = f[Pending.MIXED] if known else math.nan
            out_reals[at_out + 1] = f[Pending.LOWER] if known else math.nan
            out_reals[at_out + 2] = f[Pending.UPPER] if known else math.nan
            at_out += 3
    for i in range(n * (4 + p[Program.EXPERTS])):
        out_reals[at_out + i] = latest[ForecastLatest.TARGETS + i]
    if p[Program.DETECTORS] > 0:
        for i in range(Drift.PUBLISHED):
            out_reals[at_out + n * (4 + p[Program.EXPERTS]) + i] = row.real[p[Program.DRIFT] + i]


@jit
def run(places, real, order, batch, changed, stamp, out_ints, out_reals):
    """The observations of a batch whose indices stand in `order`, in that order. Only planes, scratch, outcomes and
    `changed` are written.

    places: table.addresses; real: any array of the network's precision; batch: table.Batch; changed (streams): gets
    `stamp` where it is 0; out_ints (N, ForecastInt.LEADS + K), out_reals (N, OUT_FORECAST + 3 T K + 3 T +
    T (E + 1), and DRIFT_TOLD where there are detectors).
    """
    plan, planes, scratch = borrow(places, real, batch.time, batch.seq)
    for i in order:
        r = batch.row[i]
        row = view(plan, planes, r)
        bits, lost = observe(plan, row, scratch, batch, i)
        emit(plan, row, r, bits, lost, at(out_ints, i * out_ints.shape[1]), at(out_reals, i * out_reals.shape[1]))
        if changed[r] == 0:
            changed[r] = stamp


@jit
def tell(places, real, rows, out_ints, out_reals):
    """The outcomes of `rows` (N) again, from the rows alone: nothing is learned, nothing moves."""
    plan, planes, _ = borrow(places, real, out_reals, rows)
    for i in range(len(rows)):
        row = view(plan, planes, rows[i])
        emit(plan, row, rows[i], 0, 0, at(out_ints, i * out_ints.shape[1]), at(out_reals, i * out_reals.shape[1]))


@jit
def wait(places, real, rows, changed, stamp, out_ints, out_reals):
    """Nothing has come from the streams of `rows` (N) by their deadlines: their outcomes say so, at those times.

    A row for which no deadline stands is left as it is, its outcome has no bit. `expected` is what the forecast of the
    shortest horizon says of the observation that did not come.
    """
    plan, planes, _ = borrow(places, real, out_reals, rows)
    p = plan.ints
    for i in range(len(rows)):
        row = view(plan, planes, rows[i])
        until, bits = deadline(plan, row), 0
        if not math.isnan(until):
            bits = anomaly_event.silent(shift(row.real, p[Program.LATEST]), row.count, until)
            if changed[rows[i]] == 0:
                changed[rows[i]] = stamp
        reals = at(out_reals, i * out_reals.shape[1])
        emit(plan, row, rows[i], bits, 0, at(out_ints, i * out_ints.shape[1]), reals)
        reals[OutReal.TIME] = until
        n, behind = p[Program.TARGETS], ForecastReal.FORECAST + 3 * p[Program.TARGETS] * p[Program.HORIZONS]
        for j in range(n):
            reals[behind + j] = reals[ForecastReal.FORECAST + 3 * j * p[Program.HORIZONS]]
            reals[behind + n + j], reals[behind + 2 * n + j] = math.nan, math.nan
