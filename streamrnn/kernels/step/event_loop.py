"""The step of a model of events: a batch in, outcomes out, one call from Python.

    settle   what was foretold against the symbol (and the time) that has come: bits, rank, session
    judge    surprise and lateness -> anomaly score, events
    learn    context tables, mix, vocabulary; back through the tape every `stride` events
    advance  the symbol and its context -> layers -> logits; then the next distribution

What was foretold is not stored but worked out again when its answer comes, unless the same stream was the last one: it
depends on the row alone, so both give the same bits. With pooled weights the row that counts is the pool's as it stands
when the event comes.
"""

import math

from numba import carray

from streamrnn.kernels.core import arrays
from streamrnn.kernels.core.call import at, call, point, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import (
    Calibration,
    Clock,
    Contexts,
    Count,
    EventCount,
    EventLatest,
    EventTail,
    Lapse,
    Running,
    Session,
)
from streamrnn.kernels.core.outcomes import Bit, EventInt, EventReal, Flag, OutInt, OutReal
from streamrnn.kernels.core.program import Program, Reals
from streamrnn.kernels.experts import blend, context, vocabulary
from streamrnn.kernels.heads import categorical
from streamrnn.kernels.learning import event_network
from streamrnn.kernels.monitors import anomaly_event
from streamrnn.kernels.monitors.event_score import add_up, conclude, judge, tail_of
from streamrnn.kernels.step import scale
from streamrnn.kernels.step.loop import door, view

SOONEST = 1e-3  # seconds, added to every time between events before its logarithm
SLOW = 0.001  # rate of running figures


@jit
def borrow(places, f32, f64, i64):
    """Plan, planes and scratch from their addresses; the three arrays tell the types of numbers."""
    plan = arrays.EventPlan(
        point(places[0], i64),
        point(places[1], i64),
        point(places[2], i64),
        point(places[3], i64),
        point(places[4], f64),
    )
    planes = arrays.Planes(
        point(places[5], f32),
        point(places[6], f64),
        point(places[7], i64),
        point(places[8], f32),
        point(places[9], i64),
    )
    return plan, planes, arrays.EventScratch(point(places[10], f32), point(places[11], f64), point(places[12], i64))


@jit
def foretell(plan, row, scratch, r):
    """The distribution of the row's next symbol, into the scratch. Nothing of the row moves."""
    p = plan.ints
    n = row.counts[p[Program.KNOWN_SYMBOLS]]
    context.predict(plan, row, scratch, n)
    t = row.count[Count.POSITION] - 1
    blend.network_logs(
        plan, scratch, carray(shift(row.net, p[Program.RAW] + t * p[Program.OUTPUTS]), p[Program.OUTPUTS]), n
    )
    blend.mix(plan, row, scratch, n)
    scratch.own[0] = r


@jit
def blank(plan, row):
    """Inputs of the network, all zero."""
    x = carray(shift(row.net, plan.ints[Program.INPUT]), plan.ints[Program.INPUTS])
    x[:] = 0
    return x


@jit
def start(plan, row, scratch):
    """A session begins: empty state and history, and one step of the network that says so."""
    p = plan.ints
    carray(shift(row.net, p[Program.MEMORY_F32]), p[Program.MEMORY_LENGTH])[:] = 0
    carray(shift(row.count, p[Program.RECENT]), Contexts.REACH)[:] = -1
    row.count[EventCount.IN_SESSION], row.count[Count.FRESH] = 0, 1
    x = blank(plan, row)
    x[p[Program.SYMBOLS] + 2 * p[Program.NUMBERS] + 2] = 1
    event_network.forward(plan, row, scratch)


@jit
def remember(plan, row, s):
    """The symbol joins the history."""
    history = carray(shift(row.count, plan.ints[Program.RECENT]), Contexts.REACH)
    for j in range(Contexts.REACH - 1):
        history[Contexts.REACH - 1 - j] = history[Contexts.REACH - 2 - j]
    history[0] = s
    row.count[EventCount.IN_SESSION] += 1


