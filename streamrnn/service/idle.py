"""Which streams nobody has sent anything for: by row, when each was last heard of."""

import numpy as np

from streamrnn.messages import Ints

MOST = 100  # streams a round, so that a turn stays short


class Idle:
    """When streams were last heard of, in seconds since the epoch; what is not known counts from `now`."""

    def __init__(self, capacity: int, now: float) -> None:
        self._heard = np.full(capacity, now)

    def hear(self, rows: Ints, now: float) -> None:
        """These rows had messages at `now`."""
        self._heard[rows] = now

    def over(self, names: list[str], seconds: float, now: float) -> list[str]:
        """Streams that have been silent for more than so many seconds, at most MOST of them."""
        rows = np.flatnonzero(self._heard[: len(names)] < now - seconds)
        return [names[row] for row in rows.tolist() if names[row]][:MOST]
