"""Outcomes made by hand."""

import numpy as np

from streamrnn.messages import Floats, Ints, Outcomes


def outcomes(n: int, targets: int, horizons: int) -> Outcomes:
    """An empty set of columns for n observations."""

    def ints() -> Ints:
        return np.zeros(n, np.int64)

    def floats(*shape: int) -> Floats:
        return np.full((n, *shape), np.nan)

    return Outcomes(
        row=ints(),
        bits=ints(),
        seq=ints(),
        severity=ints(),
        event=ints(),
        learned=ints(),
        lost=ints(),
        time=floats(),
        interval=floats(),
        score=floats(),
        tail=floats(),
        started=floats(),
        skill=floats(),
        forecast=floats(targets, horizons, 3),
        expected=floats(targets),
        actual=floats(targets),
        attribution=floats(targets),
    )