@jit
def advance(plan, row, scratch, s, numbers, lapse):
    """One step of the network with symbol s, its numeric context and the standardised elapsed time (NaN: unknown)."""
    p = plan.ints
    x, V, missing = blank(plan, row), p[Program.SYMBOLS], 0
    x[s] = 1
    for f in range(p[Program.NUMBERS]):
        record = carray(shift(row.real, p[Program.NUMERIC] + 3 * f), 3)
        v = numbers[f]
        if math.isnan(v):
            x[V + 2 * f + 1] = 1
            missing += 1
            continue
        track(record, v)
        x[V + 2 * f] = scale.standardise(v, record[Lapse.MEAN], record[Lapse.VARIANCE])
    last = V + 2 * p[Program.NUMBERS]
    if math.isnan(lapse):
        x[last + 1] = 1
    else:
        x[last] = lapse
    event_network.forward(plan, row, scratch)
    return missing


@jit
def track(record, v):
    """One more value into a record of running mean, variance and count."""
    record[Lapse.COUNT] += 1
    rate = max(SLOW, 1.0 / record[Lapse.COUNT])
    record[Lapse.MEAN], record[Lapse.VARIANCE] = scale.moments(record[Lapse.MEAN], record[Lapse.VARIANCE], v, rate)


@jit
def elapsed(plan, row, flags, time):
    """Log of the seconds since the session's last event; NaN at its start and when the sender gives no times."""
    if row.count[EventCount.IN_SESSION] == 0 or flags & Flag.STAMPED:
        return math.nan
    return math.log(max(time - row.real[plan.ints[Program.CLOCK] + Clock.TIME], 0.0) + SOONEST)


@jit
def settle(plan, row, scratch, s, n):
    """Write what symbol s was given into the latest outcome and the running figures. Returns its bits."""
    p = plan.ints
    V, K = p[Program.SYMBOLS], p[Program.TABLES]
    final = carray(shift(scratch.f32, p[Program.SCRATCH_FINAL]), V)
    latest = shift(row.real, p[Program.LATEST])
    bits = -math.log2(float(final[s]))
    latest[EventLatest.SURPRISE], latest[EventLatest.SHARE], latest[EventLatest.RANKED] = (
        bits,
        final[s],
        categorical.rank(final, s, n),
    )
    latest[EventLatest.CAME] = s
    best = categorical.best(final, n)
    latest[EventLatest.PREDICTED], latest[EventLatest.PREDICTED_SHARE] = best, final[best]
    end = vocabulary.find(plan, row, vocabulary.END)
    latest[EventLatest.END_SHARE] = final[end] if end > 0 else 0.0
    running = carray(shift(row.params, p[Program.RUNNING]), K + 1 + Running.WIDTH)
    figures = running[K + 1 :]
    figures[Running.COUNT] += 1
    rate = max(SLOW, 1.0 / figures[Running.COUNT])
    for m in range(K + 1):
        cost = -float(scratch.f32[p[Program.SCRATCH_LOGS] + m * V + s]) / math.log(2.0)
        running[m] += rate * (cost - running[m])
        if m >= K - 1:
            latest[EventLatest.NETWORK_BITS if m == K else EventLatest.TABLE_BITS] = cost
    figures[Running.MIXED] += rate * (bits - figures[Running.MIXED])
    figures[Running.TOP1] += rate * ((latest[EventLatest.RANKED] <= 1.0) - figures[Running.TOP1])
    figures[Running.TOPK] += rate * ((latest[EventLatest.RANKED] <= p[Program.SHOWN]) - figures[Running.TOPK])
    figures[Running.UNSEEN] += rate * ((s == 0) - figures[Running.UNSEEN])
    return bits


@jit
def teach(plan, row, scratch, s, n, lapse):
    """Write the gradient at the tape's last row. Returns how many sds after its median the event came, NaN unknown."""
    p, q = plan.ints, row.count
    t = q[Count.POSITION] - 1
    V, o = p[Program.SYMBOLS], p[Program.OUTPUTS]
    gradient, out = shift(row.net, p[Program.GRADIENT] + t * o), shift(row.net, p[Program.RAW] + t * o)
    network = carray(shift(scratch.f32, p[Program.SCRATCH_SHARES] + (p[Program.TABLES] + 1) * V), V)
    categorical.grad(network, s, carray(gradient, o), n)
    late = math.nan
    if not math.isnan(lapse):
        reals = shift(plan.reals, Reals.HEAD)
        call(p[Program.HEAD_GRAD], 2, shift(out, V), lapse, shift(gradient, V), reals, scratch.f64)
        late = (lapse - out[V]) / math.exp(min(max(float(out[V + 1]), -4.0), 4.0))
    number = q[Count.WRITTEN] - 1
    if q[Count.LABELS] == 0:
        q[Count.OLDEST] = number
    q[Count.NEWEST] = number
    q[Count.LABELS] += 1
    q[Count.LEARNT] += 1
    return late


