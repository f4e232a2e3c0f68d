"""Which streams nobody has sent anything for: by row, when each was last heard of."""

import numpy as np

from streamrnn.messages import Ints

MOST = 100  # streams a round, so that a turn stays short


class Idle:
    """When streams were last heard of, in monotonic seconds; what is not known counts from `now`.

    The time of day would not do: where it is set a day ahead, all streams would have been silent for a day.
    """

    def __init__(self, capacity: int, now: float) -> None:
        self._heard = np.full(capacity, now)

    def hear(self, rows: Ints, now: float) -> None:
        """These rows had messages at `now`."""
        self._heard[rows] = now

    def longest(self, names: list[str], needed: set[str], least: int, most: int) -> list[tuple[str, float]]:
        """The streams that have been silent the longest, with when they were heard: `most`, or at least `least`, of
        those that are not needed."""
        heard = self._heard[: len(names)]
        reach = min(most + len(needed), len(names))  # needed ones and free rows may be among them
        nearest = np.argpartition(heard, reach - 1)[:reach]
        found = self._of(names, needed, nearest)[:most]
        return found if len(found) >= least else self._of(names, needed, np.arange(len(names)))[:most]

    def _of(self, names: list[str], needed: set[str], rows: Ints) -> list[tuple[str, float]]:
        order = rows[np.argsort(self._heard[rows], kind="stable")].tolist()
        return [(names[row], float(self._heard[row])) for row in order if names[row] and names[row] not in needed]

    def over(self, names: list[str], seconds: float, now: float) -> list[str]:
        """Streams that have been silent for more than so many seconds, at most MOST of them."""
        rows = np.flatnonzero(self._heard[: len(names)] < now - seconds)
        return [names[row] for row in rows.tolist() if names[row]][:MOST]
