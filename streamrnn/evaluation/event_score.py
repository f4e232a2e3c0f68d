"""How well events were predicted, in one pass: bits beside the network's and the tables' alone, hits, sessions; and one
row an event for a file of outcomes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.console import Console

from streamrnn.engine.engine import Engine
from streamrnn.evaluation.show import number, percent, table
from streamrnn.messages import ANOMALY, FROZEN, LEARNED, Batch, EventOutcomes

COLUMNS = [
    *("stream", "seq", "time", "event", "expected", "probability", "rank", "bits", "anomaly_score", "is_anomaly"),
    *("next_time", "session_score"),
]
_COSTS = {"mix": "surprise", "network": "network", "table": "table"}


class EventScore:
    """Running sums over all that has been added; late and repeated events do not count."""

    def __init__(self, shown: int) -> None:
        self.shown = shown
        self.scored = self.first = self.among = self.unseen = self.sessions = self.strange = 0
        self.bits = dict.fromkeys(_COSTS, 0.0)

    def add(self, outcomes: EventOutcomes) -> None:
        """Score a batch."""
        use = outcomes.bits & (LEARNED | FROZEN) != 0
        rank, session = outcomes.rank[use], outcomes.session_score[use]
        self.scored += int(use.sum())
        known = outcomes.symbol[use] != 0  # that something new would come is no hit
        self.first += int(((rank <= 1) & known).sum())
        self.among += int(((rank <= self.shown) & known).sum())
        self.unseen += int((~known).sum())
        self.sessions += int(np.isfinite(session).sum())
        self.strange += int((session >= 0.5).sum())
        for by, column in _COSTS.items():
            self.bits[by] += float(getattr(outcomes, column)[use].sum())

    def found(self) -> dict[str, Any]:
        """The figures, for the summary."""
        n = max(self.scored, 1)
        return {
            "scored": self.scored,
            "bits": {by: total / n for by, total in self.bits.items()},
            "top1": self.first / n,
            f"top{self.shown}": self.among / n,
            "unseen": self.unseen / n,
            "sessions_scored": self.sessions,
            "sessions_anomalous": self.strange,
        }

    def show(self) -> None:
        """The figures for a reader."""
        n = max(self.scored, 1)
        heads = ("mix", "network", "longest\ntable", "first", f"among\n{self.shown}", "unseen")
        made = table("Bits an event, predicted before it came; hits", *heads)
        costs = [number(self.bits[by] / n, 3) for by in _COSTS]
        made.add_row(*costs, percent(self.first / n), percent(self.among / n), percent(self.unseen / n))
        Console().print(made)
        if self.sessions:
            Console().print(f"{self.strange} of {self.sessions} scored sessions are anomalous", highlight=False)


def rows_of(engine: Engine, batch: Batch, outcomes: EventOutcomes, names: list[str]) -> Iterator[list[Any]]:
    """The rows of an outcomes file; None is unknown."""
    assert batch.event is not None
    anomalous = (outcomes.bits & ANOMALY != 0).tolist()
    for i, digest in enumerate(batch.event.tolist()):
        row = int(outcomes.row[i])
        numbers = [float(x) for x in (outcomes.share[i], outcomes.surprise[i], outcomes.score[i])]
        ends = [float(x) for x in (outcomes.expected[i], outcomes.session_score[i])]
        share, bits, score, when, session = (None if x != x else x for x in [*numbers, *ends])
        event, expected = batch.symbols[digest], engine.symbol(row, int(outcomes.predicted[i]))
        head = [names[row], int(outcomes.seq[i]), float(outcomes.time[i]), event, expected]
        yield [*head, share, int(outcomes.rank[i]), bits, score, anomalous[i], when, session]
