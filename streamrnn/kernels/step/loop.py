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

from streamrnn.kernels.core import table as c
from streamrnn.kernels.core.call import at, point, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.drift.watch import look
from streamrnn.kernels.learning import rtrl, tbptt
from streamrnn.kernels.monitors import feedback, outliers, silence
from streamrnn.kernels.monitors.hold_off import hold
from streamrnn.kernels.monitors.score import judge, local_time
from streamrnn.kernels.step import scale
from streamrnn.kernels.step.advance import advance
from streamrnn.kernels.step.settle import (
    measure,
    measure_due,
    pending,
    place_of,
    settle_due,
    settle_one,
    show,
    stats_of,
    welcome,
)

MOST_LATE = 64
MOST_LOST = 2**31  # sequence numbers: a larger gap is another count, not a loss


@jit
def borrow(places, f32, f64, i64):
    """Plan, planes and scratch from their addresses; the three arrays tell the types of numbers."""
    plan = c.Plan(
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
    planes = c.Planes(
        point(places[18], f32),
        point(places[19], f64),
        point(places[20], i64),
        point(places[21], f32),
        point(places[22], i64),
    )
    return plan, planes, c.Scratch(point(places[23], f32), point(places[24], f64))


@jit
def view(plan, planes, r):
    """Where row r begins in each plane."""
    p = plan.ints
    own = 0 if p[c.POOLED] else r
    return c.Row(
        shift(planes.learned, own * p[c.WIDTH_LEARNED]),
        shift(planes.counts, own * p[c.WIDTH_COUNTS]),
        shift(planes.f32, r * p[c.WIDTH_F32] + p[c.BASE_F32]),
        shift(planes.f64, r * p[c.WIDTH_F64]),
        shift(planes.i64, r * p[c.WIDTH_I64] + p[c.BASE_I64]),
    )


@jit
def learn_if_due(plan, row, scratch, end):
    """An optimiser update every `stride` observations of the stream, and at the end of a sequence.

    With pooled weights each stream counts from a phase of its own, so that the updates do not come in bursts and short
    cases take part too.
    """
    due = end or (row.count[c.SEEN] + row.count[c.PHASE]) % plan.ints[c.STRIDE] == 0
    if not due:
        return 0
    if plan.ints[c.TRACED] >= 0:
        return rtrl.learn(plan, row, scratch)
    return tbptt.learn(plan, row, scratch) if row.count[c.LABELS] > 0 else 0


@jit
def receive(plan, row, scratch, values, odd, skipped, known, learn):
    """Forecast task: judge, settle, and let scalers and experts have the targets' values, unless they are held off.

    Without `learn` nothing is given to them either. What is not learned is still the last value, stands in the history,
    and counts in the published figures; not so what is doubted. `odd`: something is.
    """
    p = plan.ints
    latest, place = shift(row.real, p[c.LATEST] + c.TARGETS_FROM), place_of(plan, row, 0)
    for j in range(p[c.TARGETS]):
        y = values[plan.targets[j]]
        latest[j] = pending(plan, row, place, j)[c.MIXED] if place >= 0 and not math.isnan(y) else math.nan
        latest[p[c.TARGETS] + j] = y
    bits = judge(plan, row, scratch, learn, known)
    held, more = hold(plan, row) if learn else (False, 0)
    for j in range(p[c.TARGETS]):
        y, error = values[plan.targets[j]], math.nan
        if outliers.doubted(plan, row, plan.targets[j]):
            y = math.nan
        if (held or not learn) and not math.isnan(y):
            measured = measure_due(plan, row, j, y)
            error = math.nan if held else measured
            row.real[p[c.TARGET] + j * c.TARGET_WIDTH + c.T_LAST] = y
        elif not math.isnan(y):
            error = settle_due(plan, row, j, y)
            welcome(plan, row, j, y)
        show(plan, row, j, y, skipped, local_time(plan, row, known), learn)
        row.real[p[c.TARGET] + j * c.TARGET_WIDTH + c.T_ERROR] = 0.0 if math.isnan(error) else error
    return bits | more | (0 if held or odd or not learn else look(plan, row, scratch))


@jit
def receive_label(plan, row, scratch, place, label, known, learn):
    """Label task: the label of the observation at a pending place has come."""
    p = plan.ints
    latest, error = shift(row.real, p[c.LATEST] + c.TARGETS_FROM), math.nan
    latest[0], latest[1] = pending(plan, row, place, 0)[c.MIXED], label
    bits = judge(plan, row, scratch, learn, known)
    held, more = hold(plan, row) if learn else (False, 0)
    if held or not learn:
        measured = measure(plan, row, place, 0, 0, label)
        error = math.nan if held else measured
    else:
        error = settle_one(plan, row, place, 0, 0, label)
        welcome(plan, row, 0, label)
    row.count[p[c.PLACES] + c.PLACE_WIDTH * place + c.PLACE_STEP] = -1
    row.real[p[c.TARGET] + c.T_ERROR] = 0.0 if math.isnan(error) else error
    return bits | more | (0 if held or not learn else look(plan, row, scratch))


@jit
def late_label(plan, row, scratch, ident, label, known, learn):
    """A label that comes after its observation: found by id among the last LABEL_RING ones."""
    p, q = plan.ints, row.count
    for place in range(p[c.LABEL_RING] if p[c.LABEL_TASK] else 0):
        due = carray(shift(q, p[c.PLACES] + c.PLACE_WIDTH * place), c.PLACE_WIDTH)
        if due[c.PLACE_STEP] >= 0 and due[c.PLACE_IDENT] == ident:
            return c.SETTLED | receive_label(plan, row, scratch, place, label, known, learn)
    return c.UNMATCHED


@jit
def door(plan, row, time, seq, bits):
    """Duplicate and late observations stop here. Returns (outcome bits, sequence numbers lost).

    A sequence number that was seen is a duplicate unless the sender's clock has moved on: then the sender has started
    its count again. More than MOST_LATE late ones in a row are no stragglers: the clock has been set back, and is
    followed.
    """
    q, clock = row.count, shift(row.real, plan.ints[c.CLOCK])
    seen = q[c.SEEN] > 0
    if seq >= 0 and seq <= q[c.SEQ] and (bits & c.STAMPED or time <= clock[c.TIME]):
        return c.DUPLICATE, 0
    lost = min(seq - q[c.SEQ] - 1, MOST_LOST) if seq > q[c.SEQ] >= 0 else 0
    if seq >= 0:
        q[c.SEQ] = seq
    if bits & (c.LABEL_ONLY | c.WORD):
        return 0, lost
    q[c.LATENESS] = q[c.LATENESS] + 1 if seen and time < clock[c.TIME] else 0
    if 0 < q[c.LATENESS] <= MOST_LATE:
        return c.LATE, lost
    q[c.LATENESS] = 0
    return c.LEARNED, lost


@jit
def warming(plan, row):
    """Whether no target has been judged often enough yet for a score."""
    seen = 0.0
    for j in range(plan.ints[c.TARGETS]):
        seen = max(seen, row.real[plan.ints[c.WATCH] + j * c.WATCH_WIDTH + c.W_SEEN])
    return seen < plan.ints[c.WARMUP]


@jit
def deadline(plan, row):
    """The time by which the next observation should have come; NaN where none is due, or its absence was told."""
    after, q, clock = plan.reals[c.SILENCE_AFTER], row.count, shift(row.real, plan.ints[c.CLOCK])
    if after == 0.0 or q[c.OPEN] == silence.QUIET or q[c.FRESH] != 0 or clock[c.INTERVAL] <= 0.0 or warming(plan, row):
        return math.nan
    until = clock[c.TIME] + after * clock[c.INTERVAL]
    return math.nan if until < q[plan.ints[c.FEEDBACK] + c.F_MUTED] else until


@jit
def observe(plan, row, scratch, batch, i):
    """Observation i of the batch through the rooms. Returns (outcome bits, sequence numbers lost)."""
    p, q = plan.ints, row.count
    time, flags, label, ident = batch.time[i], batch.bits[i], batch.label[i], batch.ident[i]
    bits, lost = door(plan, row, time, batch.seq[i], flags)
    if flags & c.WORD and bits == 0:
        return feedback.take(shift(q, p[c.FEEDBACK]), q[c.EVENT], flags & c.WORD, ident, time), lost
    learn, known = 0 if flags & c.FREEZE else 1, at(batch.known, i * p[c.KNOWN])
    if flags & c.LABEL_ONLY and bits == 0:
        bits = late_label(plan, row, scratch, ident, label, known, learn)
        return (bits | learn_if_due(plan, row, scratch, False) if learn else bits), lost
    if bits != c.LEARNED:
        return bits, lost
    if not learn:
        bits = c.FROZEN
    bits |= flags & c.INVALID
    clock = carray(shift(row.real, p[c.CLOCK]), c.CLOCK_WIDTH)
    if q[c.SEEN] == 0:
        clock[c.TIME] = time
    event = shift(row.real, p[c.LATEST] + c.STARTED)
    bits |= silence.heard(event, q, deadline(plan, row), time, p[c.QUIET])
    skipped = scale.tick(clock, q, time)
    q[c.SEEN] += 1
    if skipped > 0:
        bits |= c.GAP
    values = at(batch.values, i * p[c.FEATURES])
    odd = outliers.look(plan, row, values)
    if odd:
        bits |= c.INVALID
    end, local = flags & c.END != 0, local_time(plan, row, known)
    if p[c.LABEL_TASK]:
        bits |= advance(plan, row, scratch, values, known, local, ident, learn)
        if not math.isnan(label):
            bits |= receive_label(plan, row, scratch, q[c.SLOT], label, known, learn)
        else:
            row.real[p[c.LATEST] + c.SCORE], row.real[p[c.LATEST] + c.TAIL_P] = math.nan, math.nan
            carray(shift(row.real, p[c.LATEST] + c.TARGETS_FROM), 3)[:] = math.nan
    else:
        bits |= receive(plan, row, scratch, values, odd, skipped, known, learn)
    if learn:
        bits |= learn_if_due(plan, row, scratch, end)
    if not p[c.LABEL_TASK]:
        bits |= advance(plan, row, scratch, values, known, local, 0, learn)
    bits |= silence.unjudged(event, q, p[c.QUIET])
    if end:
        carray(shift(row.net, p[c.MEMORY_F32]), p[c.MEMORY_LENGTH])[:] = 0
        q[c.FRESH] = 1
    return bits, lost


@jit
def skill(plan, row):
    """1 - error / error of persistence at the shortest horizon, mean over targets; NaN while unknown."""
    total, known = 0.0, 0
    for j in range(plan.ints[c.TARGETS]):
        stats = stats_of(plan, row, j, 0)
        if stats[c.COUNT] > 0 and stats[c.ERROR_LAST] > 0.0:
            total += 1.0 - stats[c.ERROR] / stats[c.ERROR_LAST]
            known += 1
    return total / known if known > 0 else math.nan


@jit
def emit(plan, row, r, bits, lost, out_ints, out_reals):
    """Write an outcome: all of it is read from the row, so that it can be told again at any time."""
    p, q = plan.ints, row.count
    latest = shift(row.real, p[c.LATEST])
    bits |= c.ANOMALY if latest[c.SCORE] >= 0.5 else 0
    bits |= c.WARMING if warming(plan, row) else 0
    out_ints[c.OUT_ROW], out_ints[c.OUT_BITS], out_ints[c.OUT_LOST] = r, bits, lost
    out_ints[c.OUT_SEQ], out_ints[c.OUT_SEVERITY] = q[c.SEEN], q[c.SEVERITY]
    out_ints[c.OUT_EVENT], out_ints[c.OUT_LEARNED] = q[c.EVENT], q[c.LEARNT]
    out_ints[c.OUT_MONITOR] = q[c.LOUDEST]
    own = shift(q, p[c.FEEDBACK])
    out_ints[c.OUT_SPOKEN], out_ints[c.OUT_WORD] = own[c.F_EVENT], own[c.F_WORD]
    out_ints[c.OUT_STEPS], out_ints[c.OUT_MUTED] = own[c.F_STEPS], own[c.F_MUTED]
    out_reals[c.OUT_TIME] = row.real[p[c.CLOCK] + c.TIME]
    out_reals[c.OUT_INTERVAL] = row.real[p[c.CLOCK] + c.INTERVAL]
    out_reals[c.OUT_SCORE], out_reals[c.OUT_TAIL] = latest[c.SCORE], latest[c.TAIL_P]
    out_reals[c.OUT_STARTED], out_reals[c.OUT_SKILL] = latest[c.STARTED], skill(plan, row)
    n, horizons = p[c.TARGETS], p[c.HORIZONS]
    at_out = c.OUT_FORECAST
    for j in range(n):
        for k in range(horizons):
            place = q[c.SLOT] if p[c.LABEL_TASK] else plan.slots[k] + q[c.STEP] % plan.horizons[k]
            f = pending(plan, row, place, j)
            known = q[c.SEEN] > 0 and not math.isnan(f[c.MIXED])
            out_reals[at_out] = f[c.MIXED] if known else math.nan
            out_reals[at_out + 1] = f[c.LOWER] if known else math.nan
            out_reals[at_out + 2] = f[c.UPPER] if known else math.nan
            at_out += 3
    for i in range(n * (4 + p[c.EXPERTS])):
        out_reals[at_out + i] = latest[c.TARGETS_FROM + i]
    if p[c.DETECTORS] > 0:
        for i in range(c.DRIFT_TOLD):
            out_reals[at_out + n * (4 + p[c.EXPERTS]) + i] = row.real[p[c.DRIFT] + i]


@jit
def run(places, real, order, batch, changed, stamp, out_ints, out_reals):
    """The observations of a batch whose indices stand in `order`, in that order. Only planes, scratch, outcomes and
    `changed` are written.

    places: table.addresses; real: any array of the network's precision; batch: table.Batch; changed (streams): gets
    `stamp` where it is 0; out_ints (N, OUT_WIDTH), out_reals (N, OUT_FORECAST + 3 T K + 3 T +
    T (E + 1), and DRIFT_TOLD where there are detectors).
    """
    plan, planes, scratch = borrow(places, real, batch.time, batch.seq)
    for i in order:
        r = batch.row[i]
        row = view(plan, planes, r)
        bits, lost = observe(plan, row, scratch, batch, i)
        emit(plan, row, r, bits, lost, at(out_ints, i * c.OUT_WIDTH), at(out_reals, i * out_reals.shape[1]))
        if changed[r] == 0:
            changed[r] = stamp


@jit
def tell(places, real, rows, out_ints, out_reals):
    """The outcomes of `rows` (N) again, from the rows alone: nothing is learned, nothing moves."""
    plan, planes, _ = borrow(places, real, out_reals, rows)
    for i in range(len(rows)):
        row = view(plan, planes, rows[i])
        emit(plan, row, rows[i], 0, 0, at(out_ints, i * c.OUT_WIDTH), at(out_reals, i * out_reals.shape[1]))


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
            bits = silence.begin(shift(row.real, p[c.LATEST] + c.STARTED), row.count, until)
            if changed[rows[i]] == 0:
                changed[rows[i]] = stamp
        reals = at(out_reals, i * out_reals.shape[1])
        emit(plan, row, rows[i], bits, 0, at(out_ints, i * c.OUT_WIDTH), reals)
        reals[c.OUT_TIME] = until
        n, behind = p[c.TARGETS], c.OUT_FORECAST + 3 * p[c.TARGETS] * p[c.HORIZONS]
        for j in range(n):
            reals[behind + j] = reals[c.OUT_FORECAST + 3 * j * p[c.HORIZONS]]
            reals[behind + n + j], reals[behind + 2 * n + j] = math.nan, math.nan
