"""Adaptive conformal intervals by quantile tracking, two-sided, per target and horizon.

Scores are errors over the running mean absolute error s. Each bound is an online quantile of the scores (Angelopoulos,
Candes, Tibshirani 2023: the P part of conformal PID): q += rate B (1[score > q] - miss), where B is the recent range
of the scores, so that the step follows the scale. Coverage converges to the level for any sequence; the interval is
never infinite.
"""

import math

from streamrnn.kernels import table as c
from streamrnn.kernels.jit import jit

GAIN = 0.05
SLOW = 0.005  # rate of the running figures that are published: a memory of about 200 settled forecasts


@jit
def track(stats, score, level):
    """Move both bounds after one score."""
    miss = 0.5 * (1.0 - level)
    stats[c.RANGE] = max(0.99 * stats[c.RANGE], min(abs(score), 50.0))
    step = GAIN * stats[c.RANGE]
    stats[c.HIGH] += step * ((1.0 if score > stats[c.HIGH] else 0.0) - miss)
    stats[c.LOW] -= step * ((1.0 if score < stats[c.LOW] else 0.0) - miss)
    if stats[c.HIGH] < stats[c.LOW]:
        middle = 0.5 * (stats[c.HIGH] + stats[c.LOW])
        stats[c.HIGH], stats[c.LOW] = middle, middle


@jit
def settle(stats, error, error_last, error_seasonal, covered, breadth):
    """Take one settled forecast into the spread and the published figures; errors are absolute."""
    stats[c.COUNT] += 1
    quick = max(0.02, 1.0 / stats[c.COUNT])
    slow = max(SLOW, 1.0 / stats[c.COUNT])
    stats[c.SPREAD] += quick * (error - stats[c.SPREAD])
    stats[c.ERROR] += slow * (error - stats[c.ERROR])
    stats[c.ERROR_LAST] += slow * (error_last - stats[c.ERROR_LAST])
    stats[c.ERROR_SEASONAL] += slow * (error_seasonal - stats[c.ERROR_SEASONAL])
    if not math.isnan(breadth):  # the first forecast of all had no interval
        slow = max(SLOW, 1.0 / max(stats[c.COUNT] - 1.0, 1.0))
        stats[c.COVERED] += slow * (covered - stats[c.COVERED])
        stats[c.BREADTH] += slow * (breadth - stats[c.BREADTH])
