"""All targets together: T-squared and the residual Q of their levels' normal scores.

What no sensor shows alone, several show together: each a little off, or off in a way in which they never are at once.
The scores (see levels.py) have a running correlation, of scores cut at CUT, shrunk towards independence as T to T and
its sample of independent observations. Its leading factors are kept by one step of orthogonal iteration at a time; the
rest counts as noise of one variance (Tipping and Bishop 1999, probabilistic principal components). So it needs few
observations, and with many targets its cost is that of the factors:

    T2 = sum over factors of (v z)^2 / lambda + Q / q        chi-squared of T        (Hotelling 1947)
    Q  = |z - V V' z|^2, over its mean eigenvalue q          chi-squared of T - k    (Jackson and Mudholkar 1979)

The smaller of both tail probabilities counts twice, and SPAN / 2 observations as one, since levels of late are alike
from one to the next. Pumps that are on or off move the same sensors in the same way again and again: that is a
direction of large variance after some times, and no fault.

Where the stream's own peaks (of runs of RUN observations, as in calibration.py) fall off more slowly than a probability
does, by less than one nat a nat, the surprise beyond FROM is worth as much less.

A valve takes a minute to shut, and what learns at every observation has learned half of the fault before it is told.
So from DOUBTED nats on, far below an alarm, nothing is learned of what is usual and the slow means stand still, for at
most PATIENCE observations.
"""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Count, Joint, Level
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.monitors import levels

CUT = 3.0  # normal scores
MEMORY = 1000.0  # observations that the correlation rests on,
AT_FIRST = 20.0  # and as how many independent ones it begins
MOST_FACTORS = 8
SMALL = 16  # targets up to which the factors are refreshed at every observation, beyond at every SMALL-th
FROM, MOST_EXCESS = 3.0, 12.0  # nats: beyond FROM the tail is looked at, and a peak counts up to so much of it
RUN = 25
PRIOR_PEAKS = 20.0
FORGET = 0.999  # of peaks, an observation
DOUBTED, PATIENCE = 5.0, 25.0
ROOM = 4  # numbers a target that are worked in
FAR = 25.0  # standard deviations beyond which the tail of the normal distribution is expanded


