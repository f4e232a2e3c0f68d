"""Doubt: what no spread explains is judged, but neither learned nor followed until it has lasted.

A glitch of a sensor or a converter is many deviations away, and alone; a fault lasts minutes or hours. Learned once,
it widens every scale and spoils every expert for weeks, and as the last value it makes the next forecasts worthless.
So a value further than FAR standard deviations from the running mean, and than WIDER times what was believed before,

    is not followed    it counts as missing for all that learns or predicts, and as what it is for the monitors;
                       the FOLLOWED-th of them in a row is followed, for the stream may really have gone there
    is not learned     until it has lasted for `holdoff` values: no scale, season, ring, expert, network or figure
                       moves, and what was predicted meanwhile is not settled. Beyond all measure (SURELY deviations
                       and TIMES the widest) it has to last for HOURS too, and the monitors learn nothing of it either.

When it goes away before, the stream is where it was. When it has lasted, it is the new level: the monitors move there,
and an event that is open ends with a regime change. How far off a stream has been is forgotten with time. Bursts that
come at the same quarter of an hour on day after day, as nightly jobs do, are learned from the fifth day on.

Measured: one value in a hundred at a million deviations multiplied the median error on the others by 200 to 1,400,
whatever the preset; twenty minutes of a register's 65535 kept errors up to a hundredfold for two weeks.

Rejected: to cut such a value to the nearest believable one. Ten deviations in one value of a hundred still widen the
scale, so the cut moves out with it, without end. A copy of the row from before the event, to be put back: twice the
memory, and the event's end would have to be known.
"""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Clock, Scale
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.core.usual import Doubt

FAR = 8.0  # standard deviations,
WIDER = 2.0  # and times the widest that was believed, from the mean: nearer is no cause for doubt
SETTLED = 30.0  # values that the deviation has to rest on
FOLLOWED = 3
SURELY, TIMES = 100.0, 10.0
HOURS = 14_400.0  # seconds
MOST = 14_400.0  # values that have to last, at most
FADE = 0.9999  # of the widest, a value
DAY = 86_400.0
DAILY, USUAL = 0.35, 0.8  # by how much of the way a day moves a quarter of an hour's share, and from which it is usual


@jit
def quarter(s, time):
    """Share and day (2) of the quarter of an hour around a local time."""
    place = math.floor((time / DAY - math.floor(time / DAY)) * Scale.QUARTERS + 0.5)
    return carray(shift(s, Scale.DAYS + 2 * (int(place) % Scale.QUARTERS)), 2)


@jit
def usual(share, day):
    """Whether such values come at this time of the day, day after day."""
    return share[0] * (1.0 - DAILY) ** max(day - share[1] - 1.0, 0.0) > USUAL


@jit
def note(share, day):
    """Such a value has come at this time of the day."""
    if day != share[1]:
        left = share[0] * (1.0 - DAILY) ** max(day - share[1] - 1.0, 0.0)
        share[0], share[1] = left + DAILY * (1.0 - left), day


@jit
def lasting(plan, row, s, off):
    """How many values in a row have to be as far off before they are learned."""
    holdoff = plan.ints[Program.HOLDOFF]
    if holdoff == 0:
        return FOLLOWED - 1.0
    interval = row.real[plan.ints[Program.CLOCK] + Clock.INTERVAL]
    if interval <= 0.0 or off <= max(SURELY * math.sqrt(s[Scale.VARIANCE]), TIMES * s[Scale.LEARNED]):
        return float(holdoff)
    return min(max(HOURS / interval, float(holdoff)), MOST)


@jit
def doubt(plan, row, s, v, time):
    """What of a feature's value v is doubted; s is its scale, `time` is local. Returns a value of Doubt."""
    off, sd = abs(v - s[Scale.MEAN]), math.sqrt(max(s[Scale.VARIANCE], 0.0))
    known = s[Scale.SIZE] >= SETTLED and sd > 0.0
    if s[Scale.LEARNED] == 0.0:
        s[Scale.LEARNED] = s[Scale.WIDEST]  # a row of an older version
    s[Scale.WIDEST] *= FADE
    s[Scale.LEARNED] *= FADE
    bound = FAR * sd
    odd, away = (
        known and off > max(bound, WIDER * s[Scale.WIDEST]),
        known and off > max(bound, WIDER * s[Scale.LEARNED]),
    )
    if away:
        share, day = quarter(s, time), math.floor(time / DAY)
        if usual(share, day):
            odd, away = False, False
        note(share, day)
    s[Scale.ODD] = s[Scale.ODD] + 1.0 if odd else 0.0
    s[Scale.AWAY] = s[Scale.AWAY] + 1.0 if away else 0.0
    unfollowed = 0.0 < s[Scale.ODD] < FOLLOWED
    unlearned = unfollowed or 0.0 < s[Scale.AWAY] <= lasting(plan, row, s, off)
    if s[Scale.SIZE] > 0.0:
        if not unfollowed:
            s[Scale.WIDEST] = max(s[Scale.WIDEST], off)
        if not unlearned:
            s[Scale.LEARNED] = max(s[Scale.LEARNED], off)
    if unfollowed:
        return Doubt.UNFOLLOWED
    return Doubt.UNLEARNED if unlearned else Doubt.NONE


@jit
def look(plan, row, values, time):
    """Doubt each feature's value, of local `time`, or not. Returns whether one is, and whether one is not followed."""
    p, found, unfollowed = plan.ints, False, False
    for f in range(p[Program.FEATURES]):
        s = shift(row.real, p[Program.SCALE] + f * Scale.WIDTH)
        s[Scale.RAW] = values[f]
        if math.isnan(values[f]):
            continue
        s[Scale.DOUBT] = doubt(plan, row, s, values[f], time)
        found = found or s[Scale.DOUBT] > 0.0
        unfollowed = unfollowed or s[Scale.DOUBT] == Doubt.UNFOLLOWED
    return found, unfollowed


@jit
def doubted(plan, row, f):
    """What of the latest value of feature f is doubted: a value of Doubt."""
    return int(row.real[plan.ints[Program.SCALE] + f * Scale.WIDTH + Scale.DOUBT])


@jit
def beyond(plan, row, f):
    """Whether the latest value of feature f (-1: the label) is beyond all measure: not even monitors learn from it."""
    if f < 0:
        return False
    s = shift(row.real, plan.ints[Program.SCALE] + f * Scale.WIDTH)
    off = abs(s[Scale.RAW] - s[Scale.MEAN])
    return s[Scale.DOUBT] > 0.0 and off > max(SURELY * math.sqrt(s[Scale.VARIANCE]), TIMES * s[Scale.LEARNED])


@jit
def lasting_on(plan, row):
    """Whether a target is followed, but not learned from."""
    p = plan.ints
    for j in range(p[Program.TARGETS]):
        if doubted(plan, row, plan.targets[j]) == Doubt.UNLEARNED:
            return True
    return False


@jit
def lasted_of(plan, row, f):
    """Whether with its latest value feature f has been as far off for long enough: that is its new level."""
    if f < 0:
        return False
    s = shift(row.real, plan.ints[Program.SCALE] + f * Scale.WIDTH)
    return s[Scale.AWAY] > 0.0 and s[Scale.DOUBT] == 0.0


@jit
def lasted(plan, row):
    """The same of any target."""
    p = plan.ints
    for j in range(p[Program.TARGETS]):
        if lasted_of(plan, row, plan.targets[j]):
            return True
    return False
