"""The schedules of the rate, from the whole list of mean losses."""

import math

import numpy as np


def sqrt(losses: list[float], period: int) -> float:
    """Constant for `period` updates, then with the square root of their number."""
    return 1.0 if len(losses) <= period else 1.0 / math.sqrt(len(losses) / period)


def plateau(losses: list[float], period: int) -> float:
    """Halved by every period that did not improve, whole again after one that is clearly worse than the best."""
    factor, best = 1.0, math.inf
    for end in range(period, len(losses) + 1, period):
        chunk = np.clip(losses[end - period : end], -30.0, 30.0)
        mean, error = chunk.mean(), chunk.std() / math.sqrt(period)
        if mean > best + 3.0 * error or best == math.inf:
            factor, best = 1.0, mean
        elif mean < best - error:
            best = mean
        else:
            factor = max(factor / 2.0, 1.0 / 32.0)
    return factor


SCHEDULES = {"constant": lambda losses, period: 1.0, "sqrt": sqrt, "plateau": plateau}
