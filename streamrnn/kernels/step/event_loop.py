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

from streamrnn.kernels.core import event_table as e
from streamrnn.kernels.core import table as c
from streamrnn.kernels.core.call import at, call, point, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.experts import blend, context, vocabulary
from streamrnn.kernels.heads import categorical
from streamrnn.kernels.learning import event_network
from streamrnn.kernels.monitors import silence
from streamrnn.kernels.monitors.event_score import add_up, conclude, judge, tail_of
from streamrnn.kernels.step import scale
from streamrnn.kernels.step.loop import door, view

SOONEST = 1e-3  # seconds, added to every time between events before its logarithm
SLOW = 0.001  # rate of running figures


@jit
def borrow(places, f32, f64, i64):
    """Plan, planes and scratch from their addresses; the three arrays tell the types of numbers."""
    plan = e.Plan(
        point(places[0], i64),
        point(places[1], i64),
        point(places[2], i64),
        point(places[3], i64),
        point(places[4], f64),
    )
    planes = c.Planes(
        point(places[5], f32),
        point(places[6], f64),
        point(places[7], i64),
        point(places[8], f32),
        point(places[9], i64),
    )
    return plan, planes, e.Scratch(point(places[10], f32), point(places[11], f64), point(places[12], i64))


@jit
def foretell(plan, row, scratch, r):
    """The distribution of the row's next symbol, into the scratch. Nothing of the row moves."""
    p = plan.ints
    n = row.counts[p[e.KNOWN]]
    context.predict(plan, row, scratch, n)
    t = row.count[c.POSITION] - 1
    blend.network_logs(plan, scratch, carray(shift(row.net, p[c.RAW] + t * p[c.OUTPUTS]), p[c.OUTPUTS]), n)
    blend.mix(plan, row, scratch, n)
    scratch.own[0] = r


@jit
def blank(plan, row):
    """Inputs of the network, all zero."""
    x = carray(shift(row.net, plan.ints[c.INPUT]), plan.ints[c.INPUTS])
    x[:] = 0
    return x


@jit
def start(plan, row, scratch):
    """A session begins: empty state and history, and one step of the network that says so."""
    p = plan.ints
    carray(shift(row.net, p[c.MEMORY_F32]), p[c.MEMORY_LENGTH])[:] = 0
    carray(shift(row.count, p[e.HISTORY]), e.REACH)[:] = -1
    row.count[e.TOLD], row.count[c.FRESH] = 0, 1
    x = blank(plan, row)
    x[p[e.SYMBOLS] + 2 * p[e.NUMBERS] + 2] = 1
    event_network.forward(plan, row, scratch)


@jit
def remember(plan, row, s):
    """The symbol joins the history."""
    history = carray(shift(row.count, plan.ints[e.HISTORY]), e.REACH)
    for j in range(e.REACH - 1):
        history[e.REACH - 1 - j] = history[e.REACH - 2 - j]
    history[0] = s
    row.count[e.TOLD] += 1


@jit
def advance(plan, row, scratch, s, numbers, lapse):
    """One step of the network with symbol s, its numeric context and the standardised elapsed time (NaN: unknown)."""
    p = plan.ints
    x, V, missing = blank(plan, row), p[e.SYMBOLS], 0
    x[s] = 1
    for f in range(p[e.NUMBERS]):
        record = carray(shift(row.real, p[e.NUMERIC] + 3 * f), 3)
        v = numbers[f]
        if math.isnan(v):
            x[V + 2 * f + 1] = 1
            missing += 1
            continue
        track(record, v)
        x[V + 2 * f] = scale.standardise(v, record[e.L_MEAN], record[e.L_VARIANCE])
    last = V + 2 * p[e.NUMBERS]
    if math.isnan(lapse):
        x[last + 1] = 1
    else:
        x[last] = lapse
    event_network.forward(plan, row, scratch)
    return missing


@jit
def track(record, v):
    """One more value into a record of running mean, variance and count."""
    record[e.L_COUNT] += 1
    rate = max(SLOW, 1.0 / record[e.L_COUNT])
    record[e.L_MEAN], record[e.L_VARIANCE] = scale.moments(record[e.L_MEAN], record[e.L_VARIANCE], v, rate)


@jit
def elapsed(plan, row, flags, time):
    """Log of the seconds since the session's last event; NaN at its start and when the sender gives no times."""
    if row.count[e.TOLD] == 0 or flags & c.STAMPED:
        return math.nan
    return math.log(max(time - row.real[plan.ints[c.CLOCK] + c.TIME], 0.0) + SOONEST)


