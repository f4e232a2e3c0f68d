"""Which streams have fallen silent: by row, when each should have been heard again (`model.silence`).

How long a stream may take is the row's own (`Engine.patience`); the monotonic clock only tells that so much time has
passed since its last observation was received. What is found is journaled as a command before it is told, so a replay
tells the same. A stream at rest is not waited for.
"""

from typing import NamedTuple

import numpy as np

from streamrnn.engine.engine import Engine
from streamrnn.messages import END, JUDGED, UNJUDGED, Batch, EventOutcomes, Floats, Ints, Outcomes

ORDER = "silence"  # the command
MOST = 1000  # streams a round, so that a turn stays short


class Overdue(NamedTuple):
    """Streams that should have been heard, and their rows."""

    names: list[str]
    rows: Ints


class Silence:
    """The streams in an engine's rows; those that are known already count as heard at `now`."""

    def __init__(self, engine: Engine, now: float) -> None:
        self._engine = engine
        self._due = np.full(engine.capacity, np.inf)  # monotonic seconds
        if engine.model.silence:
            for name in engine.names:
                told = engine.outlook(name) if name else None
                if told is not None:
                    self._due[told.row] = now + engine.patience(told)

    def hear(self, batch: Batch, outcomes: Outcomes | EventOutcomes, now: float | Floats) -> None:
        """A batch that was received at `now` (or each row of it) has been applied. After the end of a sequence none is
        due."""
        if self._engine.model.silence:
            span = self._engine.patience(outcomes)
            heard = (outcomes.bits & (JUDGED | UNJUDGED)) == 0
            self._due[outcomes.row[heard]] = np.where(batch.bits & END, np.inf, now + span)[heard]

    def overdue(self, now: float) -> Overdue:
        """Those that should have been heard by `now` and are not told of yet, at most MOST of them."""
        if not self._engine.model.silence:
            return Overdue([], np.empty(0, np.int64))
        names = self._engine.names
        late = np.flatnonzero(self._due[: len(names)] < now)[:MOST]
        rows = [row for row in late.tolist() if names[row]]
        return Overdue([names[row] for row in rows], np.array(rows, np.int64))

    def told(self, rows: Ints) -> None:
        """They are waited for no more until they are heard."""
        self._due[rows] = np.inf
