"""What creeps: the mean of a day against that of SPAN days before, where both are means of whole days.

A leak is learned as fast as it leaks by everything that follows the values. Here the reference cannot: it is how far
days of this stream have been apart before, each cut at CUT times that, over about the last MEMORY days. The distance
over SPAN days is a Student-t variable of as many degrees of freedom as there were days (sum of SPAN changes of a day;
of a stream without memory it is smaller than that, never larger), so a stream that wanders may wander. It is judged
once a day, with the first value of the next one, from FIRST days on. The slope is the distance over SPAN days.

Rejected: a line through several days (told a day later); running means of one rate against another of a tenth of it
(what is left of the day's curve in the faster one is what is seen).
"""

import math

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Clock
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.core.record import Record
from streamrnn.kernels.monitors import levels, outliers

DAY = 86_400.0
SPAN = 2.0  # days
MEMORY, FIRST = 28.0, 6.0  # days
CUT = 3.0
FEWEST = 24.0  # values of a day that make a mean
ONE_IN = 20.0  # of the alarms asked for, at most, that ordinary data bring by this monitor


class Creep(Record):
    """f64: means of the days of a target."""

    DAY: int  # local day of the values so far,
    COUNT: int  # their number,
    SUM: int  # and sum
    KNOWN: int  # whole days in a row before it
    YESTERDAY: int  # mean of the last one,
    EARLIER: int  # and of the one before
    DAYS: int  # changes from day to day that are known,
    VARIANCE: int  # and their mean square


@jit
def look(plan, row, actual, time, learn):
    """Take what came (T), NaN where nothing did, at this local time. Returns the most nats, an observation, and of
    which target."""
    most, which, interval = 0.0, 0, row.real[plan.ints[Program.CLOCK] + Clock.INTERVAL]
    for j in range(plan.ints[Program.TARGETS]):
        if math.isnan(actual[j]) or (plan.targets[j] >= 0 and outliers.doubted(plan, row, plan.targets[j])):
            continue
        found = follow(shift(row.real, plan.ints[Program.CREEP] + j * Creep.WIDTH), actual[j], time, learn)
        if found > most:
            most, which = found, j
    if most > 0.0 and interval > 0.0:
        most += math.log(DAY / interval / (ONE_IN * plan.ints[Program.TARGETS]))
    return max(most, 0.0), which


@jit
def begin_anew(plan, row):
    """Compare no day with one before a new level that was adopted: it has been told, and does not creep."""
    for j in range(plan.ints[Program.TARGETS]):
        record = shift(row.real, plan.ints[Program.CREEP] + j * Creep.WIDTH)
        record[Creep.KNOWN], record[Creep.COUNT], record[Creep.SUM] = 0.0, 0.0, 0.0


@jit
def nats_of_t(u, freedom):
    """-ln of the two-sided probability of a Student-t variable further out than u (by its normal score)."""
    x = abs(levels.normal_score(u, freedom))
    if x > 25.0:
        return 0.5 * x * x + math.log(x)
    return -math.log(math.erfc(x / math.sqrt(2.0)))


@jit
def follow(record, y, time, learn):
    """Take a value at this local time. Returns the nats of the day that has ended, of a day; 0 within a day."""
    day, found = math.floor(time / DAY), 0.0
    if record[Creep.COUNT] > 0.0 and day != record[Creep.DAY]:
        found = close(record, day, learn)
    record[Creep.DAY] = day
    record[Creep.COUNT] += 1.0
    record[Creep.SUM] += y
    return found


@jit
def close(record, day, learn):
    """The day is over. Days that are left out, or of a few values, begin the comparison anew."""
    mean, enough = record[Creep.SUM] / record[Creep.COUNT], record[Creep.COUNT] >= FEWEST
    whole = enough and day == record[Creep.DAY] + 1.0
    record[Creep.SUM], record[Creep.COUNT] = 0.0, 0.0
    if not whole:
        record[Creep.KNOWN] = 0.0
        return 0.0
    found = 0.0
    if record[Creep.KNOWN] >= SPAN and record[Creep.DAYS] >= FIRST and record[Creep.VARIANCE] > 0.0:
        apart = (mean - record[Creep.EARLIER]) / math.sqrt(SPAN * record[Creep.VARIANCE])
        found = nats_of_t(apart, min(record[Creep.DAYS], MEMORY))
    if record[Creep.KNOWN] >= 1.0 and learn:
        change = mean - record[Creep.YESTERDAY]
        record[Creep.DAYS] += 1.0
        square = change * change
        if record[Creep.DAYS] > FIRST:
            square = min(square, CUT * CUT * record[Creep.VARIANCE])
        record[Creep.VARIANCE] += max(1.0 / MEMORY, 1.0 / record[Creep.DAYS]) * (square - record[Creep.VARIANCE])
    record[Creep.EARLIER], record[Creep.YESTERDAY] = record[Creep.YESTERDAY], mean
    record[Creep.KNOWN] += 1.0
    return found
