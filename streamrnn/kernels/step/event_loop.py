"""The step of a model of events: a batch in, outcomes out, one call from Python.

    settle   what was predicted against the symbol (and the time) that has come: bits, rank, session
    judge    surprise and lateness -> anomaly score, events
    learn    context tables, mix, vocabulary; back through the tape every `stride` events
    advance  the symbol and its context -> layers -> logits; then the next distribution

What was predicted is not stored but worked out again when its answer comes, unless the same stream was the last one: it
depends on the row alone, so both give the same bits. With pooled weights the row that counts is the pool's as it stands
when the event comes.
"""

import math

from numba import carray

from streamrnn.kernels.core import arrays
from streamrnn.kernels.core.call import at, point, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import (
    Clock,
    Count,
    EventCount,
    Session,
)
from streamrnn.kernels.core.outcomes import Bit, EventInt, EventReal, Flag, OutReal
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.monitors import anomaly_event, feedback
from streamrnn.kernels.step import scale
from streamrnn.kernels.step.door import door
from streamrnn.kernels.step.event_emit import deadline, emit
from streamrnn.kernels.step.event_receive import advance, elapsed, finish, receive, remember, standard_lapse, start
from streamrnn.kernels.step.loop import view


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
def observe(plan, row, scratch, r, batch, i):
    """Event i of the batch through the rooms. Returns (outcome bits, sequence numbers lost, symbol just admitted)."""
    p, q, flags, time = plan.ints, row.count, batch.bits[i], batch.time[i]
    bits, lost = door(plan, row, time, batch.seq[i], flags)
    if flags & Flag.VERDICT and bits == 0:
        own = shift(q, p[Program.FEEDBACK])
        return feedback.take(own, q[Count.EVENT], flags & Flag.VERDICT, batch.ident[i], time), lost, 0
    if bits != Bit.LEARNED:
        return bits, lost, 0
    learn = flags & Flag.FREEZE == 0
    if not learn:
        bits = Bit.FROZEN
    bits |= flags & Bit.INVALID
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
    lapse = standard_lapse(plan, row, elapsed(plan, row, flags, time), learn)
    scale.tick(clock, q, time)
    q[Count.SEEN] += 1
    more, s, admitted = receive(plan, row, scratch, r, batch.ident[i], flags & Flag.END != 0, lapse, learn)
    remember(plan, row, s)
    if advance(plan, row, scratch, s, at(batch.values, i * p[Program.NUMBERS]), lapse, learn) > 0:
        bits |= Bit.MISSING
    bits |= anomaly_event.unjudged(latest, q, p[Program.QUIET])
    if flags & Flag.END:
        bits |= finish(plan, row, scratch, r, learn)
    scratch.own[0] = -1
    return bits | more, lost, admitted


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

    A row for which no deadline stands is left as it is, its outcome has no bit. `predicted` is the event that did not
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
