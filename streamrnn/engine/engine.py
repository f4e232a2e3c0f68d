"""Floor 3: the engine. Batches of observations in, outcomes out; no sockets, clock, files or logging.

`step` is one compiled call for a whole batch. A stream's results depend on its own messages alone: not on how they
are batched, on other streams (with private weights), or on restarts. `outlook` and `health` only read. What a task does
in its own way is an entry of `tasks`.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.engine import events
from streamrnn.engine.bank import Bank
from streamrnn.engine.symbols import Symbols
from streamrnn.engine.tasks import TASKS
from streamrnn.errors import ConfigError
from streamrnn.kernels.core import arrays, jit
from streamrnn.kernels.core.program import Reals
from streamrnn.messages import FREEZE, Batch, EventHealth, EventOutcomes, Floats, Health, Ints, Outcomes
from streamrnn.model.covariates import NONE, Border, Zone
from streamrnn.model.layout import Layout
from streamrnn.model.prior import Prior, answers

ALONE = np.zeros(1, np.int64)  # the order of a single observation
SHARED = 64  # observations from which on a batch is shared among threads; handing over costs about 20 us
Told = Outcomes | EventOutcomes


class Engine:
    """A model for up to `capacity` streams. Raises ConfigError when the spec asks for what cannot be.

    `dtype` is the network's precision: "float32" in service, "float64" for tests. With `threads` a large batch is
    shared among so many, each with streams of its own: the results do not change. Pooled weights use one. With a
    `prior` new streams begin with what another one has learned. `zone` is that of model.timezone (`given`).
    """

    def __init__(
        self, model: spec.Model, capacity: int, dtype: str = "float32", threads: int = 1, prior: Prior | None = None,
        zone: Zone | None = None,
    ) -> None:  # fmt: skip
        self.model = model
        self.capacity = capacity
        self._task = task = TASKS[model.task]
        self._plan = task.compose(model)
        if prior is not None:
            self._plan.table.reals[Reals.AGE] = answers(self._plan, prior)
        self._bank = Bank(self._plan, capacity, dtype, task.first, prior)
        task.link(self._plan, dtype)
        self._symbols = Symbols(self._plan, self._bank) if model.task == "events" else None
        self._threads = 1 if self._plan.pooled else threads
        self._pool = ThreadPoolExecutor(self._threads - 1, "step") if self._threads > 1 else None
        self._scratch = [task.scratch(self._plan, dtype) for _ in range(self._threads)]
        self.frozen = model.frozen  # while it is, nothing is learned
        sizes = self._plan.sizes
        self.targets, self.horizons, self.level = sizes.targets, sizes.horizons, sizes.level
        self.experts, self.monitors, self.shown = sizes.titles, sizes.watched, sizes.shown
        self._border = Border(model, self.targets, self._plan.table.ints, zone)
        self._places = [arrays.addresses(self._plan.table, self._bank.planes, scratch) for scratch in self._scratch]
        self.warm()

    def freeze(self, on: bool) -> None:
        """Learn nothing from now on, or everything again."""
        self.frozen = on

    @property
    def names(self) -> list[str]:
        """Row -> stream; "" where one was forgotten and no other has come yet."""
        return self._bank.names

    @property
    def streams(self) -> int:
        """How many are known."""
        return len(self._bank)

    @property
    def kernel_digest(self) -> str:
        """Of the kernels' sources, Numba, the interpreter and the CPU: equal digest, equal bits."""
        return str(jit.DIGEST)

    @property
    def places(self) -> tuple[Ints, NDArray[np.floating]]:
        """Where the arrays of plan, planes and scratch begin, and an array of the network's precision: what compiled
        code needs to run on this engine's rows."""
        return self._places[0], self._scratch[0].f32

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
        pool = len(self._bank.export("")) if self._plan.pooled else 0
        room: int = sum(part.nbytes for scratch in self._scratch for part in scratch)
        return self.capacity * self.bytes_per_stream + pool + room

    def known(self, name: str) -> bool:
        """Whether a stream has a row."""
        return self._bank.find(name) is not None

    def admit(self, names: Sequence[str]) -> Ints:
        """Row of each name, a new row for a new one, -1 when the bank is full."""
        return self._bank.admit(names)

    def alone(self) -> None:
        """Make do with the calling thread from now on: in a forked process there are no others."""
        self._pool = None

    def step(self, batch: Batch, rows: Ints) -> Any:
        """Observe a batch; `rows` (m) is the row of each run, as `admit` gave it. One outcome an observation."""
        n = len(batch)
        each = rows if len(rows) == n else np.repeat(rows, batch.lengths)
        bits = batch.bits | FREEZE if self.frozen else batch.bits
        values, bits = self._border.valid(batch.values, bits)
        known = self._border.known(batch)
        columns = arrays.Batch(each, self._task.ident(batch), batch.seq, bits, batch.time, batch.label, values, known)
        told = self._task.room(self._plan, n)
        order, stamp = self._order(each), self._bank.stamp()
        if self._pool is None or n < SHARED:
            self._run(0, order, columns, stamp, told)
        else:
            shard = each[order] % self._threads
            others = [
                self._pool.submit(self._run, number, order[shard == number], columns, stamp, told)
                for number in range(1, self._threads)
            ]
            self._run(0, order[shard == 0], columns, stamp, told)
            for other in others:
                other.result()
        if self._symbols is not None:
            self._symbols.admit(batch, told)
        return told

    def outlook(self, name: str) -> Any:
        """The outcome of a stream's last observation again, from its row alone; None for an unknown stream."""
        row = self._bank.find(name)
        if row is None:
            return None
        told = self._task.room(self._plan, 1)
        self._task.tell(*self.places, np.array([row]), told.ints, told.reals)
        return told

    def wait(self, rows: Ints) -> Any:
        """Nothing has come from the streams of `rows` (N) in the time `patience` gave them: their outcomes say so."""
        told, bank = self._task.room(self._plan, len(rows)), self._bank
        self._task.wait(*self.places, rows, bank.changed, bank.stamp(), told.ints, told.reals)
        return told

    def patience(self, outcomes: Told) -> Floats:
        """Seconds (n) after each observation in which another should come; infinite where none is due."""
        return self._task.due(self.model, outcomes)  # type: ignore[no-any-return]

    def symbol(self, row: int, number: int) -> str | int | None:
        """Task "events": the symbol of that number in the vocabulary of a row, as it was first sent; None for "unseen",
        "" for the end of a session, which no sender can send."""
        return self._vocabularies.text(row, number)

    def symbols(self, row: int) -> int:
        """Task "events": symbols in the vocabulary of a row, "unseen" among them."""
        return self._vocabularies.count(row)

    def generate(self, name: str, length: int, seed: int, temperature: float = 1.0, top_p: float = 1.0,
                 prime: Sequence[str | int] = ()) -> list[str | int | None]:  # fmt: skip
        """Task "events": `length` symbols that may follow stream `name`, after the symbols of `prime`; what it learns
        stays as it is.

        `temperature` sharpens (below 1) or flattens the distributions; of each, the likeliest symbols that have
        together `top_p` take part. "Unseen" is not drawn; a session ends with "", and another begins.
        Raises KeyError for an unknown stream, ConfigError for a symbol of `prime` that is not in the vocabulary or for
        settings out of range.
        """
        symbols, row = self._vocabularies, self._bank.find(name)
        if row is None:
            raise KeyError(name)
        drawing = events.Drawing(length, seed, temperature, top_p)
        return events.generate(self._bank, symbols, self.places, row, drawing, prime)

    @property
    def _vocabularies(self) -> Symbols:
        if self._symbols is None:
            raise ConfigError(f"task {self.model.task!r} has no events to generate", 'model.task = "events"')
        return self._symbols

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
        if self._symbols is not None:
            self._symbols.clear()
        return self._bank.restore(name, blob, layout)

    def forget(self, name: str) -> int | None:
        """Let go of a stream; the row it had, or None for an unknown one. With pooled weights what it taught stays."""
        self._lose_symbols(name)
        return self._bank.forget(name)

    def reset(self, name: str) -> bool:
        """Make a stream as it was before its first observation; False for an unknown one."""
        self._lose_symbols(name)
        return self._bank.reset(name)

    def _lose_symbols(self, name: str) -> None:
        row = self._bank.find(name)
        if row is not None and self._symbols is not None:
            self._symbols.clear(row)

    def health(self) -> Health | EventHealth:
        """How good the predictions are now, over all streams."""
        return self._task.health(self._plan, self._bank)  # type: ignore[no-any-return]

    def warm(self) -> None:
        """Compile the step, or load it from the cache, by running it over no observation at all."""
        none, floats, told = np.empty(0, np.int64), np.empty(0), self._task.room(self._plan, 0)
        values = np.empty((0, len(self.model.features)))
        self._run(0, none, arrays.Batch(none, none, none, none, floats, floats, values, NONE), 0, told)
        self._task.tell(*self.places, none, told.ints, told.reals)
        if self.model.silence:
            self.wait(none)

    def _run(self, thread: int, order: Ints, columns: arrays.Batch, stamp: int, told: Any) -> None:
        places = self._places[thread], self._scratch[thread].f32
        self._task.run(self._bank, places, order, columns, told, stamp)

    def _order(self, rows: Ints) -> Ints:
        """The order in which to step through observations of `rows`: stream by stream, while it is in the cache.

        Each stream's own order stays. With pooled weights the streams meet in them, so the order of arrival does.
        """
        if len(rows) == 1:
            return ALONE
        if self._plan.pooled:
            return np.arange(len(rows))
        return np.argsort(rows, kind="stable")