@jit
def factors(n):
    """How many factors n targets have; they begin as the first of the targets, with the eigenvalue 1."""
    return min(MOST_FACTORS, (n + 1) // 2)


@jit
def nats_of_chi(value, freedom):
    """-ln of the probability of a larger chi-squared value (Wilson and Hilferty 1931)."""
    if value <= 0.0:
        return 0.0
    part = 2.0 / (9.0 * freedom)
    x = ((value / freedom) ** (1.0 / 3.0) - 1.0 + part) / math.sqrt(part)
    if x > FAR:
        return 0.5 * x * x + math.log(x) + 0.5 * math.log(2.0 * math.pi)
    return -math.log(0.5 * math.erfc(x / math.sqrt(2.0)))


@jit
def shrinkage(record, n):
    """Share of independence in the correlation of n targets."""
    return n / (n + (min(record[Joint.SEEN], MEMORY) + AT_FIRST) / levels.SPAN)


@jit
def correlate(record, z, n):
    """Take the scores z (n) into the correlation."""
    record[Joint.SEEN] += 1.0
    rate = max(1.0 / MEMORY, 1.0 / (record[Joint.SEEN] + AT_FIRST))
    for i in range(n):
        row, x = carray(shift(record, Joint.WIDTH + i * n), n), min(max(z[i], -CUT), CUT)
        for j in range(n):
            row[j] += rate * (x * min(max(z[j], -CUT), CUT) - row[j])


@jit
def refresh(record, n, size, out):
    """One step of orthogonal iteration of the factors (k of 1 + n: eigenvalue, vector). `size`, `out` (n) are room."""
    for i in range(n):
        size[i] = 1.0 / math.sqrt(max(record[Joint.WIDTH + i * n + i], 1e-12))
    first, shrunk = shift(record, Joint.WIDTH + n * n), shrinkage(record, n)
    for f in range(factors(n)):
        factor = carray(shift(first, f * (n + 1)), n + 1)
        for i in range(n):
            row, total = carray(shift(record, Joint.WIDTH + i * n), n), 0.0
            for j in range(n):
                total += row[j] * size[j] * factor[1 + j]
            out[i] = (1.0 - shrunk) * size[i] * total + shrunk * factor[1 + i]
        for g in range(f):
            before, along = carray(shift(first, g * (n + 1) + 1), n), 0.0
            for i in range(n):
                along += before[i] * out[i]
            for i in range(n):
                out[i] -= along * before[i]
        length = 0.0
        for i in range(n):
            length += out[i] * out[i]
        factor[0] = max(math.sqrt(length), 1e-6)
        for i in range(n):
            factor[1 + i] = out[i] / factor[0]


@jit
def statistics(record, z, n, weight):
    """T2 and Q of the scores z (n) into the record; `weight` (n) gets what each adds to T2, times z. Returns nats."""
    first, rest, main = shift(record, Joint.WIDTH + n * n), float(n), 0.0
    for i in range(n):
        weight[i] = z[i]
    for f in range(factors(n)):
        factor, along = carray(shift(first, f * (n + 1)), n + 1), 0.0
        rest -= factor[0]
        for i in range(n):
            along += factor[1 + i] * z[i]
        main += along * along / factor[0]
        for i in range(n):
            weight[i] -= along * factor[1 + i]
    freedom, q = n - factors(n), 0.0
    noise = max(rest / freedom, shrinkage(record, n))
    for i in range(n):
        q += weight[i] * weight[i]
        weight[i] /= noise
    for f in range(factors(n)):
        factor, along = carray(shift(first, f * (n + 1)), n + 1), 0.0
        for i in range(n):
            along += factor[1 + i] * z[i]
        for i in range(n):
            weight[i] += along / factor[0] * factor[1 + i]
    record[Joint.T2], record[Joint.Q] = main + q / noise, q / noise
    both = max(nats_of_chi(record[Joint.T2], float(n)), nats_of_chi(record[Joint.Q], float(freedom)))
    return max(both + math.log(levels.SPAN / 4.0), 0.0)


@jit
def worth(record, nats):
    """The surprise of ordinary data that come as seldom as this."""
    heavy = (PRIOR_PEAKS + record[Joint.EXCESS]) / (PRIOR_PEAKS + record[Joint.PEAKS])
    return nats if nats <= FROM else FROM + (nats - FROM) / max(heavy, 1.0)


@jit
def learn_peaks(record, nats):
    """Count the peaks beyond FROM and how far they are beyond it."""
    record[Joint.SINCE] += 1.0
    if nats > record[Joint.HIGHEST]:
        record[Joint.HIGHEST], record[Joint.SINCE] = nats, 0.0
    record[Joint.PEAKS] *= FORGET
    record[Joint.EXCESS] *= FORGET
    if record[Joint.SINCE] < RUN:
        return
    if record[Joint.HIGHEST] > FROM:
        record[Joint.PEAKS] += 1.0
        record[Joint.EXCESS] += min(record[Joint.HIGHEST] - FROM, MOST_EXCESS)
    record[Joint.HIGHEST], record[Joint.SINCE] = 0.0, 0.0


@jit
def doubted(plan, row):
    """Whether the latest observations may be the beginning of a fault."""
    if plan.ints[Program.JOINT_LENGTH] == 0:
        return False
    return 0.0 < row.real[plan.ints[Program.JOINT] + Joint.DOUBT] <= PATIENCE


@jit
def attribute(plan, scratch, count, share):
    """What each target adds, of what `look` has left in the scratch, into `share` (T); the loudest monitor is this,
    or the number behind them says which one beside it."""
    n, total = plan.ints[Program.TARGETS], 0.0
    for j in range(n):
        total += scratch.f64[j]
    for j in range(n):
        share[j] = scratch.f64[j] / total if total > 0.0 else 1.0 / n
    count[Count.LOUDEST] = plan.ints[Program.MONITORS] + int(scratch.f64[n])


@jit
def look(plan, row, scratch, learn, opened):
    """Surprise in nats of the levels of all targets together, 0 with a single one; to scratch what each adds (T).

    `opened`: an event is open; then nothing is learned of how the targets go together.
    """
    p = plan.ints
    n, record = p[Program.TARGETS], shift(row.real, p[Program.JOINT])
    if p[Program.JOINT_LENGTH] == 0:
        return 0.0
    z, weight = carray(scratch.f64, n), carray(shift(scratch.f64, n), n)
    size, out = carray(shift(scratch.f64, 2 * n), n), carray(shift(scratch.f64, 3 * n), n)
    seen = 0.0
    for j in range(n):
        level = shift(row.real, p[Program.LEVEL] + j * Level.WIDTH)
        z[j] = level[Level.SCORE]
        seen = max(seen, level[Level.COUNT])
    if learn and not opened and not doubted(plan, row) and seen > levels.SPAN:
        correlate(record, z, n)
        if n <= SMALL or int(record[Joint.SEEN]) % SMALL == 0:
            refresh(record, n, size, out)
    nats = statistics(record, z, n, weight)
    for j in range(n):
        z[j] = max(z[j] * weight[j], 0.0)
    found = worth(record, nats)
    record[Joint.DOUBT] = record[Joint.DOUBT] + 1.0 if found > DOUBTED else 0.0
    if learn and not opened:
        learn_peaks(record, nats)
    return found if seen >= p[Program.WARMUP] else 0.0