@jit
def standard_lapse(plan, row, lapse):
    """The elapsed time in standard units, as it was before this event moved them; then it does."""
    if math.isnan(lapse):
        return lapse
    record = carray(shift(row.params, plan.ints[Program.LAPSE]), 3)
    z = scale.standardise(lapse, record[Lapse.MEAN], record[Lapse.VARIANCE])
    track(record, lapse)
    return z


@jit
def receive(plan, row, scratch, r, digest, end, lapse):
    """Settle, judge and learn one symbol. Returns (outcome bits, symbol, itself again if it was just admitted)."""
    p, q = plan.ints, row.count
    n, s = row.counts[p[Program.KNOWN_SYMBOLS]], vocabulary.find(plan, row, digest)
    if scratch.own[0] != r:
        foretell(plan, row, scratch, r)
    cost = settle(plan, row, scratch, s, n)
    late = teach(plan, row, scratch, s, n, lapse)
    bits = judge(plan, row, cost, late)
    blend.learn(plan, row, scratch, s, n)
    context.count(plan, row, scratch, s)
    if not end and (q[Count.SEEN] + q[Count.PHASE]) % p[Program.STRIDE] == 0:
        bits |= event_network.learn(plan, row, scratch)
    admitted = vocabulary.admit(plan, row, digest) if s == 0 else 0
    s = max(s, admitted)
    add_up(plan, row, scratch, s, cost, n)
    return bits, s, admitted


@jit
def finish(plan, row, scratch, r):
    """The session ends behind the last event: settle and learn that, judge the session, begin another.

    The end is a symbol like any other, which the first one admits. Returns the outcome's bits.
    """
    p = plan.ints
    n, s = row.counts[p[Program.KNOWN_SYMBOLS]], vocabulary.find(plan, row, vocabulary.END)
    if s == 0:
        vocabulary.admit(plan, row, vocabulary.END)
    else:
        foretell(plan, row, scratch, r)
        final = carray(shift(scratch.f32, p[Program.SCRATCH_FINAL]), p[Program.SYMBOLS])
        add_up(plan, row, scratch, s, -math.log2(float(final[s])), n)
        teach(plan, row, scratch, s, n, math.nan)
        blend.learn(plan, row, scratch, s, n)
        context.count(plan, row, scratch, s)
    bits = event_network.learn(plan, row, scratch) | conclude(plan, row)
    start(plan, row, scratch)
    return bits


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
    return now + after * (when(plan, row, plan.reals[Reals.START_QUANTILE]) - now)


