"""Calls parts by address from Python: small compiled drivers, and thin functions around them with sizes worked out."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.kernels.core.call import at, call
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.program import Reals
from streamrnn.kernels.experts import seasons
from streamrnn.model.history import past
from streamrnn.model.layout import labels, numbers
from streamrnn.model.parts import EXPERTS, HEADS, LAYERS, OPTIMISERS
from tests.conftest import CANARY, SPARE

Array = NDArray[Any]


@jit
def _forward(address, shape, w, state, tape, xs, keep, scratch, ys):
    """All rows of xs (C, I), the state multiplied with keep first; ys (C, H) gets the outputs."""
    for t in range(xs.shape[0]):
        state *= keep[t]
        x = xs[t]
        call(address, at(shape, 0), at(w, 0), at(state, 0), at(tape, 0), at(x, 0), at(scratch, 0), t)
        for j in range(ys.shape[1]):
            ys[t, j] = state[j]


@jit
def _backward(address, shape, w, tape, keep, dy, dx, g, scratch, first, last):
    call(
        address, at(shape, 0), at(w, 0), at(tape, 0), at(keep, 0), at(dy, 0), at(dx, 0), at(g, 0), at(scratch, 0),
        first, last,
    )  # fmt: skip


@jit
def _follow(address, shape, w, tape, keep, dy, dx, g, trace, scratch, first, last):
    call(
        address, at(shape, 0), at(w, 0), at(tape, 0), at(keep, 0), at(dy, 0), at(dx, 0), at(g, 0), at(trace, 0),
        at(scratch, 0), first, last,
    )  # fmt: skip


@jit
def _optimise(address, w, g, state, reals, scale, rate, step):
    call(address, len(w), at(w, 0), at(g, 0), at(state, 0), at(reals, 0), scale, rate, step)


@jit
def _grad(address, o, y, d, reals, loss):
    call(address, len(o), at(o, 0), y, at(d, 0), at(reals, 0), at(loss, 0))


@jit
def _read(address, o, reals, f):
    call(address, len(o), at(o, 0), at(reals, 0), at(f, 0))


@jit
def _observe(past, history, y, time, step, skipped, first, second, interval):
    seasons.observe(at(past, 0), at(history, 0), y, time, step, skipped, first, second, interval, 1)


@jit
def _regress(past, history, last, mean, sd, step, time, interval, coming, z, above, usual):
    seasons.regress(
        at(past, 0), at(history, 0), last, mean, sd, step, time, interval, at(coming, 0), z, above, usual
    )  # fmt: skip


@jit
def _settle(address, shape, reals, state, past, history, k, y, anchor, time, step):
    call(address, at(shape, 0), at(reals, 0), at(state, 0), at(past, 0), at(history, 0), k, y, anchor, time, step)


@jit
def _forecast(address, shape, reals, state, past, history, steps, out, last, step, time, interval, learn):
    call(
        address, at(shape, 0), at(reals, 0), at(state, 0), at(past, 0), at(history, 0), at(steps, 0), at(out, 0),
        last, step, time, interval, learn,
    )  # fmt: skip


def fenced(size: int, dtype: str) -> Array:
    """Room of NaN, with canaries behind it: pointers are not checked."""
    whole = np.full(size + SPARE, np.nan, dtype)
    whole[size:] = CANARY
    return whole[:size]


def unharmed(*rooms: Array) -> None:
    """Nobody has written behind the rooms."""
    for room in rooms:
        if room.base is not None:
            assert (room.base[len(room) :] == CANARY).all(), "a kernel writes behind its room"


class Layer(NamedTuple):
    """A layer (or a kind at its default settings) of one width and precision, with room for C rows."""

    layer: Any
    inputs: int
    units: int
    rows: int
    dtype: str

    @property
    def kind(self) -> Any:
        return LAYERS[self.layer if isinstance(self.layer, type) else type(self.layer)]

    @property
    def shape(self) -> Array:
        return np.array([self.inputs, self.units, self.rows, self.own, 1], np.int64)

    @property
    def own(self) -> int:
        return self.kind.own(self.layer() if isinstance(self.layer, type) else self.layer)

    @property
    def params(self) -> int:
        return self.kind.params(self.inputs, self.units, self.own)

    def room(self) -> tuple[Array, Array]:
        """Tape and scratch, full of NaN: a part may only read what it has written."""
        part = self.kind
        tape = self.rows * sum(part.tape(self.inputs, self.units, self.own))
        scratch = part.scratch(self.rows, self.inputs, self.units, self.own)
        return fenced(tape, self.dtype), fenced(scratch, self.dtype)

    def empty(self) -> Array:
        """The state at the start."""
        return np.zeros(self.kind.state(self.inputs, self.units, self.own), self.dtype)

    def forward(self, w: Array, xs: Array, keep: Array, state: Array | None = None) -> tuple[Array, Array]:
        """Outputs (C, H) of a sequence from `state`, which moves on, or from an empty one; and the tape."""
        tape, scratch = self.room()
        ys = np.zeros((self.rows, self.units), self.dtype)
        state = self.empty() if state is None else state
        address = self.kind.forward.address(self.dtype)
        _forward(address, self.shape, self.cast(w), state, tape, self.cast(xs), self.cast(keep), scratch, ys)
        unharmed(tape, scratch)
        return ys, tape

    def backward(self, w: Array, tape: Array, keep: Array, dys: Array, first: int, last: int) -> tuple[Array, Array]:
        """Gradient by w and by the inputs of rows first..last-1; dys (last - first, H)."""
        _, scratch = self.room()
        g = np.zeros(self.params, self.dtype)
        dxs = np.full((last - first, self.inputs), np.nan, self.dtype)
        address = self.kind.backward.address(self.dtype)
        w, keep, dys = self.cast(w), self.cast(keep), self.cast(dys)
        _backward(address, self.shape, w, tape, keep, dys, dxs, g, scratch, first, last)
        unharmed(tape, scratch)
        return g, dxs

    def follow(
        self, w: Array, tape: Array, keep: Array, dys: Array, trace: Array, first: int, last: int
    ) -> tuple[Array, Array]:
        """Gradient and each input's own of rows first..last-1 with dys (last - first, H); the trace is taken along."""
        part = self.kind.trace
        g, dxs = np.zeros(self.params, self.dtype), np.full((last - first, self.inputs), np.nan, self.dtype)
        scratch = fenced(part.scratch(self.units), self.dtype)
        address = part.follow.address(self.dtype)
        _follow(
            address, self.shape, self.cast(w), tape, self.cast(keep), self.cast(dys), dxs, g, trace, scratch,
            first, last,
        )  # fmt: skip
        unharmed(tape, scratch)
        return g, dxs

    def trace(self) -> Array:
        """A trace of nothing."""
        part = self.kind.trace
        return np.zeros(part.size(self.inputs, self.units), self.dtype)

    def cast(self, values: Array) -> Array:
        return np.ascontiguousarray(values, self.dtype)


