"""From a surprise to an alarm: the threshold that keeps to the alert rate, the refractory time.

Measured against what comes: every alarm raises the stream's threshold, every observation lowers it by the share of an
alarm that was asked for, so that in the long run there are as many alarms as asked for, whatever the data are like.
After an alarm there is none for a while, except for one three times as surprising: the rest of an event is no news.
score = 1 - 2^(-surprise / threshold), so 0.5 is reached exactly at the threshold.
"""

import math

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Count, ForecastLatest

START = 3.75  # threshold of a stream that has seen nothing, in nats, when as many are asked for as can be
RARER = 1.2  # more, for each e times fewer
LEAST, MOST = 2.0, 60.0
GAIN = 0.3  # of the threshold, an alarm
FIRST_GAIN = 0.5  # of the first alarm, a half of the second, ...: noise finds its threshold soon
WEEK = 604_800.0
DENSEST = 1.0 / 1000.0  # alarms an observation that can be asked for
REST, REST_SHARE = 200, 0.1  # observations without an alarm after one, at most; share of all seen so far
ESCAPE = 3.0
HUSHED = 0.499  # the highest score inside the refractory time


@jit
def asked(alerts, interval):
    """Alarms asked for, an observation: `alerts` a week at this interval in seconds."""
    return min(alerts * interval / WEEK, DENSEST) if interval > 0.0 else DENSEST


@jit
def alarm(latest, count, surprise, rate, muted):
    """Whether this surprise is an alarm; moves the threshold. Returns (alarm, threshold before).

    While alarms are muted there is none, and the threshold stays.
    """
    start = START + RARER * math.log(DENSEST / rate)
    threshold = min(max(start + latest[ForecastLatest.OFFSET], LEAST), MOST)
    if muted:
        return False, threshold
    since, rest = count[Count.SEEN] - latest[ForecastLatest.ALARMED], min(REST, REST_SHARE * count[Count.SEEN])
    first = count[Count.ALARMS] == 0
    raised = surprise >= threshold and (first or since > rest or surprise > ESCAPE * latest[ForecastLatest.SIZE_THEN])
    if raised:
        count[Count.ALARMS] += 1
        latest[ForecastLatest.ALARMED], latest[ForecastLatest.SIZE_THEN] = count[Count.SEEN], surprise
        latest[ForecastLatest.OFFSET] += max(GAIN, FIRST_GAIN / count[Count.ALARMS])
    latest[ForecastLatest.OFFSET] = min(max(latest[ForecastLatest.OFFSET] - GAIN * rate, LEAST - start), MOST - start)
    return raised, threshold


@jit
def score(surprise, threshold, raised):
    """0..1; below a half unless it is an alarm."""
    value = 1.0 - math.exp(-math.log(2.0) * surprise / threshold)
    return max(value, 0.5) if raised else min(value, HUSHED)


@jit
def severity(surprise, threshold):
    """0 none, 1 minor, 2 major (a tenth as probable as an alarm), 3 critical (a thousandth)."""
    if surprise < threshold:
        return 0
    if surprise < threshold + math.log(10.0):
        return 1
    return 2 if surprise < threshold + math.log(1000.0) else 3