@jit
def observe(plan, row, scratch, r, batch, i):
    """Event i of the batch through the rooms. Returns (outcome bits, sequence numbers lost, symbol just admitted)."""
    p, q, flags, time = plan.ints, row.count, batch.bits[i], batch.time[i]
    bits, lost = door(plan, row, time, batch.seq[i], flags)
    if bits != Bit.LEARNED:
        return bits, lost, 0
    clock = carray(shift(row.real, p[Program.CLOCK]), Clock.WIDTH)
    if q[Count.SEEN] == 0:
        clock[Clock.TIME] = time
        start(plan, row, scratch)
    latest = shift(row.real, p[Program.LATEST])
    bits |= anomaly_event.heard(latest, q, deadline(plan, row), time, p[Program.QUIET])
    session = carray(shift(row.real, p[Program.SESSION]), Session.WIDTH)
    if q[EventCount.IN_SESSION] == 0:
        session[:] = 0
        session[Session.BEGAN], session[Session.SCORE], session[Session.TAIL] = time, math.nan, math.nan
    session[Session.COUNT] += 1
    lapse = standard_lapse(plan, row, elapsed(plan, row, flags, time))
    scale.tick(clock, q, time)
    q[Count.SEEN] += 1
    more, s, admitted = receive(plan, row, scratch, r, batch.ident[i], flags & Flag.END != 0, lapse)
    remember(plan, row, s)
    if advance(plan, row, scratch, s, at(batch.values, i * p[Program.NUMBERS]), lapse) > 0:
        bits |= Bit.MISSING
    bits |= anomaly_event.unjudged(latest, q, p[Program.QUIET])
    if flags & Flag.END:
        bits |= finish(plan, row, scratch, r)
    scratch.own[0] = -1
    return bits | more, lost, admitted


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
    """Write an outcome; what is foretold is worked out here, unless it still lies there."""
    p, q = plan.ints, row.count
    latest, session = shift(row.real, p[Program.LATEST]), shift(row.real, p[Program.SESSION])
    bits |= Bit.ANOMALY if latest[EventLatest.SCORE] >= 0.5 else 0
    bits |= Bit.WARMING if warming(plan, row) else 0
    out_ints[OutInt.ROW], out_ints[OutInt.BITS], out_ints[OutInt.SEQUENCE_GAP] = r, bits, lost
    out_ints[OutInt.SEQ], out_ints[OutInt.SEVERITY] = q[Count.SEEN], q[Count.SEVERITY]
    out_ints[OutInt.EVENT], out_ints[OutInt.LEARNED], out_ints[OutInt.MONITOR] = q[Count.EVENT], q[Count.LEARNT], 0
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
        foretell(plan, row, scratch, r)
    final = carray(shift(scratch.f32, p[Program.SCRATCH_FINAL]), p[Program.SYMBOLS])
    categorical.likeliest(final, row.counts[p[Program.KNOWN_SYMBOLS]], shown, p[Program.SHOWN])
    for k in range(p[Program.SHOWN]):
        out_reals[EventReal.NEXT_SHARES + k] = final[shown[k]] if shown[k] >= 0 else math.nan
    out_reals[EventReal.EXPECTED] = when(plan, row, 0.0)
    out_reals[EventReal.OVERDUE] = when(plan, row, plan.reals[Reals.START_QUANTILE])


@jit
def run(places, real, order, batch, changed, stamp, out_ints, out_reals):
    """The events of a batch whose indices stand in `order`, in that order; as step.run.

    batch: table.Batch, its `ident` the digests of the symbols; out_ints (N, OUT_NEXT + SHOWN), out_reals (N,
    OUT_NEXT_SHARES + SHOWN).
    """
    plan, planes, scratch = borrow(places, real, batch.time, batch.seq)
    scratch.own[0] = -1
    for i in order:
        r = batch.row[i]
        row = view(plan, planes, r)
        bits, lost, admitted = observe(plan, row, scratch, r, batch, i)
        told, numbers = at(out_ints, i * out_ints.shape[1]), at(out_reals, i * out_reals.shape[1])
        emit(plan, row, scratch, r, bits, lost, admitted, told, numbers)
        if changed[r] == 0:
            changed[r] = stamp


@jit
def tell(places, real, rows, out_ints, out_reals):
    """The outcomes of `rows` (N) again, from the rows alone: nothing is learned, nothing moves."""
    plan, planes, scratch = borrow(places, real, out_reals, rows)
    for i in range(len(rows)):
        scratch.own[0] = -1
        row = view(plan, planes, rows[i])
        told, numbers = at(out_ints, i * out_ints.shape[1]), at(out_reals, i * out_reals.shape[1])
        emit(plan, row, scratch, rows[i], 0, 0, 0, told, numbers)


@jit
def wait(places, real, rows, changed, stamp, out_ints, out_reals):
    """Nothing has come from the streams of `rows` (N) by their deadlines: their outcomes say so, at those times.

    A row for which no deadline stands is left as it is, its outcome has no bit. `foretold` is the event that did not
    come.
    """
    plan, planes, scratch = borrow(places, real, out_reals, rows)
    for i in range(len(rows)):
        scratch.own[0] = -1
        row = view(plan, planes, rows[i])
        until, bits = deadline(plan, row), 0
        if not math.isnan(until):
            bits = anomaly_event.silent(shift(row.real, plan.ints[Program.LATEST]), row.count, until)
            if changed[rows[i]] == 0:
                changed[rows[i]] = stamp
        told, numbers = at(out_ints, i * out_ints.shape[1]), at(out_reals, i * out_reals.shape[1])
        emit(plan, row, scratch, rows[i], bits, 0, 0, told, numbers)
        numbers[OutReal.TIME] = until
        told[EventInt.PREDICTED], numbers[EventReal.PREDICTED_SHARE] = (
            told[EventInt.NEXT],
            numbers[EventReal.NEXT_SHARES],
        )