def optimise(
    optimiser: spec.Optimiser, w: Array, g: Array, state: Array, step: int, scale: float = 1.0
) -> tuple[Array, Array]:
    """One update; returns the new w and state, in the precision of w."""
    part, dtype = OPTIMISERS[type(optimiser)], str(w.dtype)
    reals = np.zeros(Reals.HEAD)
    reals[Reals.CAP] = optimiser.cap or np.inf
    own = part.reals(optimiser)
    reals[Reals.FIRST : Reals.FIRST + len(own)] = own
    w, state = w.copy(), state.copy()
    _optimise(part.update.address(dtype), w, g.astype(dtype), state, reals, scale, optimiser.rate, step)
    return w, state


def grad(head: spec.Head, o: Array, y: float) -> tuple[Array, float]:
    """Gradient of a head's loss by its outputs, and the loss."""
    d, loss = np.full_like(o, np.nan), np.full(1, np.nan)
    part = HEADS[type(head)]
    _grad(part.grad.address(str(o.dtype)), o, y, d, np.array([*part.reals(head), np.nan]), loss)
    return d, float(loss[0])


def read(head: spec.Head, o: Array) -> float:
    """The point that a head's outputs mean."""
    point = np.full(1, np.nan)
    part = HEADS[type(head)]
    _read(part.read.address(str(o.dtype)), o, np.array([*part.reals(head), np.nan]), point)
    return float(point[0])


class Expert:
    """One expert with a history of its own, driven with the arguments of its naive twin."""

    def __init__(
        self, expert: spec.Expert, horizons: tuple[int, ...], periods: tuple[float, float], history: int,
        known: int = 0,
    ) -> None:  # fmt: skip
        self.part, self.steps, self.periods = EXPERTS[type(expert)], np.array(horizons, np.int64), periods
        self.own = past((expert,), horizons, history, known)
        self.past = self.own.ints
        self.history = np.zeros(self.own.length)
        self.history[seasons.HEAD : seasons.HEAD + self.own.ring] = np.nan
        self.shape = np.array([len(horizons), *self.part.shape(expert, self.own)], np.int64)
        self.reals = np.array(self.part.reals(expert))
        pieces = self.part.state(expert, self.own, labels(map(str, horizons)))
        self.state = np.zeros(max(sum(numbers(axes) for _, axes in pieces), 1))
        self.last, self.coming = 0, np.zeros(max(self.own.known + self.own.shared.numbers, 1))

    def observe(self, y: float, step: int, time: float, interval: float) -> None:
        skipped, self.last = step - self.last - 1, step
        _observe(self.past, self.history, y, time, step, skipped, *self.periods, interval)

    def settle(self, k: int, y: float, anchor: float, time: float, step: int) -> None:
        address = self.part.settle.address("float64")
        _settle(address, self.shape, self.reals, self.state, self.past, self.history, k, y, anchor, time, step)

    def forecast(
        self, last: float, mean: float, sd: float, step: int, time: float, interval: float, learn: int = 1,
        above: bool = True, usual: float = 1.0,
    ) -> list[float]:  # fmt: skip
        out, z = np.full(len(self.steps), np.nan), np.full(len(self.own.table), np.nan)
        if len(z):
            _regress(self.past, self.history, last, mean, sd, step, time, interval, self.coming, z, above, usual)
        address = self.part.forecast.address("float64")
        _forecast(
            address, self.shape, self.reals, self.state, self.past, self.history, self.steps, out, last, step, time,
            interval, learn,
        )  # fmt: skip
        return [float(value) for value in out]
