"""How often ordinary data bring a surprise this large: the stream's own count of its surprises, and a tail beyond.

The surprises of several monitors in sum are no probability: their rate depends on the data. So each stream counts the
peaks of its surprise, one in every stretch of RUN observations without a larger one, in a histogram that forgets. At a
level u the rate is counted; beyond it peaks fall off exponentially with mean excess h, fitted to the peaks above u,
each cut at CUT times h, together with PRIOR_PEAKS of mean excess PRIOR_EXCESS. The histogram begins with the peaks that
PRIOR_ROWS observations of plain noise bring. So

    -ln(rate of a peak >= s) = -ln(rate above u) + (s - u) / h          (peaks over threshold, Pickands 1975)

and an alarm is what ordinary data bring less often than was asked for. An alarm, true or false, is one peak among many,
and cut: several a week move the level a little, and are forgotten. What moves it is what comes often.

A surprise is worth less as long as less than some days have been seen: what comes at another time of the day is new
then, whatever it is.

Rejected: a threshold that rises by each alarm (three of four true anomalies are not told where they come often, and
false ones of the first days deafen for weeks); the median in place of the mean excess, and a tail of its own shape.
"""

import math

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Peaks

RUN = 25  # observations that part two peaks
PRIOR_ROWS, PRIOR_RATE, PRIOR_FROM = 1000.0, 0.0174, 2.0  # peaks an observation above that many nats
PRIOR_PEAKS, PRIOR_EXCESS = 50.0, 0.5
LEAST_EXCESS = 0.3
CUT = 4.0
ENOUGH = 100.0  # peaks above u, if there are as many,
LEAST = 3.2  # nats: else u is at least this
MEMORY = 10.0  # alarms asked for, in whose time a peak fades to 1 / e
CROWD = 4.0  # peaks that an alarm stands for: alarms keep away from each other, but the data differ
HALF_A_DAY = 86_400.0  # seconds after which a surprise counts half
AT_FIRST = 0.35  # what it is worth at the least
FINE, COARSE, TURN = 8.0, 16.0, 8.0  # bins a nat up to TURN nats, then bins an octave


@jit
def bin_of(surprise):
    """The bin of a surprise of at least 0."""
    if surprise < TURN:
        return int(surprise * FINE)
    return int(min(FINE * TURN + COARSE * math.log2(surprise / TURN), Peaks.BINS - 1.0))


@jit
def edge_of(i):
    """Where bin i begins, in nats."""
    return i / FINE if i < FINE * TURN else TURN * 2.0 ** ((i - FINE * TURN) / COARSE)


@jit
def begin(record):
    """A stream that has seen nothing: peaks of plain noise."""
    record[Peaks.ROWS] = PRIOR_ROWS
    record[Peaks.EXCESS] = PRIOR_EXCESS
    for i in range(int(PRIOR_FROM * FINE), Peaks.BINS - 1):
        above = math.exp(-(edge_of(i) - PRIOR_FROM) / PRIOR_EXCESS)
        further = math.exp(-(edge_of(i + 1) - PRIOR_FROM) / PRIOR_EXCESS)
        record[Peaks.HISTOGRAM + i] = PRIOR_ROWS * PRIOR_RATE * (above - further)
    fit(record)


@jit
def fit(record):
    """Level, rate above it and mean excess, from the histogram."""
    number, i = 0.0, Peaks.BINS - 1
    while i > 0 and number + record[Peaks.HISTOGRAM + i] < ENOUGH and edge_of(i) >= LEAST:
        number += record[Peaks.HISTOGRAM + i]
        i -= 1
    level, most = edge_of(i + 1), CUT * record[Peaks.EXCESS]
    excess = 0.0
    for k in range(i + 1, Peaks.BINS):
        middle = 0.5 * (edge_of(k) + edge_of(min(k + 1, Peaks.BINS - 1)))
        excess += record[Peaks.HISTOGRAM + k] * min(max(middle - level, 0.0), most)
    mean = (PRIOR_PEAKS * PRIOR_EXCESS + excess) / (PRIOR_PEAKS + number)
    record[Peaks.LEVEL], record[Peaks.EXCESS] = level, max(mean, LEAST_EXCESS)
    record[Peaks.RATE] = max(number, 0.5) / record[Peaks.ROWS]


@jit
def since(record, time):
    """Seconds for which the stream has been judged."""
    if record[Peaks.ROWS] == 0.0:
        begin(record)
        record[Peaks.BEGAN] = time
    return max(time - record[Peaks.BEGAN], 0.0)


@jit
def worth(elapsed):
    """What a surprise is worth when a stream has been seen for so many seconds."""
    return max(elapsed / (elapsed + HALF_A_DAY), AT_FIRST)


@jit
def nats(record, surprise):
    """-ln of the rate, an observation, at which ordinary data bring alarms of at least this surprise; at least 0."""
    least = max(-math.log(CROWD * record[Peaks.RATE]), 0.0)
    level = record[Peaks.LEVEL]
    if surprise <= level:
        return least * surprise / level
    return least + (surprise - level) / record[Peaks.EXCESS]


@jit
def learn(record, surprise, rate):
    """Count an observation of this surprise; `rate` of alarms asked for tells how long peaks are remembered."""
    record[Peaks.RUN] += 1
    record[Peaks.SINCE] += 1
    if surprise > record[Peaks.HIGHEST]:
        record[Peaks.HIGHEST], record[Peaks.SINCE] = surprise, 0.0
    if record[Peaks.SINCE] < RUN:
        return
    stays = math.exp(-record[Peaks.RUN] * rate / MEMORY)
    for i in range(Peaks.BINS):
        record[Peaks.HISTOGRAM + i] *= stays
    record[Peaks.HISTOGRAM + bin_of(record[Peaks.HIGHEST])] += 1.0
    record[Peaks.ROWS] = record[Peaks.ROWS] * stays + record[Peaks.RUN]
    record[Peaks.HIGHEST], record[Peaks.SINCE], record[Peaks.RUN] = 0.0, 0.0, 0.0
    fit(record)
