"""Where a time lies in a period."""

import math

from streamrnn.kernels.core.jit import jit

DAY = 86_400.0  # seconds


@jit
def bin_of(time, period, bins):
    """Bin of `time` (seconds) in its period."""
    phase = time / period
    return min(int((phase - math.floor(phase)) * bins), bins - 1)
