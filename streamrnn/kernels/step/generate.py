"""Going on with a stream of events by itself, as its distributions say."""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.experts import vocabulary
from streamrnn.kernels.step.event_loop import borrow
from streamrnn.kernels.step.event_receive import advance, predict, remember, start
from streamrnn.kernels.step.loop import view


@jit
def draw(p, n, chance, temperature, top_p):
    """A symbol from p sharpened by the temperature, among the likeliest that have together top_p; never 0."""
    total, least = 0.0, 1.0
    for s in range(1, n):
        total += p[s]
    gathered = 0.0
    while gathered < top_p * total:  # lower the least share that takes part until enough has been gathered
        most = 0.0
        for s in range(1, n):
            if most < p[s] < least:
                most = float(p[s])
        if most == 0.0:
            break
        least, gathered = most, 0.0
        for s in range(1, n):
            gathered += p[s] if p[s] >= least else 0.0
    weight = 0.0
    for s in range(1, n):
        weight += p[s] ** (1.0 / temperature) if p[s] >= least else 0.0
    left, last = chance * weight, 0
    for s in range(1, n):
        if p[s] >= least:
            left -= p[s] ** (1.0 / temperature)
            last = s
            if left < 0.0:
                break
    return last


@jit
def imagine(places, real, r, given, chance, temperature, top_p, drawn):
    """Go on with row r: the symbols `given`, then one drawn for each number of `chance` (N), into `drawn` (N).

    Nothing learned is touched. The row's own state does move on: the caller puts it back.
    """
    plan, planes, scratch = borrow(places, real, chance, given)
    row = view(plan, planes, r)
    p = plan.ints
    end = vocabulary.find(plan, row, vocabulary.END)
    numbers = carray(shift(scratch.f64, 1), p[Program.NUMBERS])
    numbers[:] = math.nan
    for i in range(len(given) + len(chance)):
        predict(plan, row, scratch, r)
        if i < len(given):
            s = given[i]
        else:
            final = carray(shift(scratch.f32, p[Program.SCRATCH_FINAL]), p[Program.SYMBOLS])
            s = draw(final, row.counts[p[Program.KNOWN_SYMBOLS]], chance[i - len(given)], temperature, top_p)
            drawn[i - len(given)] = s
        if s == end and end > 0:
            start(plan, row, scratch)
        else:
            remember(plan, row, s)
            advance(plan, row, scratch, s, shift(scratch.f64, 1), math.nan, False)
    scratch.own[0] = -1
