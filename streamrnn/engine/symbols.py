"""The texts of symbols. Each stands in the row (or the pool) in which it was admitted, and travels with that."""

import numpy as np

from streamrnn.engine.bank import Bank
from streamrnn.kernels.core.layout import Symbols as Text
from streamrnn.kernels.core.program import Program
from streamrnn.messages import Batch, EventOutcomes, Ints
from streamrnn.model.event_plan import Plan

UNSEEN = 0


class Symbols:
    """The vocabularies of a bank."""

    def __init__(self, plan: Plan, bank: Bank) -> None:
        self._plan = plan
        self._bank = bank
        self._texts: dict[int, dict[int, str | int]] = {}  # row -> number -> symbol, as far as asked for

    def text(self, row: int, number: int) -> str | int | None:
        """The symbol of that number in the vocabulary of a row, as it was first sent; None for "unseen", "" for the end
        of a session, which no sender can send."""
        if number == UNSEEN:
            return None
        texts = self._texts.setdefault(0 if self._plan.pooled else row, {})
        if number not in texts:
            texts[number] = self._read(row, number)
        return texts[number]

    def count(self, row: int) -> int:
        """Symbols in the vocabulary of a row, "unseen" among them."""
        return int(self._counts(row)[int(self._plan.table.ints[Program.KNOWN_SYMBOLS])])

    def admit(self, batch: Batch, outcomes: EventOutcomes) -> None:
        """Write down what has entered a vocabulary with this batch."""
        for i in np.flatnonzero(outcomes.admitted).tolist():
            assert batch.event is not None
            self._write(int(outcomes.row[i]), int(outcomes.admitted[i]), batch.symbols[int(batch.event[i])])

    def clear(self, row: int | None = None) -> None:
        """What was read of a row, or of all, does not hold any more."""
        if row is None:
            self._texts.clear()
        elif not self._plan.pooled:
            self._texts.pop(row, None)

    def _counts(self, row: int) -> Ints:
        """The learned part of the row in i64."""
        counts: Ints = self._bank.planes.counts.reshape(-1, self._plan.counts.width)[0 if self._plan.pooled else row]
        return counts

    def _place(self, row: int, number: int) -> Ints:
        """Where a symbol's text stands."""
        return self._counts(row)[int(self._plan.table.ints[Program.TEXTS]) + number * Text.TEXT :][: Text.TEXT]

    def _write(self, row: int, number: int, symbol: str | int) -> None:
        raw, place = str(symbol).encode(), self._place(row, number)
        place[0] = -len(raw) if isinstance(symbol, int) else len(raw)
        place[1:].view(np.uint8)[: len(raw)] = np.frombuffer(raw, np.uint8)

    def _read(self, row: int, number: int) -> str | int:
        place = self._place(row, number)
        text = place[1:].view(np.uint8)[: abs(int(place[0]))].tobytes().decode()
        return int(text) if place[0] < 0 else text
