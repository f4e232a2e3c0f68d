"""A whole training run of a tiny model in float64, replicated step by step in plain numpy.

From the engine come only the inputs of the network and what a forecast stood on (base and unit); forward, labels,
gradient, BPTT(h; h'), clipping and the optimiser are computed here.
"""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine import Engine
from streamrnn.kernels import table as c
from streamrnn.kernels.settle import TRAIN_FROM
from tests.engine.feed import START, STEP, feed, has, real, tiny, weights
from tests.naive import cells, heads, optim

UNITS, HORIZONS, WINDOW, STRIDE = 3, (1, 2), 4, 2
Array = NDArray[np.float64]


class Replica:
    """The network of one stream: parameters, the rows of all the past, the labels since the last update."""

    def __init__(self, kind: type[Any], head: Any, optimiser: spec.Optimiser, inputs: int, params: Array) -> None:
        self.kind, self.head, self.optimiser, self.inputs = kind, head, optimiser, inputs
        self.width = len(head.levels) if isinstance(head, spec.Quantile) else 2
        self.outputs = self.width * len(HORIZONS)
        self.w = params.copy()
        self.split = len(params) - (UNITS + 1) * self.outputs
        self.kept = np.zeros((2 if isinstance(optimiser, spec.Adam) else 1) * len(params))
        self.state = np.zeros(cells.CELLS[kind].states * UNITS)
        self.rows: list[Any] = []
        self.tops: list[Array] = []
        self.outs: list[Array] = []
        self.keep: list[int] = []
        self.stood_on: list[list[tuple[float, float]]] = []  # base and unit of every row and horizon
        self.due: dict[int, Array] = {}  # gradient at the output of a row
        self.labels, self.updates, self.fresh = 0, 0, True

    def advance(self, x: Array) -> None:
        V, b = self.readout()
        self.keep.append(0 if self.fresh else 1)
        self.fresh = False
        self.state, row = cells.CELLS[self.kind].forward(self.inputs, UNITS, self.w[: self.split], self.state, x)
        self.rows.append(row)
        self.tops.append(self.state[:UNITS])
        self.outs.append(self.state[:UNITS] @ V + b)

    def readout(self) -> tuple[Array, Array]:
        flat = self.w[self.split :]
        return flat[: UNITS * self.outputs].reshape(self.outputs, UNITS).T, flat[UNITS * self.outputs :]

    def label(self, row: int, k: int, y: float) -> None:
        base, unit = self.stood_on[row][k]
        mine = slice(self.width * k, self.width * (k + 1))
        o, target = self.outs[row][mine], (y - base) / unit
        self.loss = heads.HEADS[type(self.head)].loss(o, target, self.head)
        if isinstance(self.head, spec.Gaussian):
            target = float(np.clip(target, o[0] - 2.999999 * np.exp(o[1]), o[0] + 2.999999 * np.exp(o[1])))
        gradient = self.due.setdefault(row, np.zeros(self.outputs))
        gradient[mine] += heads.grad(self.head, o, target)
        self.labels += 1

    def learn(self) -> None:
        newest, oldest = max(self.due), min(self.due)
        span = range(max(0, min(newest + 1 - WINDOW, oldest)), newest + 1)
        V, _ = self.readout()
        D = np.array([self.due.get(row, np.zeros(self.outputs)) for row in span])
        Y = np.array([self.tops[row] for row in span])
        keep = np.array([self.keep[row] for row in span])
        g, _ = cells.back(self.kind, UNITS, self.w[: self.split], [self.rows[row] for row in span], keep, D @ V.T)
        flat = cells.join(g, D.T @ Y, D.sum(axis=0))
        self.updates += 1
        g = optim.clip(flat, self.labels, self.optimiser.clip)
        self.w, self.kept = optim.OPTIMISERS[type(self.optimiser)](self.w, g, self.kept, self.optimiser, self.updates)
        self.due, self.labels = {}, 0

    def end(self) -> None:
        self.state, self.fresh = np.zeros_like(self.state), True


def stood_on(engine: Engine, step: int) -> list[tuple[float, float]]:
    """Base and unit of the forecasts that were just issued."""
    p, table = engine._plan.table.ints, engine._plan.table
    found = []
    for k, h in enumerate(HORIZONS):
        record = real(engine, c.PENDING, int(p[c.SLOTS] * p[c.SLOT_WIDTH])).reshape(-1, int(p[c.SLOT_WIDTH]))
        pending = record[int(table.slots[k]) + step % h]
        found.append((float(pending[c.FORECASTS + len(table.experts)]), float(pending[c.UNIT])))
    return found


@pytest.mark.parametrize("optimiser", [spec.Sgd(rate=0.05, clip=0.5), spec.Adam(rate=0.01)], ids=repr)
@pytest.mark.parametrize("layer", [spec.Elman(UNITS), spec.Gru(UNITS), spec.Lstm(UNITS)], ids=repr)
def test_training_equals_the_replica(layer: spec.Layer, optimiser: spec.Optimiser) -> None:
    follow(layer, spec.Gaussian(), optimiser)


@pytest.mark.parametrize("head", [spec.Student(), spec.Quantile()], ids=repr)
def test_training_with_another_head_equals_the_replica(head: spec.Head) -> None:
    follow(spec.Elman(UNITS), head, spec.Sgd(rate=0.05, clip=0.5))


def follow(layer: spec.Layer, head: spec.Head, optimiser: spec.Optimiser) -> None:
    """Run engine and replica side by side."""
    model = tiny(
        layers=(layer,), experts=(spec.Last(), spec.Profile()), rule=spec.Tbptt(WINDOW, STRIDE), horizons=HORIZONS,
        head=head, optimiser=optimiser,
    )  # fmt: skip
    engine = Engine(model, 1, "float64")
    engine.admit(["a"])
    p = engine._plan.table.ints
    start, inputs = int(p[c.BASE_F32] + p[c.INPUT]), int(p[c.INPUTS])
    replica = Replica(type(layer), head, optimiser, inputs, weights(engine))
    values = np.sin(np.arange(60) / 3) + np.random.default_rng(1).normal(0, 0.3, 60)
    ends = {20, 33}
    moved = []
    for t, y in enumerate(values):
        seen = t + 1
        for k, h in enumerate(HORIZONS):
            if t - h >= 0 and seen >= TRAIN_FROM:
                replica.label(t - h, k, float(y))
        if (seen % STRIDE == 0 or t in ends) and replica.labels:
            replica.learn()
        bits = m.END if t in ends else 0
        told = feed(engine, [y], time=[START + STEP * t], bits=[bits])
        moved.append(bool(has(told, m.UPDATED)[0]))
        if seen > TRAIN_FROM + max(HORIZONS):
            assert real(engine, c.LOSS, 1)[0] == pytest.approx(replica.loss, rel=2e-5, abs=2e-5)
        replica.advance(engine._bank.planes.f32[start : start + inputs].copy())
        replica.stood_on.append(stood_on(engine, seen))
        if t in ends:
            replica.end()
        np.testing.assert_allclose(weights(engine), replica.w, rtol=2e-5, atol=2e-6)
    assert sum(moved) == replica.updates > 20
