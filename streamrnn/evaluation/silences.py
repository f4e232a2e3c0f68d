"""Silences in a recorded file, told as the daemon tells them: its clock is the time of the row at hand.

A batch is divided where a stream may have become overdue, so that a row is not learned before a silence ahead of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamrnn.engine.engine import Engine
from streamrnn.messages import OPENED, Batch, Ints
from streamrnn.service.streams.silence import Silence

MOST = 256  # rows of a part


@dataclass
class Silences:
    """What has been told. `found` holds the first hundred, by stream: when it should have been heard, in seconds."""

    engine: Engine
    count: int = 0
    opened: int = 0  # anomaly events that a silence began
    found: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._silence = Silence(self.engine, 0.0)
        self._span = np.inf  # shortest patience that was seen

    def parts(self, batch: Batch, rows: Ints) -> Iterator[tuple[Batch, Ints]]:
        """The batch in parts; who is overdue before a part is told."""
        if not self.engine.model.silence:
            yield batch, rows
            return
        start, n = 0, len(batch)
        while start < n:
            self._tell(float(batch.time[start]))
            late = batch.time[start : start + MOST] > batch.time[start] + 0.5 * self._span
            stop = start + max(1, int(late.argmax()) if late.any() else min(MOST, n - start))
            yield part_of(batch, rows, start, stop)
            start = stop

    def hear(self, batch: Batch, outcomes: Any) -> None:
        """A part has been applied."""
        if not self.engine.model.silence or not len(batch):
            return
        self._silence.hear(batch, outcomes, batch.time)  # each at its own time: the last one of a stream stands
        self._span = min(self._span, float(self.engine.patience(outcomes).min()))

    def _tell(self, now: float) -> None:
        overdue = self._silence.overdue(now)
        if not overdue.names:
            return
        told = self.engine.wait(overdue.rows)
        self._silence.told(overdue.rows)
        self.count += len(overdue.names)
        self.opened += int((told.bits & OPENED != 0).sum())
        for name, due in zip(overdue.names, told.time.tolist(), strict=True):
            if len(self.found) < 100:
                self.found.append({"stream": name, "due": due, "told": now})


def part_of(batch: Batch, rows: Ints, start: int, stop: int) -> tuple[Batch, Ints]:
    """The observations from `start` to `stop`, and the rows (m) of their runs."""
    run = np.repeat(np.arange(len(batch.lengths)), batch.lengths)[start:stop]
    runs, lengths = np.unique(run, return_counts=True)
    part = Batch(
        names=[batch.names[k] for k in runs.tolist()],
        lengths=lengths.astype(np.int64),
        columnar=[batch.columnar[k] for k in runs.tolist()],
        time=batch.time[start:stop],
        values=batch.values[start:stop],
        label=batch.label[start:stop],
        ident=batch.ident[start:stop],
        seq=batch.seq[start:stop],
        bits=batch.bits[start:stop],
        ids={i - start: text for i, text in batch.ids.items() if start <= i < stop},
        event=None if batch.event is None else batch.event[start:stop],
        symbols=batch.symbols,
        future=None if batch.future is None else batch.future[start:stop],
    )
    return part, rows[runs]
