"""How surprising one sign of one series of errors is: a calibrated tail without a ceiling, gated by the hour.

A histogram of all past sizes on a logarithmic scale gives u, above which at most TAU of them lie. Up to u the surprise
is that of the rank, at most ln(1/TAU); beyond, of the relative excess y = (a - u) / u,

    -ln P = ln(1/TAU) + x,    x = ln(1 + q y / h) / q, or y / h where q = 0,    h = mean of ln(1 + y),

so extrapolated, not capped by the length of the history. h alone says how heavy the tail is: it is .16 for Gaussian
errors, .27 for Laplace, and the exponent itself where the tail is a power (Hill 1975: .33 for Student's t with three
degrees of freedom, .5 with two), so q rises from 0 at LIGHT to h. It rests on a few excesses, k of them with the
prior's: x is k ln(1 + x / k) by the predictive distribution of an exponential. A running mean repeats itself: of its
excesses one in ten counts. The gate takes the extrapolation back for what is no greater than on earlier days around
this hour: a nightly job is no event.

Rejected, on the Numenta benchmark's half: ranks without a tail (2 to 12 points), power tails for all data (up to 5), a
quantile that forgets (8), one sign for both (7).
"""

import math

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import EventTail, Tail

TAU = 0.02
ORDINARY = -math.log(TAU)
MEMORY = 0.998
PRIOR_COUNT, PRIOR_MEAN, FLOOR = 5.0, 0.1, 0.05
LIGHT, HEAVIER = 0.26, 2.2  # mean logarithm of an excess from which a tail is a power, and how soon
LARGEST = 690.0  # -ln of the smallest probability told
FEW = 50  # sizes before the first surprise
SOME = 4  # sizes above zero that can be told to lie low
FINE = 4.0  # bins of the histogram an octave
HOME = 30  # bin of a size when the histogram is put in its place
SHIFT = 8  # bins by which it moves
LOW, HIGH = 4, 16  # u's bin lies at or above the first; it rises for larger sizes while u stays above the second
BEYOND = 1.2  # only what exceeds the envelope by this factor is extrapolated
FADE = 0.95  # of the envelope, a day
GAIN = 0.05  # of the quantile of events, relative
LEAST = 0.5  # bits, or standard deviations: the least start of their tail


@jit
def move(bins, by):
    """Let the histogram begin `by` bins higher (lower when negative); what falls out counts in the last bin left."""
    n = Tail.BINS
    if by > 0:
        below = 0.0
        for i in range(min(by + 1, n)):
            below += bins[i]
        for i in range(n):
            bins[i] = bins[i + by] if i + by < n else 0.0
        bins[0] = below
    else:
        above = 0.0
        for i in range(max(n - 1 + by, 0), n):
            above += bins[i]
        for i in range(n - 1, -1, -1):
            bins[i] = bins[i + by] if i + by >= 0 else 0.0
        bins[n - 1] = above


@jit
def edge_bin(tail):
    """The bin above which at most TAU of all sizes lie."""
    room, above, i = TAU * tail[Tail.SEEN], 0.0, Tail.BINS - 1
    while i > 0 and above + tail[Tail.HISTOGRAM + i] <= room:
        above += tail[Tail.HISTOGRAM + i]
        i -= 1
    return i


@jit
def place_of(tail, a):
    """The bin of a size above zero, inside the histogram or not."""
    return math.floor(FINE * math.log2(a)) - tail[Tail.BASE]


@jit
def at_least(tail, a):
    """How many sizes lie in the bin of a or above it."""
    number = 0.0
    for i in range(int(min(max(place_of(tail, a), 0.0), Tail.BINS - 1.0)), Tail.BINS):
        number += tail[Tail.HISTOGRAM + i]
    return number


@jit
def learn(tail, a, edge):
    """Count a size a >= 0; `edge` is the bin of u before it. The histogram follows u and, at first, the largest."""
    tail[Tail.SEEN] += 1
    if a <= 0.0:
        return
    tail[Tail.MASS] += 1
    bins = tail[Tail.HISTOGRAM : Tail.HISTOGRAM + Tail.BINS]
    if tail[Tail.MASS] == 1.0:
        tail[Tail.BASE] = math.floor(FINE * math.log2(a)) - HOME
    place = place_of(tail, a)
    few = tail[Tail.SEEN] <= FEW
    by = 0
    if few and place >= Tail.BINS:
        by = int(place) - HOME
    elif place >= Tail.BINS and edge >= HIGH + SHIFT:
        by = SHIFT
    elif edge < LOW and not few:
        by = -SHIFT
    elif few and tail[Tail.MASS] >= SOME and bins[0] > 0.5 * tail[Tail.MASS]:
        bins[:] = 0.0  # the first sizes were of another scale: begin again
        tail[Tail.SEEN] = tail[Tail.MASS] = 0.0
        return
    if by != 0:
        move(bins, by)
        tail[Tail.BASE] += by
    bins[int(min(max(place - by, 0.0), Tail.BINS - 1.0))] += 1.0