@jit
def settle(plan, row, scratch, s, n):
    """Write what symbol s was given into the latest outcome and the running figures. Returns its bits."""
    p = plan.ints
    V, K = p[e.SYMBOLS], p[e.TABLES]
    final = carray(shift(scratch.f32, p[e.SCRATCH_FINAL]), V)
    latest = shift(row.real, p[c.LATEST])
    bits = -math.log2(float(final[s]))
    latest[e.SURPRISE], latest[e.SHARE], latest[e.RANKED] = bits, final[s], categorical.rank(final, s, n)
    latest[e.CAME] = s
    best = categorical.best(final, n)
    latest[e.FORETOLD], latest[e.FORETOLD_SHARE] = best, final[best]
    end = vocabulary.find(plan, row, vocabulary.END)
    latest[e.END_SHARE] = final[end] if end > 0 else 0.0
    running = carray(shift(row.params, p[e.RUNNING]), K + 1 + e.RUNNING_WIDTH)
    figures = running[K + 1 :]
    figures[e.R_COUNT] += 1
    rate = max(SLOW, 1.0 / figures[e.R_COUNT])
    for m in range(K + 1):
        cost = -float(scratch.f32[p[e.SCRATCH_LOGS] + m * V + s]) / math.log(2.0)
        running[m] += rate * (cost - running[m])
        if m >= K - 1:
            latest[e.NETWORK_BITS if m == K else e.TABLE_BITS] = cost
    figures[e.R_MIXED] += rate * (bits - figures[e.R_MIXED])
    figures[e.R_TOP1] += rate * ((latest[e.RANKED] <= 1.0) - figures[e.R_TOP1])
    figures[e.R_TOPK] += rate * ((latest[e.RANKED] <= p[e.SHOWN]) - figures[e.R_TOPK])
    figures[e.R_UNSEEN] += rate * ((s == 0) - figures[e.R_UNSEEN])
    return bits


@jit
def teach(plan, row, scratch, s, n, lapse):
    """Write the gradient at the tape's last row. Returns how many sds after its median the event came, NaN unknown."""
    p, q = plan.ints, row.count
    t = q[c.POSITION] - 1
    V, o = p[e.SYMBOLS], p[c.OUTPUTS]
    gradient, out = shift(row.net, p[c.GRADIENT] + t * o), shift(row.net, p[c.RAW] + t * o)
    network = carray(shift(scratch.f32, p[e.SCRATCH_SHARES] + (p[e.TABLES] + 1) * V), V)
    categorical.grad(network, s, carray(gradient, o), n)
    late = math.nan
    if not math.isnan(lapse):
        reals = shift(plan.reals, c.HEAD_REALS)
        call(p[c.HEAD_GRAD], 2, shift(out, V), lapse, shift(gradient, V), reals, scratch.f64)
        late = (lapse - out[V]) / math.exp(min(max(float(out[V + 1]), -4.0), 4.0))
    number = q[c.WRITTEN] - 1
    if q[c.LABELS] == 0:
        q[c.OLDEST] = number
    q[c.NEWEST] = number
    q[c.LABELS] += 1
    q[c.LEARNT] += 1
    return late


@jit
def standard_lapse(plan, row, lapse):
    """The elapsed time in standard units, as it was before this event moved them; then it does."""
    if math.isnan(lapse):
        return lapse
    record = carray(shift(row.params, plan.ints[e.LAPSE]), 3)
    z = scale.standardise(lapse, record[e.L_MEAN], record[e.L_VARIANCE])
    track(record, lapse)
    return z


@jit
def receive(plan, row, scratch, r, digest, end, lapse):
    """Settle, judge and learn one symbol. Returns (outcome bits, symbol, itself again if it was just admitted)."""
    p, q = plan.ints, row.count
    n, s = row.counts[p[e.KNOWN]], vocabulary.find(plan, row, digest)
    if scratch.own[0] != r:
        foretell(plan, row, scratch, r)
    cost = settle(plan, row, scratch, s, n)
    late = teach(plan, row, scratch, s, n, lapse)
    bits = judge(plan, row, cost, late)
    blend.learn(plan, row, scratch, s, n)
    context.count(plan, row, scratch, s)
    if not end and (q[c.SEEN] + q[c.PHASE]) % p[c.STRIDE] == 0:
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
    n, s = row.counts[p[e.KNOWN]], vocabulary.find(plan, row, vocabulary.END)
    if s == 0:
        vocabulary.admit(plan, row, vocabulary.END)
    else:
        foretell(plan, row, scratch, r)
        final = carray(shift(scratch.f32, p[e.SCRATCH_FINAL]), p[e.SYMBOLS])
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
    return tail_of(plan, row, e.TAIL_BITS)[e.TAIL_SEEN] + 1 < plan.ints[c.WARMUP]


