"""Gaps: which of the regular times that a gap skipped are steps, and how far ahead a step therefore lies.

    a value every hour; "." is a regular time at which nothing came

    accident      Mon 9 10 11  .  .  . 15      step 1 of 11:00 is 15:00, the next value; step 4 is 15:00 too,
                                               for which it was published; steps 2 and 3 have no answer
    usual         Fri 16 17  . . . . .  Mon 8  step 1 of 17:00 is 8:00 on Monday, step 2 is 9:00: what is silent
                                               every night or every weekend is no step, and is not predicted

- Step 1 is the next observation, whenever it comes.
- A larger step counts regular times (usual intervals), but those at which the stream is usually silent.

Usually silent is an hour of the day or of the week in which nothing came the last times: a share for each hour, which
moves towards 1 by DAILY or WEEKLY where regular times were skipped and towards 0 where they were not, and is above
USUAL. So it takes four nights or three weekends: where one regular time in five is lost by accident, hardly an hour is
taken for silent. A gap of a day or more says nothing about the hours of the day, one of a week or more nothing at all.

`steps` of the model: "auto" is this rule; "observations" lets no skipped time count, "time" all of them. Step 1 is the
next observation in all three.

Rejected: gaps of about the same length or at about the same time as an earlier one. Chance gaps match too soon, and a
night with a lost hour behind it matches nothing.
"""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Clock, Count
from streamrnn.kernels.core.program import Program, Steps
from streamrnn.kernels.core.usual import Gaps

HOUR, DAY, WEEK = 3600.0, 86_400.0, 604_800.0
DAILY, WEEKLY = 0.35, 0.5  # by how much of the way one visit moves the share of an hour of the day, of the week
USUAL = 0.8  # share from which an hour is usually silent
FORGOTTEN = 0.01  # a smaller share is none
CLOSE = 1e-6  # of an interval: rounding
FARTHEST = 1344  # hours of a gap, or ahead, that are looked at: eight weeks


@jit
def hour(time, hours):
    """Hour of the day (24) or of the week (168), centred on the full hours."""
    return math.floor(time / HOUR + 0.5) % hours


@jit
def silent(gaps, time):
    """Whether the stream is usually silent at a local time."""
    return gaps[Gaps.DAY + hour(time, 24)] > USUAL or gaps[Gaps.WEEK + hour(time, 168)] > USUAL


@jit
def within(time, interval):
    """How many regular times from `time` on fall into its hour."""
    end = (math.floor(time / HOUR + 0.5) + 0.5) * HOUR
    return max(math.ceil((end - time) / interval - CLOSE), 1)


@jit
def rate(most, interval, count):
    """By how much of the way so many regular times of one hour move its share; all of them by `most`."""
    return 1.0 - (1.0 - most) ** (count * min(interval / HOUR, 1.0))


@jit
def usual(gaps, before, interval, skipped):
    """How many of the regular times that were skipped after `before` the stream is usually silent at.

    All of them where less than an hour's are left: a night ends a few minutes sooner or later.
    """
    found, k = 0, 1
    for _ in range(FARTHEST):
        if k > skipped:
            break
        time = before + k * interval
        count = min(within(time, interval), skipped + 1 - k)
        if silent(gaps, time):
            found += count
        k += count
    return skipped if found > 0 and (skipped - found) * interval < HOUR else found


@jit
def learn_skipped(gaps, before, interval, skipped):
    """Move the shares of the hours in which regular times were skipped after `before`."""
    length, k = (skipped + 1) * interval, 1
    gaps[Gaps.COUNT] += 1.0
    while k <= skipped and length < WEEK:
        time = before + k * interval
        count = min(within(time, interval), skipped + 1 - k)
        if length < DAY:
            i = Gaps.DAY + hour(time, 24)
            gaps[i] += rate(DAILY, interval, count) * (1.0 - gaps[i])
        i = Gaps.WEEK + hour(time, 168)
        gaps[i] += rate(WEEKLY, interval, count) * (1.0 - gaps[i])
        k += count
    gaps[Gaps.ANY] = 0.0
    for i in range(Gaps.DAY, Gaps.WIDTH):
        if gaps[i] > USUAL:
            gaps[Gaps.ANY] = 1.0


@jit
def learn_came(gaps, time, interval):
    """Move the shares of the hour in which an observation came."""
    for i, most in ((Gaps.DAY + hour(time, 24), DAILY), (Gaps.WEEK + hour(time, 168), WEEKLY)):
        if gaps[i] > 0.0:
            left = gaps[i] * (1.0 - rate(most, interval, 1))
            gaps[i] = left if left > FORGOTTEN else 0.0


@jit
def ahead(gaps, time, interval, steps, out):
    """How many regular times behind `time` each of the ascending steps (K) lies, into out (K)."""
    lead, counted, k = 0, 0, 0
    for _ in range(FARTHEST + steps[len(steps) - 1]):
        at = time + (lead + 1) * interval
        count = within(at, interval)
        if silent(gaps, at):
            lead += count
            continue
        count = min(count, steps[k] - counted)
        lead, counted = lead + count, counted + count
        if counted == steps[k]:
            out[k] = lead
            k += 1
        if k == len(steps):
            return
    for rest in range(k, len(steps)):
        out[rest] = lead + steps[rest] - counted


@jit
def worth(steps):
    """Share of its error that an answer counts with after so many steps too many: of a random walk each adds as much
    to the variance."""
    return 1.0 / math.sqrt(1.0 + steps)


@jit
def follow(plan, row, skipped, interval, before, time, learn):
    """Take an observation of local `time` after `skipped` regular times of `interval`, the last one was at `before`.

    Takes back from the count of steps what is none, and notes how far ahead the steps lie. Returns how many of the
    skipped times are steps.
    """
    p, q = plan.ints, row.count
    gaps = carray(shift(row.real, p[Program.GAPS]), Gaps.WIDTH)
    horizons = carray(plan.horizons, p[Program.HORIZONS])
    leads = carray(shift(q, p[Program.LEADS]), p[Program.HORIZONS])
    mode, none = p[Program.STEPS], 0
    if skipped > 0 and mode != Steps.TIME:
        none = skipped if mode == Steps.OBSERVATIONS else usual(gaps, before, interval, skipped)
        q[Count.STEP] -= none
        q[Count.PASSED] += none
    leads[:] = horizons
    now = row.real[p[Program.CLOCK] + Clock.INTERVAL]
    if mode == Steps.AUTO and now > 0.0:
        if learn and skipped > 0:
            learn_skipped(gaps, before, interval, skipped)
        if gaps[Gaps.COUNT] > 0.0:
            if learn:
                learn_came(gaps, time, now)
            if gaps[Gaps.ANY] > 0.0 and p[Program.LABEL_TASK] == 0:
                ahead(gaps, time, now, horizons, leads)
    return skipped - none
