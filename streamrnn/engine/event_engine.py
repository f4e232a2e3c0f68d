"""Floor 3: the engine of task "events". The same contract as engine.py; an observation is a symbol.

The text of a symbol is written into the row (or the pool) in which it was admitted, so that it travels with the row.
`generate` goes on with a stream as its distributions say; what it moves on the way is put back.
"""

from collections.abc import Sequence

import numpy as np

from streamrnn import spec
from streamrnn.engine.bank import Bank
from streamrnn.errors import ConfigError
from streamrnn.kernels.core import arrays, jit
from streamrnn.kernels.core.layout import Running, Symbols
from streamrnn.kernels.core.outcomes import EventInt, EventReal
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.step import event_loop
from streamrnn.kernels.step import generate as event_draw
from streamrnn.messages import WARMING, Batch, EventHealth, EventOutcomes, Floats, Ints
from streamrnn.model import event_initial
from streamrnn.model import event_plan as plans
from streamrnn.model.covariates import NONE
from streamrnn.model.layout import Layout

UNSEEN = 0


class EventEngine:
    """A model of events for up to `capacity` streams. Raises ConfigError when the spec asks for what cannot be."""

    def __init__(self, model: spec.Model, capacity: int, dtype: str = "float32") -> None:
        self.model = model
        self.capacity = capacity
        self._plan = plans.compose(model)
        self._bank = Bank(self._plan, capacity, dtype, event_initial)
        plans.link(self._plan, dtype)
        f32, f64, own = self._plan.scratch
        self._scratch = arrays.EventScratch(np.zeros(f32, dtype), np.zeros(f64), np.zeros(own, np.int64))
        self.frozen = False  # it always learns
        self.shown = self._plan.sizes.vocabulary.shown  # likeliest symbols that an outcome tells
        self.alert_rate = self._plan.sizes.vocabulary.alert_rate
        self._places = arrays.addresses(self._plan.table, self._bank.planes, self._scratch)
        self._texts: dict[int, dict[int, str | int]] = {}  # row -> number -> symbol, as far as asked for
        self.warm()

    def freeze(self, on: bool) -> None:
        """Learn nothing from now on; a model of events is not frozen (`streams.freeze.refuse`)."""
        self.frozen = on

    @property
    def names(self) -> list[str]:
        """Row -> stream; "" where one was forgotten and no other has come yet."""
        return self._bank.names

    @property
    def kernel_digest(self) -> str:
        """Of the kernels' sources, Numba, the interpreter and the CPU: equal digest, equal bits."""
        return str(jit.DIGEST)

    @property
    def layout(self) -> Layout:
        """Where every slice is in an exported row; stands beside it wherever it is stored."""
        return self._bank.layout

    @property
    def bytes_per_stream(self) -> int:
        """Memory of one stream, in bytes."""
        return self._bank.bytes_per_stream

    @property
    def bytes_total(self) -> int:
        """Memory of all planes at full capacity, the pool's row and the scratch, in bytes."""
        pool = 0 if not self._plan.pooled else len(self._bank.export(""))
        return self.capacity * self.bytes_per_stream + pool + sum(part.nbytes for part in self._scratch)

    @property
    def streams(self) -> int:
        """How many are known."""
        return len(self._bank)

    def known(self, name: str) -> bool:
        """Whether a stream has a row."""
        return self._bank.find(name) is not None

    def alone(self) -> None:
        """In a forked process; there is one thread anyway."""

    def admit(self, names: Sequence[str]) -> Ints:
        """Row of each name, a new row for a new one, -1 when the bank is full."""
        return self._bank.admit(names)

    def step(self, batch: Batch, rows: Ints) -> EventOutcomes:
        """Observe a batch; `rows` (m) is the row of each run, as `admit` gave it. One outcome an observation."""
        assert batch.event is not None
        n = len(batch)
        each = rows if len(rows) == n else np.repeat(rows, batch.lengths)
        columns = arrays.Batch(each, batch.event, batch.seq, batch.bits, batch.time, batch.label, batch.values, NONE)
        told = self._room(n)
        order = np.arange(n) if self._plan.pooled or n == 1 else np.argsort(each, kind="stable")
        self._run(order, columns, told)
        for i in np.flatnonzero(told.admitted).tolist():
            self._write(int(each[i]), int(told.admitted[i]), batch.symbols[int(batch.event[i])])
        return told

    def outlook(self, name: str) -> EventOutcomes | None:
        """The outcome of a stream's last observation again, from its row alone; None for an unknown stream."""
        row = self._bank.find(name)
        if row is None:
            return None
        told = self._room(1)
        event_loop.tell(self._places, self._scratch.f32, np.array([row]), told.ints, told.reals)
        return told

    def symbol(self, row: int, number: int) -> str | int | None:
        """The symbol of that number in the vocabulary of a row, as it was first sent; None for "unseen", "" for the end
        of a session, which no sender can send."""
        if number == UNSEEN:
            return None
        texts = self._texts.setdefault(0 if self._plan.pooled else row, {})
        if number not in texts:
            texts[number] = self._read(row, number)
        return texts[number]

    def generate(self, name: str, length: int, seed: int, temperature: float = 1.0, top_p: float = 1.0,
                 prime: Sequence[str | int] = ()) -> list[str | int | None]:  # fmt: skip
        """`length` symbols that may follow stream `name`, after the symbols of `prime`; what it learns stays as it is.

        `temperature` sharpens (below 1) or flattens the distributions; of each, the likeliest symbols that have
        together `top_p` take part. "Unseen" is not drawn; a session ends with "", and another begins.
        Raises KeyError for an unknown stream, ConfigError for a symbol of `prime` that is not in the vocabulary or for
        settings out of range.
        """
        if not (temperature > 0.0 and 0.0 < top_p <= 1.0 and length >= 0):
            hint = "temperature is above 0, top_p above 0 and at most 1, length not below 0"
            raise ConfigError(f"cannot generate with {temperature}, {top_p}, {length}", hint)
        row = self._bank.find(name)
        if row is None:
            raise KeyError(name)
        known = {self.symbol(row, number): number for number in range(1, self.symbols(row))}
        for symbol in prime:
            if symbol not in known:
                raise ConfigError(f"{symbol!r} is not in the vocabulary of {name!r}", "prime with symbols it has seen")
        given = np.array([known[symbol] for symbol in prime], np.int64)
        drawn = np.zeros(length, np.int64)
        chance = np.random.Generator(np.random.Philox(seed)).random(length)
        before = self._bank.export(name)
        try:
            event_draw.imagine(self._places, self._scratch.f32, row, given, chance, temperature, top_p, drawn)
        finally:
            self._bank.restore(name, before, self.layout)
        return [self.symbol(row, int(number)) for number in drawn]

    def symbols(self, row: int) -> int:
        """Symbols in the vocabulary of a row, "unseen" among them."""
        return int(self._counts(row)[int(self._plan.table.ints[Program.KNOWN_SYMBOLS])])

    def wait(self, rows: Ints) -> EventOutcomes:
        """Nothing has come from the streams of `rows` (N) in the time `patience` gave them: their outcomes say so."""
        told, bank = self._room(len(rows)), self._bank
        event_loop.wait(self._places, self._scratch.f32, rows, bank.changed, bank.stamp(), told.ints, told.reals)
        return told

    def patience(self, outcomes: EventOutcomes) -> Floats:
        """Seconds (n) after each event in which another should come; infinite where none is due."""
        due = (outcomes.bits & WARMING == 0) & ~np.isnan(outcomes.overdue)
        span = self.model.silence * (outcomes.overdue - outcomes.time)
        return np.where(due & (self.model.silence > 0.0), span, np.inf)

    def take_dirty(self, limit: int) -> list[str]:
        """Names of at most `limit` streams that changed since they were last taken."""
        return self._bank.take_dirty(limit)

    def changed(self, name: str) -> bool:
        """Whether a stream changed since it was last taken."""
        return self._bank.has_changed(name)

    def settle(self, name: str) -> None:
        """What a stream is now is stored: it counts as unchanged from now on."""
        self._bank.settle(name)

    def export(self, name: str) -> bytes:
        """A stream's row as bytes; "" is the pool's row when weights are pooled."""
        return self._bank.export(name)

    def restore(self, name: str, blob: bytes, layout: Layout) -> list[str]:
        """Put an exported row back; returns the names of slices that no longer fit. Raises SnapshotError."""
        self._texts.clear()
        return self._bank.restore(name, blob, layout)

    def forget(self, name: str) -> int | None:
        """Let go of a stream; the row it had, or None for an unknown one. With pooled weights what it taught stays."""
        self._lose_texts(name)
        return self._bank.forget(name)

    def reset(self, name: str) -> bool:
        """Make a stream as it was before its first event; False for an unknown one."""
        self._lose_texts(name)
        return self._bank.reset(name)

    def _lose_texts(self, name: str) -> None:
        row = self._bank.find(name)
        if row is not None and not self._plan.pooled:
            self._texts.pop(row, None)

    def health(self) -> EventHealth:
        """How well events are predicted now: running figures, medians over the rows that learn (or the pool's own)."""
        p, tables = self._plan.table.ints, self._plan.sizes.tables
        width = self._plan.sizes.members + Running.WIDTH
        n = 1 if self._plan.pooled else len(self._bank.names)
        plane = self._bank.planes.learned.reshape(-1, self._plan.learned.width)[:n]
        known = self._bank.planes.counts.reshape(-1, self._plan.counts.width)[:n, int(p[Program.KNOWN_SYMBOLS])]
        running = plane[:, int(p[Program.RUNNING]) :][:, :width].astype(np.float64)
        running = running[running[:, tables + 1 + Running.COUNT] > 0]
        if not len(running):
            none = float("nan")
            return EventHealth(none, none, none, none, none, none, 0, none)
        figures = np.median(running[:, tables + 1 :], axis=0)
        best = running[:, :tables].min(axis=1)
        return EventHealth(
            bits=float(figures[Running.MIXED]),
            bits_network=float(np.median(running[:, tables])),
            bits_table=float(np.median(best)),
            top1=float(figures[Running.TOP1]),
            topk=float(figures[Running.TOPK]),
            unseen=float(figures[Running.UNSEEN]),
            symbols=int(known.max()) - 1,
            skill=float(np.median(1.0 - running[:, tables + 1 + Running.MIXED] / np.maximum(best, 1e-9))),
        )

    def warm(self) -> None:
        """Compile the step, or load it from the cache, by running it over no observation at all."""
        none, floats, told = np.empty(0, np.int64), np.empty(0), self._room(0)
        values = np.empty((0, len(self.model.features)))
        self._run(none, arrays.Batch(none, none, none, none, floats, floats, values, NONE), told)
        event_loop.tell(self._places, self._scratch.f32, none, told.ints, told.reals)
        if self.model.silence:
            self.wait(none)

    def _run(self, order: Ints, columns: arrays.Batch, told: EventOutcomes) -> None:
        bank = self._bank
        event_loop.run(
            self._places, self._scratch.f32, order, columns, bank.changed, bank.stamp(), told.ints, told.reals
        )  # fmt: skip

    def _room(self, n: int) -> EventOutcomes:
        """Outcomes for n observations, to be filled."""
        return EventOutcomes(
            np.empty((n, EventInt.NEXT + self.shown), np.int64), np.empty((n, EventReal.NEXT_SHARES + self.shown))
        )

    def _counts(self, row: int) -> Ints:
        """The learned part of the row in i64."""
        counts: Ints = self._bank.planes.counts.reshape(-1, self._plan.counts.width)[0 if self._plan.pooled else row]
        return counts

    def _text(self, row: int, number: int) -> Ints:
        """Where a symbol's text stands."""
        return self._counts(row)[int(self._plan.table.ints[Program.TEXTS]) + number * Symbols.TEXT :][: Symbols.TEXT]

    def _write(self, row: int, number: int, symbol: str | int) -> None:
        raw, place = str(symbol).encode(), self._text(row, number)
        place[0] = -len(raw) if isinstance(symbol, int) else len(raw)
        place[1:].view(np.uint8)[: len(raw)] = np.frombuffer(raw, np.uint8)

    def _read(self, row: int, number: int) -> str | int:
        place = self._text(row, number)
        text = place[1:].view(np.uint8)[: abs(int(place[0]))].tobytes().decode()
        return int(text) if place[0] < 0 else text