@jit
def when(plan, row, deviations):
    """The time by which the next event is expected, so many sds after the median; NaN while there is none to tell."""
    p = plan.ints
    record = carray(shift(row.params, p[e.LAPSE]), 3)
    if row.count[e.TOLD] == 0 or record[e.L_COUNT] < 2:
        return math.nan
    out = shift(row.net, p[c.RAW] + (row.count[c.POSITION] - 1) * p[c.OUTPUTS] + p[e.SYMBOLS])
    z = float(out[0]) + deviations * math.exp(min(max(float(out[1]), -4.0), 4.0))
    log = record[e.L_MEAN] + math.sqrt(record[e.L_VARIANCE]) * z
    return row.real[p[c.CLOCK] + c.TIME] + max(math.exp(min(log, 25.0)) - SOONEST, 0.0)


@jit
def deadline(plan, row):
    """The time by which the next event should have come; NaN where none is due, or its absence was told."""
    after = plan.reals[c.SILENCE_AFTER]
    if after == 0.0 or row.count[c.OPEN] == silence.QUIET or warming(plan, row):
        return math.nan
    now = row.real[plan.ints[c.CLOCK] + c.TIME]
    return now + after * (when(plan, row, plan.reals[c.START_QUANTILE]) - now)


@jit
def observe(plan, row, scratch, r, batch, i):
    """Event i of the batch through the rooms. Returns (outcome bits, sequence numbers lost, symbol just admitted)."""
    p, q, flags, time = plan.ints, row.count, batch.bits[i], batch.time[i]
    bits, lost = door(plan, row, time, batch.seq[i], flags)
    if bits != c.LEARNED:
        return bits, lost, 0
    clock = carray(shift(row.real, p[c.CLOCK]), c.CLOCK_WIDTH)
    if q[c.SEEN] == 0:
        clock[c.TIME] = time
        start(plan, row, scratch)
    event = shift(row.real, p[c.LATEST] + e.STARTED)
    bits |= silence.heard(event, q, deadline(plan, row), time, p[c.QUIET])
    session = carray(shift(row.real, p[e.SESSION]), e.SESSION_WIDTH)
    if q[e.TOLD] == 0:
        session[:] = 0
        session[e.S_BEGAN], session[e.S_SCORE], session[e.S_TAIL] = time, math.nan, math.nan
    session[e.S_COUNT] += 1
    lapse = standard_lapse(plan, row, elapsed(plan, row, flags, time))
    scale.tick(clock, q, time)
    q[c.SEEN] += 1
    more, s, admitted = receive(plan, row, scratch, r, batch.ident[i], flags & c.END != 0, lapse)
    remember(plan, row, s)
    if advance(plan, row, scratch, s, at(batch.values, i * p[e.NUMBERS]), lapse) > 0:
        bits |= c.MISSING
    bits |= silence.unjudged(event, q, p[c.QUIET])
    if flags & c.END:
        bits |= finish(plan, row, scratch, r)
    scratch.own[0] = -1
    return bits | more, lost, admitted


@jit
def skill(plan, row):
    """1 - bits / bits of the best table, running; NaN while unknown."""
    p = plan.ints
    K = p[e.TABLES]
    running = carray(shift(row.params, p[e.RUNNING]), K + 1 + e.RUNNING_WIDTH)
    best = running[0]
    for k in range(1, K):
        best = min(best, running[k])
    return 1.0 - running[K + 1 + e.R_MIXED] / best if best > 0.0 else math.nan


