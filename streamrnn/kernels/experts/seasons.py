"""The history of one target, and the regressors that all its linear experts share.

A history is a head, a ring of the last R values by step (NaN where none came), per season a *profile* (the running
level of each bin of the season: level, count), and the last rows of regressors. There are at most two seasons, a
shorter and a longer one: as configured, or by the sampling interval. A season has as many bins as steps, up to the
room there is, and keeps them until the interval has really changed, since a running median wavers.

Regressors are rows of the plan's table (what, season, a, b), so that the plan says what a linear expert sees:
    CONSTANT                     1
    LAG              a           y(t - a)
    SEASON_LAG    s, a, b        y(t - a P + b), P the season in steps; none where a plain lag has it, or no value does
    LEVEL         s, a, b        level of the season's bin at step t + a + round(b P / 24)
    SINE, COSINE  s, a, b        of the a-th harmonic of the season at step t + b
    COMING           a           the a-th number that is known of the time to come, as it is
    SHARED           a           the a-th number that all targets see of the features (echo.py), as it is
Values and levels stand as differences to y(t) over a scale, so what is not known is 0: no change. A kept row is its
N regressors and that scale. The same row once more in square roots serves experts of streams whose spread grows with
their level; once a value was below 0 that row is the plain one, and says so by a scale below 0. What is SHARED has
units of its own, that do not waver with the target's scale: it is put in units of what the scale usually is.
"""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit

DAY, WEEK, YEAR = 86_400.0, 604_800.0, 31_556_952.0
BINS, SECONDS, STEPS = 0, 2, 4  # of a history's head, each for both seasons,
PASSED, HEAD = 6, 7  # and the regular times that are no steps: the ring has them too
RING, ROOM, REGRESSORS, LAGS, ROWS, PLAIN, ROOT = 0, 1, 3, 4, 5, 6, 7  # of the plan's `past`: sizes and places,
OWN, SEEN, TABLE = 8, 9, 10  # regressors of the target's own; numbers known ahead, before those of the features; rows
CONSTANT, LAG, SEASON_LAG, LEVEL, SINE, COSINE, COMING, SHARED = range(8)
WHAT, SEASON, A, B = range(4)
REGRESSOR_WIDTH = 4
QUARTER = 0.3 * YEAR  # the longest interval of a season within the year: quarters have up to 92 days
FEWEST = 3  # steps: a shorter season is none
WAVER = 0.2  # a share by which the number of bins may differ from the interval's before the profile starts anew
MOVES = (0.1, 0.2)  # how far a bin's level moves; the longer season is seen less often
REACH = 30.0  # a regressor counts up to this many scales


@jit
def period(season, first, second, interval):
    """Seconds of the first (0) or second (1) season, 0 where there is none; `first` above 0: as configured."""
    if first > 0.0:
        return first if season == 0 else second
    if interval <= 0.0:
        return 0.0
    if interval <= 0.25 * DAY:
        return DAY if season == 0 else WEEK
    if interval <= 0.25 * WEEK:
        return WEEK if season == 0 else YEAR
    return YEAR if season == 0 and interval <= QUARTER else 0.0


@jit
def slot(time, seconds, bins):
    """Bin of `time` in its season; bins are centred on the regular times."""
    phase = time / seconds
    place = int((phase - math.floor(phase)) * bins + 0.5)
    return place if place < bins else place - bins


@jit
def profile_of(past, history, season):
    """A season's profile (room, 2): level and count."""
    start = HEAD + past[RING] + (0 if season == 0 else 2 * past[ROOM])
    return carray(shift(history, start), (past[ROOM + season], 2))


@jit
def tick(past, history, first, second, interval):
    """What the seasons are at this interval, into the head; a profile starts anew when its bins do not fit any more."""
    head = carray(history, HEAD)
    for season in range(2):
        seconds = period(season, first, second, interval)
        known = interval > 0.0 and seconds >= FEWEST * interval
        steps = int(seconds / interval + 0.5) if known else 0
        bins = min(steps, past[ROOM + season])
        head[SECONDS + season], head[STEPS + season] = seconds, steps
        if abs(bins - head[BINS + season]) > WAVER * head[BINS + season]:
            head[BINS + season] = bins
            profile_of(past, history, season)[:] = 0.0


