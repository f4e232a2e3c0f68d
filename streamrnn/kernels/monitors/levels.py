"""How a target's level of late stands to its slow level, as a normal score.

The level of late is the mean of about the last SPAN values, each cut at CUT spreads from the slow mean, so that a few
values of heavy tails do not make a level; the slow one is the mean of about the last LONG. Their distance is told in
its own usual size. That size rests on a sample: of a sensor that wanders or follows the day the distance seldom changes
its sign, and what looks like hundreds of values are a handful of independent ones. So the number of changes of sign is
taken for the sample's size, the distance in usual sizes for a Student-t variable of so many degrees of freedom, and the
score is the normal one of equal probability (Wallace 1959). A sensor that wanders is thereby allowed to wander, without
a model of how.

Rejected: Gaussian distances (on eight sensors of a water loop false alarms stood on the two thermometers alone); the
growth of the distance with the lag, extrapolated (its exponent is anything between 0 and 2 on 400 rows).
"""

import math

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Level

SPAN, LONG = 8.0, 150.0  # values
CUT, OUTSIDE = 3.0, 4.0  # spreads: of a value in the mean of late, of a distance in what is usual
SETTLED = 30.0  # values before anything is cut
MEMORY = 1000.0  # values that what is usual rests on
FEWEST = 3.0  # degrees of freedom
FIRST_WANDER = 1.0 / (2.0 * SPAN - 1.0)  # that of independent values


@jit
def normal_score(u, freedom):
    """Normal score of a Student-t variable (Wallace 1959, the better of his two bounds)."""
    size = math.sqrt(freedom * math.log1p(u * u / freedom)) * (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0)
    return size if u > 0.0 else -size


@jit
def distance(level, base):
    """Normal score of the distance of the level of late from `base`; 0 while all values have been equal."""
    if level[Level.SPREAD] <= 0.0:
        return 0.0
    size = math.sqrt(level[Level.SPREAD] * level[Level.WANDER])
    return normal_score((level[Level.FIRM] - base) / size, max(level[Level.TURNS], FEWEST))


@jit
def cut(value, size):
    """The value, at most `size` from 0; as it is without a size."""
    return min(max(value, -size), size) if size > 0.0 else value


@jit
def begin(level, y):
    """The first value."""
    level[Level.SHORT], level[Level.FIRM], level[Level.SLOW] = y, y, y
    level[Level.WANDER] = FIRST_WANDER


@jit
def follow(level, y, learn, held):
    """Take a value. Without `learn` only the means move; while `held`, of an open event, the slow mean does not."""
    if level[Level.COUNT] == 0.0:
        begin(level, y)
    level[Level.COUNT] += 1.0
    n, off = level[Level.COUNT], y - level[Level.SLOW]
    spread = math.sqrt(level[Level.SPREAD]) if n > SETTLED else 0.0
    short = max(1.0 / SPAN, 1.0 / n)
    level[Level.SHORT] += short * (y - level[Level.SHORT])
    level[Level.FIRM] += short * (level[Level.SLOW] + cut(off, CUT * spread) - level[Level.FIRM])
    if not held:
        level[Level.SLOW] += max(1.0 / LONG, 1.0 / n) * off
    if learn and not held:
        usual(level, cut(off, OUTSIDE * spread))
    level[Level.SCORE] = distance(level, level[Level.SLOW])


@jit
def usual(level, off):
    """Learn what is usual of a value that is `off` the slow mean."""
    level[Level.LEARNT] += 1.0
    n = level[Level.LEARNT]
    level[Level.SPREAD] += max(1.0 / MEMORY, 1.0 / n) * (off * off - level[Level.SPREAD])
    if n <= SPAN or level[Level.SPREAD] <= 0.0:
        return
    apart = level[Level.FIRM] - level[Level.SLOW]
    square = apart * apart / level[Level.SPREAD]
    if n > SETTLED:
        square = min(square, OUTSIDE * OUTSIDE * level[Level.WANDER])
    level[Level.WANDER] += max(1.0 / MEMORY, 1.0 / (n + FEWEST * SPAN)) * (square - level[Level.WANDER])
    side = 1.0 if apart > 0.0 else (-1.0 if apart < 0.0 else level[Level.SIDE])
    level[Level.TURNS] *= 1.0 - 1.0 / MEMORY
    if side != level[Level.SIDE]:
        level[Level.TURNS] += 1.0
    level[Level.SIDE] = side
