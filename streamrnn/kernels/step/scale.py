"""Running scale of inputs and targets, and the running median of the time between observations."""

import math

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Clock, Count, Target
from streamrnn.kernels.learning.tape import LONGER

SOONEST = 0.01  # of the usual interval: what comes sooner is told as this
FIRST, SLOW = 200.0, 0.00002  # values that what a deviation usually is rests on, and how fast it moves from then on,
FACTOR = 5.0  # and how far it may be from the deviation of now
CLIP = 5.0  # standardised inputs beyond this are cut
BOUND = 8.0  # standard deviations: a value moves a scale as if it were no further away,
KNOWN = 30.0  # once so many have been seen
SOON = 0.1  # usual intervals: shorter ones count towards the usual one
AGAIN = 8  # when they are so many in a row


@jit
def moments(mean, variance, x, rate):
    """Exponentially weighted mean and variance after one more value (West 1979, with `rate` for 1/n)."""
    d = x - mean
    step = rate * d  # with rate 1 (the first value) the mean is x and the variance 0
    return mean + step, (1.0 - rate) * (variance + d * step)


@jit
def bounded(x, mean, variance, count):
    """x, no further from the mean than BOUND standard deviations: what moves a scale has a bounded influence.

    A scale that has to grow by far does so by 3 % a value at a rate of .001, and so within hundreds of values.
    """
    if count < KNOWN or variance <= 0.0:
        return x
    reach = BOUND * math.sqrt(variance)
    return min(max(x, mean - reach), mean + reach)


@jit
def standardise(x, mean, variance):
    """(x - mean) / sd, cut to +-CLIP; 0 while the spread is 0."""
    if variance <= 0.0:
        return 0.0
    return min(max((x - mean) / math.sqrt(variance), -CLIP), CLIP)


@jit
def over_usual(target, sd, learn):
    """What a target's deviation usually is, over what it is now, within a factor of FACTOR."""
    if learn and sd > 0.0:
        target[Target.SCALES] += 1.0
        rate = 1.0 / target[Target.SCALES] if target[Target.SCALES] <= FIRST else SLOW
        target[Target.USUAL] += rate * (sd - target[Target.USUAL])
    return min(max(target[Target.USUAL] / sd, 1.0 / FACTOR), FACTOR) if sd > 0.0 else 0.0


@jit
def median(values, n):
    """Median of the first n values (n <= Clock.INTERVALS): insertion into place, nothing allocated."""
    best = values[0]
    for i in range(n):
        below, equal = 0, 0
        for j in range(n):
            below += values[j] < values[i]
            equal += values[j] == values[i]
        if below <= n // 2 < below + equal:
            best = values[i]
    return best


@jit
def tick(clock, count, time):
    """Move the stream's clock to `time`; returns how many regular steps were skipped on the way.

    A gap above 1.5 median intervals counts as skipped steps. The median is over the last Clock.INTERVALS intervals; it
    is worked out anew only when the interval differs, so a regular stream pays one comparison. Copies and bursts do not
    move it: intervals below SOON of it count from the AGAIN-th in a row. The elapsed time is kept as the logarithm of
    its ratio to the usual interval.
    """
    known = count[Count.RING_AT]
    dt = time - clock[Clock.TIME]
    usual = clock[Clock.INTERVAL]
    clock[Clock.ELAPSED] = math.log(max(dt / usual, SOONEST)) if usual > 0.0 and dt != usual else 0.0
    skipped = 0
    if usual > 0.0 and dt > LONGER * usual:
        skipped = int(min(round(dt / usual), 1e9)) - 1
    clock[Clock.TIME] = time
    count[Count.STEP] += skipped + 1
    soon = usual > 0.0 and dt < SOON * usual
    clock[Clock.SOON] = clock[Clock.SOON] + 1.0 if soon else 0.0
    if dt > 0.0 and (not soon or clock[Clock.SOON] >= AGAIN):
        at = known % Clock.INTERVALS
        ring = clock[Clock.RING : Clock.RING + Clock.INTERVALS]
        changed = dt != usual or ring[at] != usual
        ring[at] = dt
        count[Count.RING_AT] = known + 1
        if changed or known < Clock.INTERVALS:
            clock[Clock.INTERVAL] = median(ring, min(known + 1, Clock.INTERVALS))
    return skipped