@jit
def observe(past, history, y, time, step, skipped, first, second, interval, learn):
    """Take the value y at `step`, NaN when it is missing, after `skipped` steps without an observation.

    `step` counts all regular times. Without `learn` it moves no level. The level of a bin moves by max(a, 1 / count); a
    is shared by the steps that fall into one bin.
    """
    size = past[RING]
    ring, head = carray(shift(history, HEAD), size), carray(history, HEAD)
    for s in range(min(skipped, size)):
        ring[(step - 1 - s) % size] = math.nan
    ring[step % size] = y
    if not learn:
        return
    tick(past, history, first, second, interval)
    for season in range(2):
        bins = int(head[BINS + season])
        if bins > 0 and head[STEPS + season] > 0.0 and not math.isnan(y):
            cell = profile_of(past, history, season)[slot(time, head[SECONDS + season], bins)]
            cell[1] += 1.0
            rate = MOVES[season] * bins / head[STEPS + season]
            cell[0] += max(rate, 1.0 / cell[1]) * (y - cell[0])


@jit
def level(past, history, season, time, otherwise):
    """Level of the season's bin at `time`, or `otherwise` while it is not known."""
    bins = int(history[BINS + season])
    if bins == 0 or history[STEPS + season] <= 0.0:
        return otherwise
    cell = profile_of(past, history, season)[slot(time, history[SECONDS + season], bins)]
    return cell[0] if cell[1] > 0.0 else otherwise


@jit
def value(past, history, step, back, otherwise):
    """The value `back` steps before `step`, or `otherwise` where none is known."""
    size = past[RING]
    step += int(history[PASSED])
    if back < 0 or back >= size or back > step:
        return otherwise
    y = history[HEAD + (step - back) % size]
    return otherwise if math.isnan(y) else y


@jit
def harmonic(what, order, phase):
    """SINE or COSINE of that order at a time in seasons."""
    angle = 2.0 * math.pi * order * (phase - math.floor(phase))
    return math.sin(angle) if what == SINE else math.cos(angle)


@jit
def gather(past, history, last, step, time, interval, coming, out):
    """Fill out (N): values and levels as they are, in the units of the data, `last` for what is not known."""
    table, lags = shift(past, TABLE), past[LAGS]
    steps0, steps1 = int(history[STEPS]), int(history[STEPS + 1])
    for i in range(past[REGRESSORS]):
        row = shift(table, i * REGRESSOR_WIDTH)
        what, season, a, b = row[WHAT], row[SEASON], row[A], row[B]
        steps = steps0 if season == 0 else steps1
        if what == LAG:
            out[i] = value(past, history, step, a, last)
        elif what == SEASON_LAG:
            back = a * steps - b
            own = steps > 0 and back > lags and (season == 1 or steps1 == 0 or back + 1 < steps1)
            out[i] = value(past, history, step, back, last) if own else last
        elif what == LEVEL:
            ahead = a + (b * steps + 12) // 24
            out[i] = level(past, history, season, time + ahead * interval, last)
        elif what == CONSTANT:
            out[i] = 1.0
        elif what == COMING:
            out[i] = coming[a]
        elif what == SHARED:
            out[i] = coming[past[SEEN] + a]
        elif steps > 2 * a:
            out[i] = harmonic(what, a, (time + b * interval) / history[SECONDS + season])
        else:
            out[i] = 0.0


@jit
def root(y):
    """Signed square root."""
    return math.copysign(math.sqrt(abs(y)), y)


@jit
def kept(past, history, rooted, step):
    """The regressors of `step` (N) and their scale (1), plain or in roots."""
    n = past[REGRESSORS] + 1
    return carray(shift(history, past[ROOT if rooted else PLAIN] + (step % past[ROWS]) * n), n)


@jit
def change(y, base, scale):
    """What y differs by from the base, in scales, within +-REACH; 0 while there is no scale."""
    return min(max((y - base) / scale, -REACH), REACH) if scale > 0.0 else 0.0


@jit
def regress(past, history, last, mean, sd, step, time, interval, coming, z, above, usual):
    """Make and keep this step's regressors; mean and sd are the target's, z (N) is room.

    above: whether no value was below 0; usual: what sd usually is, over what it is now.
    """
    n, table = past[REGRESSORS], shift(past, TABLE)
    gather(past, history, last, step, time, interval, coming, z)
    for copy in range(2 if past[ROOT] > 0 else 1):
        x, rooted = kept(past, history, copy, step), copy == 1 and above
        base = root(last) if rooted else last
        scale = 0.5 * sd / math.sqrt(max(abs(mean), sd)) if rooted and sd > 0.0 else sd
        x[n] = -scale if copy == 1 and not rooted else scale
        for i in range(n):
            what = table[i * REGRESSOR_WIDTH + WHAT]
            if what == LAG or what == SEASON_LAG or what == LEVEL:
                x[i] = change(root(z[i]) if rooted else z[i], base, scale)
            else:
                x[i] = z[i] * usual if what == SHARED else z[i]
