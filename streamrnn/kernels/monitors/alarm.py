"""From a surprise to an alarm: the rate that was asked for, the refractory time, the score.

An alarm is what ordinary data bring less often than was asked for: `alerts` a week, in the stream's own time, at most
one in 1,000 observations (see calibration.py). After one there is none for a while, except for one three times as
surprising: the rest of an event is no news.

score = 1 - 2^(-(surprise / threshold)^STEEP): a half at the threshold, .3 and .7 at 96 and 104 % of it, so that another
threshold of the score asks for somewhat more or fewer alarms. It is graded everywhere: inside the refractory time it is
that of the surprise that would be needed there; and what is below the highest of late, alarm or not, stays below APART,
so that a reader who puts a threshold of his own on the score hears of each peak about once too.
"""

import math

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Count, ForecastLatest, Peaks

WEEK = 604_800.0
DENSEST = 1.0 / 1000.0  # alarms an observation that can be asked for
REST, REST_SHARE = 200, 0.1  # observations without an alarm after one, at most; share of all seen so far
ESCAPE = 3.0
STEEP = 16.0
APART = 0.29
BELOW = 0.4999


@jit
def asked(alerts, interval):
    """Alarms asked for, an observation: `alerts` a week at this interval in seconds."""
    return min(alerts * interval / WEEK, DENSEST) if interval > 0.0 else DENSEST


@jit
def threshold(rate):
    """Nats of an alarm at so many alarms an observation; after each one there are REST observations without."""
    return math.log(max(1.0 / rate - REST, 0.25 / rate))


@jit
def rest(count):
    """Observations without an alarm after one."""
    return min(REST, REST_SHARE * count[Count.SEEN])


@jit
def refractory(latest, count, record, surprise):
    """What keeps the score of a surprise (uncalibrated) down. Returns (share of what is needed, below the peak)."""
    resting = count[Count.ALARMS] > 0 and count[Count.SEEN] - latest[ForecastLatest.ALARMED] <= rest(count)
    needed = surprise / (ESCAPE * latest[ForecastLatest.SIZE_THEN]) if resting else 1.0
    peak = record[Peaks.PEAK] > 0.0 and count[Count.SEEN] - record[Peaks.PEAK_AT] <= rest(count)
    return min(needed, 1.0), peak and surprise <= record[Peaks.PEAK]


@jit
def remember(count, record, surprise):
    """The highest surprise (uncalibrated) of late."""
    over = count[Count.SEEN] - record[Peaks.PEAK_AT] > rest(count)
    if over or surprise > record[Peaks.PEAK]:
        record[Peaks.PEAK], record[Peaks.PEAK_AT] = surprise, count[Count.SEEN]


@jit
def alarm(latest, count, surprise, rare):
    """Whether a surprise (uncalibrated) that is rare enough is an alarm."""
    since, first = count[Count.SEEN] - latest[ForecastLatest.ALARMED], count[Count.ALARMS] == 0
    raised = rare and (first or since > rest(count) or surprise > ESCAPE * latest[ForecastLatest.SIZE_THEN])
    if raised:
        count[Count.ALARMS] += 1
        latest[ForecastLatest.ALARMED], latest[ForecastLatest.SIZE_THEN] = count[Count.SEEN], surprise
    return raised


@jit
def score(surprise, threshold, kept, raised):
    """0..1, at least a half if and only if it is an alarm; `kept` is what `refractory` says of it."""
    value = 1.0 - math.exp(-math.log(2.0) * (kept[0] * surprise / threshold) ** STEEP)
    if raised:
        return max(value, 0.5)
    return APART * value if kept[1] else min(value, BELOW)


@jit
def score_of_event(surprise, threshold, raised):
    """0..1 of a symbol or a session, below a half unless it is an alarm: no refractory time, and not as steep."""
    value = 1.0 - math.exp(-math.log(2.0) * surprise / threshold)
    return max(value, 0.5) if raised else min(value, BELOW)


@jit
def severity(surprise, threshold):
    """0 none, 1 minor, 2 major (a tenth as probable as an alarm), 3 critical (a thousandth)."""
    if surprise < threshold:
        return 0
    if surprise < threshold + math.log(10.0):
        return 1
    return 2 if surprise < threshold + math.log(1000.0) else 3
