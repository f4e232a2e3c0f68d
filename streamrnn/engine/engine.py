"""Floor 3: the engine. Batches of observations in, outcomes out; no sockets, clock, files or logging.

`step` is one compiled call for a whole batch. A stream's results depend on its own messages alone: not on how they
are batched, on other streams (with private weights), or on restarts. `outlook` and `health` only read.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.engine.bank import Bank
from streamrnn.kernels.core import arrays, jit
from streamrnn.kernels.core.layout import Drift, Stats, Target
from streamrnn.kernels.core.outcomes import ForecastInt, ForecastReal
from streamrnn.kernels.core.program import Program, Reals
from streamrnn.kernels.step import challenger, loop
from streamrnn.messages import FREEZE, WARMING, Batch, Floats, Health, Ints, Outcomes
from streamrnn.model import plan as plans
from streamrnn.model.covariates import NONE, Border, Zone
from streamrnn.model.layout import Layout
from streamrnn.model.prior import Prior, answers

ALONE = np.zeros(1, np.int64)  # the order of a single observation
SHARED = 64  # observations from which on a batch is shared among threads; handing over costs about 20 us


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
        self._plan = plans.compose(model)
        if prior is not None:
            self._plan.table.reals[Reals.AGE] = answers(self._plan, prior)
        self._bank = Bank(self._plan, capacity, dtype, prior=prior)
        plans.link(self._plan, dtype)
        self._half = self._bank.half(dtype) if plans.challenged(model) else None
        f32, f64 = self._plan.scratch
        self._threads = 1 if self._plan.pooled else threads
        self._pool = ThreadPoolExecutor(self._threads - 1, "step") if self._threads > 1 else None
        self._scratch = [arrays.Scratch(np.zeros(f32, dtype), np.zeros(f64)) for _ in range(self._threads)]
        self.targets = self._plan.sizes.targets
        self.horizons = self._plan.sizes.horizons
        self._border = Border(model, self.targets, self._plan.table.ints, zone)
        self.frozen = model.frozen  # while it is, nothing is learned
        self.level = self._plan.sizes.conformal.level
        self.experts = (*(str(expert.__struct_config__.tag) for expert in self._plan.sizes.experts), "network")
        self.monitors = tuple(str(monitor.__struct_config__.tag) for monitor in self._plan.sizes.watching)
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
        pool = 0 if not self._plan.pooled else len(self._bank.export(""))
        return (
            self.capacity * self.bytes_per_stream
            + pool
            + sum(part.nbytes for scratch in self._scratch for part in scratch)
        )

    def known(self, name: str) -> bool:
        """Whether a stream has a row."""
        return self._bank.find(name) is not None

    def admit(self, names: Sequence[str]) -> Ints:
        """Row of each name, a new row for a new one, -1 when the bank is full."""
        return self._bank.admit(names)

    def alone(self) -> None:
        """Make do with the calling thread from now on: in a forked process there are no others."""
        self._pool = None

    def step(self, batch: Batch, rows: Ints) -> Outcomes:
        """Observe a batch; `rows` (m) is the row of each run, as `admit` gave it. One outcome an observation."""
        n = len(batch)
        each = rows if len(rows) == n else np.repeat(rows, batch.lengths)
        bits = batch.bits | FREEZE if self.frozen else batch.bits
        values, bits = self._border.valid(batch.values, bits)
        known = self._border.known(batch)
        columns = arrays.Batch(each, batch.ident, batch.seq, bits, batch.time, batch.label, values, known)
        told = self._room(n)
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
        return told

    def outlook(self, name: str) -> Outcomes | None:
        """The outcome of a stream's last observation again, from its row alone; None for an unknown stream."""
        row = self._bank.find(name)
        if row is None:
            return None
        told = self._room(1)
        loop.tell(self._places[0], self._scratch[0].f32, np.array([row]), told.ints, told.reals)
        return told

    def wait(self, rows: Ints) -> Outcomes:
        """Nothing has come from the streams of `rows` (N) in the time `patience` gave them: their outcomes say so."""
        told = self._room(len(rows))
        loop.wait(
            self._places[0], self._scratch[0].f32, rows, self._bank.changed, self._bank.stamp(), told.ints, told.reals
        )
        return told

    def patience(self, outcomes: Outcomes) -> Floats:
        """Seconds (n) after each observation in which another should come; infinite where none is due."""
        due = (outcomes.bits & WARMING == 0) & (outcomes.interval > 0.0)
        return np.where(due & (self.model.silence > 0.0), self.model.silence * outcomes.interval, np.inf)

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
        return self._bank.restore(name, blob, layout)

    def forget(self, name: str) -> int | None:
        """Let go of a stream; the row it had, or None for an unknown one. With pooled weights what it taught stays."""
        return self._bank.forget(name)

    def reset(self, name: str) -> bool:
        """Make a stream as it was before its first observation; False for an unknown one."""
        return self._bank.reset(name)

    def health(self) -> Health:
        """How good the forecasts are now, over all streams."""
        p, n = self._plan.table.ints, len(self._bank.names)
        targets, horizons = len(self.targets), len(self.horizons)
        plane = self._bank.planes.f64.reshape(self.capacity, -1)[:n]
        start = int(p[Program.STATS])
        stats = plane[:, start : start + targets * horizons * Stats.WIDTH]
        stats = stats.reshape(n, targets, horizons, Stats.WIDTH).copy()
        stats[stats[..., Stats.COUNT] == 0] = np.nan
        start = int(p[Program.TARGET])
        target = plane[:, start : start + targets * Target.WIDTH].reshape(n, targets, Target.WIDTH)
        with np.errstate(divide="ignore", invalid="ignore"):
            sd = np.sqrt(target[..., Target.VARIANCE])[..., None]
            relative = {name: stats[..., name] / sd for name in (Stats.ERROR, Stats.BREADTH, Stats.WINKLER)}
            last = 1.0 - stats[..., Stats.ERROR] / stats[..., Stats.ERROR_LAST]
            seasonal = 1.0 - stats[..., Stats.ERROR] / stats[..., Stats.ERROR_SEASONAL]
        return Health(
            steps=self.horizons,
            level=self.level,
            error=_median(relative[Stats.ERROR]),
            skill_persistence=_median(last),
            skill_seasonal=_median(seasonal),
            below_persistence=_share_below_zero(last),
            coverage=_median(stats[..., Stats.COVERED]),
            width=_median(relative[Stats.BREADTH]),
            winkler=_median(relative[Stats.WINKLER]),
        )

    def warm(self) -> None:
        """Compile the step, or load it from the cache, by running it over no observation at all."""
        none, floats, told = np.empty(0, np.int64), np.empty(0), self._room(0)
        values = np.empty((0, len(self.model.features)))
        self._run(0, none, arrays.Batch(none, none, none, none, floats, floats, values, NONE), 0, told)
        loop.tell(self._places[0], self._scratch[0].f32, none, told.ints, told.reals)
        if self.model.silence:
            self.wait(none)

    def _run(self, thread: int, order: Ints, columns: arrays.Batch, stamp: int, told: Outcomes) -> None:
        places, real = self._places[thread], self._scratch[thread].f32
        if self._half is None:
            loop.run(places, real, order, columns, self._bank.changed, stamp, told.ints, told.reals)
        else:
            changed, half = self._bank.changed, self._half
            challenger.run(places, real, order, columns, changed, stamp, told.ints, told.reals, *half)

    def _order(self, rows: Ints) -> Ints:
        """The order in which to step through observations of `rows`: stream by stream, while it is in the cache.

        Each stream's own order stays. With pooled weights the streams meet in them, so the order of arrival does.
        """
        if len(rows) == 1:
            return ALONE
        if self._plan.pooled:
            return np.arange(len(rows))
        return np.argsort(rows, kind="stable")

    def _room(self, n: int) -> Outcomes:
        """Outcomes for n observations, to be filled."""
        targets, horizons = len(self.targets), len(self.horizons)
        drifts = Drift.PUBLISHED if self.model.drift else 0
        width = ForecastReal.FORECAST + targets * (3 * (horizons + 1) + len(self.experts)) + drifts
        return Outcomes(
            np.empty((n, ForecastInt.WIDTH + horizons), np.int64), np.empty((n, width)), targets, horizons, drifts
        )


def _median(values: Floats) -> Floats:
    """Median over streams and targets (N, T, K) -> (K); NaN where nothing is known."""
    return np.array([_finite_median(values[..., k]) for k in range(values.shape[-1])])


def _finite_median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _share_below_zero(values: Floats) -> Floats:
    """Share of streams below 0 per horizon, of those where it is known."""
    shares = []
    for k in range(values.shape[-1]):
        known = values[..., k][np.isfinite(values[..., k])]
        shares.append(float(np.mean(known < 0)) if len(known) else float("nan"))
    return np.array(shares)
