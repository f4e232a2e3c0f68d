"""The network of one stream again, step by step in plain numpy: forward, labels, gradient by any rule, optimiser.

From the engine come only the inputs of the network and what a forecast stood on (base and unit).
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.layout import Pending
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.step.settle import TRAIN_FROM
from tests.engine.feed import START, STEP, feed, has, real, weights
from tests.naive import cells, dropout, heads, optim, pace, rules

Array = NDArray[np.float64]


class Replica:
    """Parameters, the rows of all the past, the labels since the last update; one layer, and dropout above it."""

    def __init__(self, model: spec.Model, inputs: int, params: Array) -> None:
        assert model.layers is not None
        self.model, self.inputs = model, inputs
        self.kind, self.units = type(model.layers[0]), model.layers[0].size
        self.width = len(model.head.levels) if isinstance(model.head, spec.Quantile) else 2
        self.outputs = self.width * len(model.horizons)
        self.w = params.copy()
        self.split = len(params) - (self.units + 1) * self.outputs
        self.kept = np.zeros((2 if isinstance(model.optimiser or spec.Adam(), spec.Adam) else 1) * len(params))
        self.state = np.zeros(cells.CELLS[self.kind].states * self.units)
        self.xs: list[Array] = []
        self.before: list[Array] = []
        self.rows: list[Any] = []
        self.tops: list[Array] = []
        self.outs: list[Array] = []
        self.keep: list[float] = []
        self.stood_on: list[list[tuple[float, float]]] = []  # base and unit of every row and horizon
        self.told_before: list[float] = []  # what was published for the shortest horizon, by row
        self.due: dict[int, list[tuple[int, float]]] = {}  # horizon and standardised answer, by row
        self.labels, self.updates, self.fresh = 0, 0, True
        self.traced = 0  # rows that the influence matrix has passed
        self.influence = np.zeros((len(self.state), self.split))
        self.thin = next((layer.share for layer in model.layers if isinstance(layer, spec.Dropout)), 0.0)
        self.drawn = 0
        self.masks: dict[int, Array] = {}  # of dropout, by row
        self.losses, self.told = 0.0, list[float]()  # since the last update; means of all updates

    def advance(self, x: Array, kept: float = 1.0) -> None:
        self.keep.append(0.0 if self.fresh else kept)
        self.fresh = False
        self.xs.append(x)
        self.before.append(self.state)
        self.state, row, out = self.through(self.state * self.keep[-1], x)
        self.rows.append(row)
        self.tops.append(self.state[: self.units])
        self.outs.append(out)

    def through(self, state: Array, x: Array) -> tuple[Array, Any, Array]:
        V, b = self.readout()
        state, row = cells.CELLS[self.kind].forward(self.inputs, self.units, self.w[: self.split], state, x)
        return state, row, state[: self.units] @ V + b

    def readout(self) -> tuple[Array, Array]:
        flat = self.w[self.split :]
        return flat[: self.units * self.outputs].reshape(self.outputs, self.units).T, flat[self.units * self.outputs :]

    def label(self, row: int, k: int, y: float) -> None:
        base, unit = self.stood_on[row][k]
        self.due.setdefault(row, []).append((k, (y - base) / unit))
        self.loss = heads.HEADS[type(self.model.head)].loss(self.at(row, k), (y - base) / unit, self.model.head)
        self.labels += 1
        self.losses += self.loss

    def at(self, row: int, k: int) -> Array:
        """The outputs of a row at a horizon."""
        return self.outs[row][self.width * k : self.width * (k + 1)]

    def grade(self, row: int) -> Array:
        """Gradient at the outputs of a row, of the answers that have come since the last update."""
        d = np.zeros(self.outputs)
        for k, answer in self.due.get(row, []):
            o, target = self.at(row, k), answer
            if isinstance(self.model.head, spec.Gaussian):
                target = float(np.clip(answer, o[0] - 2.999999 * np.exp(o[1]), o[0] + 2.999999 * np.exp(o[1])))
            d[self.width * k : self.width * (k + 1)] = heads.grad(self.model.head, o, target)
        return d

    def relive(self, span: Sequence[int]) -> None:
        state = self.before[span[0]]
        V, b = self.readout()
        if self.thin:
            masks = dropout.draw(len(span) * self.units, self.thin, self.drawn).reshape(-1, self.units)
            self.masks, self.drawn = dict(zip(span, masks, strict=True)), self.drawn + masks.size
        for t in span:
            state, self.rows[t], _ = self.through(state * self.keep[t], self.xs[t])
            self.tops[t] = state[: self.units] * self.masks.get(t, 1.0)
            self.outs[t] = self.tops[t] @ V + b

    def learn(self) -> None:
        """An update from the labels that have arrived."""
        if not isinstance(self.model.rule, spec.Tbptt):
            self.learn_forward()
        elif self.labels:
            self.learn_back(self.model.rule)

    def learn_forward(self) -> None:
        """Every row once, in order, when it has got all its answers; the influence matrix goes along."""
        span = range(self.traced, len(self.rows) - max(self.model.horizons) + 1)
        if not span:
            return
        self.traced = span[-1] + 1
        V, _ = self.readout()
        D = np.array([self.grade(row) for row in span])
        Y = np.array([self.tops[row] for row in span])
        keep = np.array([self.keep[row] for row in span])
        pattern = rules.everything if isinstance(self.model.rule, spec.Rtrl) else rules.snap1
        rows = [self.rows[t] for t in span]
        if isinstance(self.model.rule, spec.Immediate):
            keep = np.zeros_like(keep)
        g, _, self.influence = rules.follow(
            self.kind, self.units, self.w[: self.split], rows, keep, D @ V.T, self.influence, pattern
        )
        labels = sum(len(self.due.pop(row, [])) for row in span)
        if labels:
            self.update(cells.join(g, D.T @ Y, D.sum(axis=0)), labels)

    def span(self, rule: spec.Tbptt) -> range:
        """Rows of the window of the labels that wait."""
        newest, oldest = max(self.due), min(self.due)
        return range(max(0, min(newest + 1 - rule.window, oldest)), newest + 1)

    def learn_back(self, rule: spec.Tbptt) -> None:
        """Back through a window."""
        span = self.span(rule)
        if rule.recompute:
            self.relive(span)
        self.update(self.gradient(span), self.labels)
        self.due, self.labels = {}, 0

    def gradient(self, span: Sequence[int]) -> Array:
        """Of the labels that wait, through the activations of these rows."""
        V, _ = self.readout()
        D = np.array([self.grade(row) for row in span])
        Y = np.array([self.tops[row] for row in span])
        keep = np.array([self.keep[row] for row in span])
        dY = D @ V.T * np.array([self.masks.get(t, np.ones(self.units)) for t in span])
        g, _ = cells.back(self.kind, self.units, self.w[: self.split], [self.rows[t] for t in span], keep, dY)
        return cells.join(g, D.T @ Y, D.sum(axis=0))

    def update(self, g: Array, labels: int) -> None:
        self.updates += 1
        optimiser = self.model.optimiser or spec.Adam()
        g = optim.clip(g, labels, optimiser.clip, optimiser.clip_value)
        self.told.append(self.losses / labels)
        rate = optimiser.rate * pace.SCHEDULES[optimiser.schedule](self.told, optimiser.period)
        paced = msgspec.structs.replace(optimiser, rate=rate)
        self.w, self.kept = optim.OPTIMISERS[type(optimiser)](self.w, g, self.kept, paced, self.updates)
        self.losses = 0.0

    def end(self) -> None:
        self.state, self.fresh = np.zeros_like(self.state), True


def stood_on(engine: Engine, step: int) -> list[tuple[float, float]]:
    """Base and unit of the forecasts that were just issued."""
    p, table = engine._plan.table.ints, engine._plan.table
    found = []
    for k, h in enumerate(engine.horizons):
        record = real(engine, Program.PENDING, int(p[Program.SLOTS] * p[Program.SLOT_WIDTH])).reshape(
            -1, int(p[Program.SLOT_WIDTH])
        )
        pending = record[int(table.slots[k]) + step % h]
        found.append((float(pending[Pending.FORECASTS + len(table.experts)]), float(pending[Pending.UNIT])))
    return found


def follow(engine: Engine, replica: Replica, values: Array, ends: set[int], gaps: dict[int, int] | None = None) -> None:
    """Feed both one by one and compare the weights after every observation.

    Before some observations there is a gap of so many usual intervals; forecasts for what it skips have no answer, but
    step 1 is the next observation: of its error the root of so many counts.
    """
    p = engine._plan.table.ints
    start, inputs = int(p[Program.BASE_F32] + p[Program.INPUT]), int(p[Program.INPUTS])
    stride = engine._plan.sizes.rule.stride
    moved, steps = 0, [0]
    half = engine.model.half_life
    for t, y in enumerate(values):
        seen, gap = t + 1, (gaps or {}).get(t, 1)
        steps.append(steps[-1] + gap)
        for k, h in enumerate(engine.horizons):
            row = steps[1:].index(steps[-1] - h) if steps[-1] - h in steps[1:] else -1
            row, answer = (t - 1, float(y)) if h == 1 and seen >= TRAIN_FROM else (row, float(y))
            if h == 1 and gap > 1:
                answer = replica.told_before[row] + (answer - replica.told_before[row]) / gap**0.5
            if row >= 0 and seen >= TRAIN_FROM:
                replica.label(row, k, answer)
        if seen % stride == 0 or t in ends:
            replica.learn()
        told = feed(engine, [y], time=[START + STEP * steps[-1]], bits=[m.END if t in ends else 0])
        moved += bool(has(told, m.UPDATED)[0])
        if seen > TRAIN_FROM + max(engine.horizons) and not gaps:
            assert real(engine, Program.LOSS, 1)[0] == pytest.approx(replica.loss, rel=2e-5, abs=2e-5)
        kept = 0.5 ** ((gap - 1) / half) if half else 1.0
        replica.advance(engine._bank.planes.f32[start : start + inputs].copy(), kept)
        replica.stood_on.append(stood_on(engine, steps[-1]))
        replica.told_before.append(float(told.forecast[0, 0, 0, 0]))
        if t in ends:
            replica.end()
        np.testing.assert_allclose(weights(engine), replica.w, rtol=2e-5, atol=2e-6)
    assert moved == replica.updates > 10