@jit
def emit(plan, row, scratch, r, bits, lost, admitted, out_ints, out_reals):
    """Write an outcome; what is foretold is worked out here, unless it still lies there."""
    p, q = plan.ints, row.count
    latest, session = shift(row.real, p[c.LATEST]), shift(row.real, p[e.SESSION])
    bits |= c.ANOMALY if latest[e.SCORE] >= 0.5 else 0
    bits |= c.WARMING if warming(plan, row) else 0
    out_ints[c.OUT_ROW], out_ints[c.OUT_BITS], out_ints[c.OUT_LOST] = r, bits, lost
    out_ints[c.OUT_SEQ], out_ints[c.OUT_SEVERITY] = q[c.SEEN], q[c.SEVERITY]
    out_ints[c.OUT_EVENT], out_ints[c.OUT_LEARNED], out_ints[c.OUT_MONITOR] = q[c.EVENT], q[c.LEARNT], 0
    out_ints[e.OUT_SYMBOL], out_ints[e.OUT_RANK] = int(latest[e.CAME]), int(latest[e.RANKED])
    out_ints[e.OUT_KNOWN], out_ints[e.OUT_ADMITTED] = row.counts[p[e.KNOWN]], admitted
    out_ints[e.OUT_FORETOLD], out_ints[e.OUT_LENGTH] = int(latest[e.FORETOLD]), int(session[e.S_COUNT])
    out_ints[e.OUT_WORST_PLACE], out_ints[e.OUT_WORST_SYMBOL] = int(session[e.S_PLACE]), int(session[e.S_CAME])
    out_ints[e.OUT_WORST_FORETOLD] = int(session[e.S_FORETOLD])
    out_ints[e.OUT_SESSION_SEVERITY] = int(session[e.S_SEVERITY])
    out_reals[c.OUT_TIME] = row.real[p[c.CLOCK] + c.TIME]
    out_reals[c.OUT_INTERVAL] = row.real[p[c.CLOCK] + c.INTERVAL]
    out_reals[c.OUT_SCORE], out_reals[c.OUT_TAIL] = latest[e.SCORE], latest[e.TAIL]
    out_reals[c.OUT_STARTED], out_reals[c.OUT_SKILL] = latest[e.STARTED], skill(plan, row)
    out_reals[e.OUT_SHARE], out_reals[e.OUT_SURPRISE] = latest[e.SHARE], latest[e.SURPRISE]
    out_reals[e.OUT_NETWORK], out_reals[e.OUT_TABLE] = latest[e.NETWORK_BITS], latest[e.TABLE_BITS]
    out_reals[e.OUT_FORETOLD_SHARE] = latest[e.FORETOLD_SHARE]
    out_reals[e.OUT_LATENESS], out_reals[e.OUT_BY_TIME] = latest[e.LATENESS], latest[e.BY_TIME]
    out_reals[e.OUT_SUM], out_reals[e.OUT_WORST] = session[e.S_SUM], session[e.S_WORST]
    out_reals[e.OUT_SESSION_SCORE], out_reals[e.OUT_SESSION_TAIL] = session[e.S_SCORE], session[e.S_TAIL]
    out_reals[e.OUT_WORST_FORETOLD_SHARE], out_reals[e.OUT_BEGAN] = session[e.S_FORETOLD_SHARE], session[e.S_BEGAN]
    out_reals[e.OUT_BY_WORST], out_reals[e.OUT_END_SHARE] = session[e.S_BY_WORST], latest[e.END_SHARE]
    show(plan, row, scratch, r, out_ints, out_reals)


@jit
def show(plan, row, scratch, r, out_ints, out_reals):
    """The likeliest next symbols and the expected time."""
    p = plan.ints
    shown = carray(shift(out_ints, e.OUT_NEXT), p[e.SHOWN])
    if row.count[c.SEEN] == 0:
        shown[:] = -1
        out_reals[e.OUT_EXPECTED], out_reals[e.OUT_OVERDUE] = math.nan, math.nan
        carray(shift(out_reals, e.OUT_NEXT_SHARES), p[e.SHOWN])[:] = math.nan
        return
    if scratch.own[0] != r:
        foretell(plan, row, scratch, r)
    final = carray(shift(scratch.f32, p[e.SCRATCH_FINAL]), p[e.SYMBOLS])
    categorical.likeliest(final, row.counts[p[e.KNOWN]], shown, p[e.SHOWN])
    for k in range(p[e.SHOWN]):
        out_reals[e.OUT_NEXT_SHARES + k] = final[shown[k]] if shown[k] >= 0 else math.nan
    out_reals[e.OUT_EXPECTED] = when(plan, row, 0.0)
    out_reals[e.OUT_OVERDUE] = when(plan, row, plan.reals[c.START_QUANTILE])


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
            bits = silence.begin(shift(row.real, plan.ints[c.LATEST] + e.STARTED), row.count, until)
            if changed[rows[i]] == 0:
                changed[rows[i]] = stamp
        told, numbers = at(out_ints, i * out_ints.shape[1]), at(out_reals, i * out_reals.shape[1])
        emit(plan, row, scratch, rows[i], bits, 0, 0, told, numbers)
        numbers[c.OUT_TIME] = until
        told[e.OUT_FORETOLD], numbers[e.OUT_FORETOLD_SHARE] = told[e.OUT_NEXT], numbers[e.OUT_NEXT_SHARES]
