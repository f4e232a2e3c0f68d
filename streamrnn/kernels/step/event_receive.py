"""One symbol of a stream: settle, judge and learn it, then advance the network over it."""

import math

from numba import carray

from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import (
    Clock,
    Contexts,
    Count,
    EventCount,
    EventLatest,
    Lapse,
    Running,
)
from streamrnn.kernels.core.outcomes import Flag
from streamrnn.kernels.core.program import Program, Reals
from streamrnn.kernels.experts import blend, context, vocabulary
from streamrnn.kernels.heads import categorical
from streamrnn.kernels.learning import event_network
from streamrnn.kernels.monitors.event_score import add_up, conclude, judge
from streamrnn.kernels.step import scale

SOONEST = 1e-3  # seconds, added to every time between events before its logarithm
SLOW = 0.001  # rate of running figures


@jit
def predict(plan, row, scratch, r):
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
def advance(plan, row, scratch, s, numbers, lapse, learn):
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
        if learn:
            track(record, v, plan.reals[Reals.SCALE_RATE])
        x[V + 2 * f] = scale.standardise(v, record[Lapse.MEAN], record[Lapse.VARIANCE])
    last = V + 2 * p[Program.NUMBERS]
    if math.isnan(lapse):
        x[last + 1] = 1
    else:
        x[last] = lapse
    event_network.forward(plan, row, scratch)
    return missing


@jit
def track(record, v, least):
    """One more value into a record of running mean, variance and count, by at least this rate."""
    record[Lapse.COUNT] += 1
    rate = max(least, 1.0 / record[Lapse.COUNT])
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
def late(plan, row, lapse):
    """How many standard deviations after its median the event came; NaN unknown."""
    if math.isnan(lapse):
        return math.nan
    p = plan.ints
    out = shift(row.net, p[Program.RAW] + (row.count[Count.POSITION] - 1) * p[Program.OUTPUTS] + p[Program.SYMBOLS])
    return (lapse - out[0]) / math.exp(min(max(float(out[1]), -4.0), 4.0))


@jit
def teach(plan, row, scratch, s, n, lapse):
    """Write the gradient at the tape's last row."""
    p, q = plan.ints, row.count
    t = q[Count.POSITION] - 1
    V, o = p[Program.SYMBOLS], p[Program.OUTPUTS]
    gradient, out = shift(row.net, p[Program.GRADIENT] + t * o), shift(row.net, p[Program.RAW] + t * o)
    network = carray(shift(scratch.f32, p[Program.SCRATCH_SHARES] + (p[Program.TABLES] + 1) * V), V)
    categorical.grad(network, s, carray(gradient, o), n)
    if not math.isnan(lapse):
        reals = shift(plan.reals, Reals.HEAD)
        call(p[Program.HEAD_GRAD], 2, shift(out, V), lapse, shift(gradient, V), reals, scratch.f64)
    number = q[Count.WRITTEN] - 1
    if q[Count.LABELS] == 0:
        q[Count.OLDEST] = number
    q[Count.NEWEST] = number
    q[Count.LABELS] += 1
    q[Count.LEARNT] += 1


@jit
def standard_lapse(plan, row, lapse, learn):
    """The elapsed time in standard units, as it was before this event moved them; then, to `learn`, it does."""
    if math.isnan(lapse):
        return lapse
    record = carray(shift(row.params, plan.ints[Program.LAPSE]), 3)
    z = scale.standardise(lapse, record[Lapse.MEAN], record[Lapse.VARIANCE])
    if learn:
        track(record, lapse, plan.reals[Reals.SCALE_RATE])
    return z


@jit
def receive(plan, row, scratch, r, digest, end, lapse, learn):
    """Settle, judge and learn one symbol. Returns (outcome bits, symbol, itself again if it was just admitted).

    Without `learn` weights, tables, vocabulary and what is usual stay as they are; the published figures go on.
    """
    p, q = plan.ints, row.count
    n, s = row.counts[p[Program.KNOWN_SYMBOLS]], vocabulary.find(plan, row, digest)
    if scratch.own[0] != r:
        predict(plan, row, scratch, r)
    cost = settle(plan, row, scratch, s, n)
    behind = late(plan, row, lapse)
    if not learn:
        bits = judge(plan, row, cost, behind, learn)
        add_up(plan, row, scratch, s, cost, n)
        return bits, s, 0
    teach(plan, row, scratch, s, n, lapse)
    bits = judge(plan, row, cost, behind, learn)
    blend.learn(plan, row, scratch, s, n)
    context.count(plan, row, scratch, s)
    if not end and (q[Count.SEEN] + q[Count.PHASE]) % p[Program.STRIDE] == 0:
        bits |= event_network.learn(plan, row, scratch)
    admitted = vocabulary.admit(plan, row, digest) if s == 0 else 0
    s = max(s, admitted)
    add_up(plan, row, scratch, s, cost, n)
    return bits, s, admitted


@jit
def finish(plan, row, scratch, r, learn):
    """The session ends behind the last event: settle and learn that, judge the session, begin another.

    The end is a symbol like any other, which the first one that is learned admits. Returns the outcome's bits.
    """
    p = plan.ints
    n, s = row.counts[p[Program.KNOWN_SYMBOLS]], vocabulary.find(plan, row, vocabulary.END)
    if s == 0 and learn:
        vocabulary.admit(plan, row, vocabulary.END)
    elif s > 0:
        predict(plan, row, scratch, r)
        final = carray(shift(scratch.f32, p[Program.SCRATCH_FINAL]), p[Program.SYMBOLS])
        add_up(plan, row, scratch, s, -math.log2(float(final[s])), n)
        if learn:
            teach(plan, row, scratch, s, n, math.nan)
            blend.learn(plan, row, scratch, s, n)
            context.count(plan, row, scratch, s)
    bits = event_network.learn(plan, row, scratch) if learn else 0
    bits |= conclude(plan, row, learn)
    start(plan, row, scratch)
    return bits