@jit
def surprise(tail, a, weight):
    """-ln P of a size at least a, from what was seen before; then learn from it. 0 for the other sign and at first.

    `weight` is how many independent sizes one counts for.
    """
    edge = edge_bin(tail)
    value = 0.0
    if a > 0.0 and tail[Tail.SEEN] >= FEW:
        if tail[Tail.MASS] == 0.0:
            value = LARGEST
        else:
            u = 2.0 ** ((tail[Tail.BASE] + edge + 1.0) / FINE)
            if a <= u:
                value = min(math.log((tail[Tail.SEEN] + 1.0) / (at_least(tail, a) + 1.0)), ORDINARY)
            else:
                value = extrapolated(tail[Tail.EXCESS : Tail.EXCESS + 2], (a - u) / u, weight)
    learn(tail, a, edge)
    return value


@jit
def extrapolated(excess, y, weight):
    """-ln P of a size whose relative excess over u is y; learns from it.

    excess (2): sum of ln(1 + y) of the excesses seen and their number, both discounted.
    """
    number = PRIOR_COUNT + weight * excess[1]
    mean = max((PRIOR_COUNT * PRIOR_MEAN + weight * excess[0]) / number, FLOOR)
    heavy = min(max(HEAVIER * (mean - LIGHT), 0.0), mean)
    x = math.log1p(heavy * y / mean) / heavy if heavy > 1e-6 else y / mean
    excess[0] = MEMORY * excess[0] + min(math.log1p(y), 4.0 * mean)
    excess[1] = MEMORY * excess[1] + 1.0
    return min(ORDINARY + number * math.log1p(x / number), LARGEST)


@jit
def beyond(excess, y):
    """-ln P of a size whose relative excess over u is y; learns from it.

    excess (2): sum of the excesses seen and their number, both discounted.
    """
    mean = max((PRIOR_COUNT * PRIOR_MEAN + excess[0]) / (PRIOR_COUNT + excess[1]), FLOOR)
    excess[0] = MEMORY * excess[0] + min(y, 4.0 * mean)
    excess[1] = MEMORY * excess[1] + 1.0
    return min(ORDINARY + y / mean, LARGEST)


@jit
def tracked(tail, a):
    """The same of a size a > 0 of events (EventTail): u is tracked as a quantile, without a histogram.

    Bits and lateness have a scale that is known beforehand, and a vocabulary has one tail, not four a target.
    """
    u = tail[EventTail.START]
    tail[EventTail.SEEN] += 1
    above = a > u
    value = beyond(tail[EventTail.EXCESS : EventTail.EXCESS + 2], (a - u) / u) if above else ORDINARY * a / u
    tail[EventTail.START] = max(u * (1.0 + GAIN * ((1.0 if above else 0.0) - TAU)), LEAST)
    return value


@jit
def gate(tail, a, value, hour, dawn):
    """The surprise of size a at this hour once more, extrapolated only beyond the envelope; then widen the envelope.

    `dawn`: this is the first of a day. Today's sizes join the envelope tomorrow.
    """
    n = Tail.HOURS
    envelope, today = tail[Tail.ENVELOPE : Tail.ENVELOPE + n], tail[Tail.ENVELOPE + n : Tail.ENVELOPE + 2 * n]
    if dawn:
        for i in range(n):
            envelope[i] = max(FADE * envelope[i], today[i])
            today[i] = 0.0
    if a <= 0.0:
        return value
    usual = max(envelope[(hour + n - 1) % n], envelope[hour], envelope[(hour + 1) % n])
    today[hour] = max(today[hour], a)
    return min(value, ORDINARY) if a < BEYOND * usual else value


@jit
def signed(tails, x, hour, dawn, weight):
    """Surprises (above, below) of a series' next error x; tails (2, TAIL_WIDTH), one a sign."""
    above = surprise(tails[0], max(x, 0.0), weight)
    below = surprise(tails[1], max(-x, 0.0), weight)
    return gate(tails[0], max(x, 0.0), above, hour, dawn), gate(tails[1], max(-x, 0.0), below, hour, dawn)
