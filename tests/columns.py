"""Outcomes made by hand."""

import numpy as np

from streamrnn.kernels import table as c
from streamrnn.messages import Outcomes

COLUMNS = tuple(name for name, member in vars(Outcomes).items() if isinstance(member, property))


def outcomes(n: int, targets: int, horizons: int) -> Outcomes:
    """An empty set of columns for n observations."""
    reals = np.full((n, c.OUT_FORECAST + 3 * targets * (horizons + 1)), np.nan)
    return Outcomes(np.zeros((n, c.OUT_INTS), np.int64), reals, targets, horizons)
