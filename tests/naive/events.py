"""A model of events, slow and without bounds: dictionaries for tables, the network lived and unrolled in float64.

One stream without times, numeric context and rollbacks; contexts and successors are never crowded out. Written from
the equations in the kernels' headers, not from their code.
"""

import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.kernels.core.layout import Contexts
from streamrnn.kernels.experts.blend import FLOOR, RATE, SWITCH
from streamrnn.kernels.experts.context import FADE, LEAST
from streamrnn.model.parts import LAYERS
from tests.naive import optim
from tests.naive.cells import CELLS

Array = NDArray[np.float64]
END = object()  # the symbol that ends a session


def softmax(o: Array) -> Array:
    raised = np.exp(o - o.max())
    return np.asarray(raised / raised.sum())


def cell(total: int, kinds: int) -> tuple[int, int]:
    """Escape statistics are kept by occurrences (1, 2, 3-4, 5-8, ... 65+) and successors (1..4, 5-6, 7-10, more)."""
    times = total // Contexts.UNIT
    few = next((i for i, top in enumerate((1, 2, 4, 8, 16, 32, 64)) if times <= top), 7)
    return few, kinds if kinds <= 4 else 5 if kinds <= 6 else 6 if kinds <= 10 else 7


class Tables:
    """Context tables of order 0..longest with learned escapes."""

    def __init__(self, longest: int) -> None:
        self.orders = range(longest + 1)
        self.entries: dict[tuple[int, ...], Counter[int]] = {}
        self.escapes: dict[tuple[int, int, int], list[float]] = {}

    def keys(self, history: list[int]) -> list[tuple[int, ...] | None]:
        """The context of every order, newest symbol first; -1 is the start of the session, known to one place."""
        known = [*reversed(history), -1]
        return [(k, *known[:k]) if k <= len(known) else None for k in self.orders]

    def predict(self, history: list[int], n: int) -> tuple[list[Array], int, int]:
        """Distribution of every order; 1 + the longest order found, and 0, 1 or 2 by how many successors it has."""
        p, found, longest, state = np.full(n, 1.0 / n), [], 0, 0
        for k, key in enumerate(self.keys(history)):
            counts = self.entries.get(key) if key is not None else None
            if counts:
                total = sum(counts.values())
                new, uses = self.escapes.get((k, *cell(total, len(counts))), [2.0, 4.0])
                escape = min(max(new / uses, LEAST), 1.0 - LEAST)
                left = 1.0 - sum(p[s] for s in counts)
                p = p * escape / max(left, 1e-9)
                for s, count in counts.items():
                    p[s] = (1.0 - escape) * count / total
                longest, state = k + 1, 0 if len(counts) == 1 else 1 if len(counts) <= 3 else 2
            found.append(p)
        return found, longest, state

    def count(self, history: list[int], s: int) -> None:
        for k, key in enumerate(self.keys(history)):
            if key is None:
                continue
            counts = self.entries.setdefault(key, Counter())
            if counts:
                place = (k, *cell(sum(counts.values()), len(counts)))
                new, uses = self.escapes.get(place, [2.0, 4.0])
                self.escapes[place] = [FADE * new + (s not in counts), FADE * uses + 1.0]
            counts[s] += Contexts.UNIT
            if counts[s] > (Contexts.FULL if k < Contexts.SHORT else Contexts.LONG_FULL):
                self.entries[key] = Counter({symbol: count // 2 for symbol, count in counts.items() if count > 1})


class Network:
    """Layers from the first weights `w`, the outputs of all of them joined, and a readout; Adam every `stride`."""

    def __init__(self, layers: tuple[Any, ...], inputs: int, outputs: int, w: Array, rule: spec.Tbptt) -> None:
        self.layers, self.inputs, self.outputs, self.rule = layers, inputs, outputs, rule
        self.w, self.state, self.steps = w.copy(), np.zeros(2 * len(w)), 0
        self.states = [np.zeros(CELLS[type(layer)].states * layer.size) for layer in layers]
        self.rows: list[Any] = []
        self.gradients: list[Array] = []
        self.keep: list[bool] = []
        self.fresh = 0  # rows with an answer since the last update

    def split(self) -> tuple[list[slice], slice, slice]:
        """Where each layer's weights are, then the readout's matrix (O, M) and bias (O)."""
        places, start, inputs = [], 0, self.inputs
        for layer in self.layers:
            size = LAYERS[type(layer)].params(inputs, layer.size, 0)
            places.append(slice(start, start + size))
            start, inputs = start + size, layer.size
        m = sum(layer.size for layer in self.layers)
        return places, slice(start, start + m * self.outputs), slice(start + m * self.outputs, len(self.w))

    def advance(self, x: Array, reset: bool) -> Array:
        """One step; the outputs."""
        places, matrix, bias = self.split()
        kept, joined = [], []
        for number, layer in enumerate(self.layers):
            twin = CELLS[type(layer)]
            before = self.states[number] * (not reset)
            self.states[number], row = twin.forward(len(x), layer.size, self.w[places[number]], before, x)
            x = self.states[number][: layer.size]
            kept.append(row)
            joined.append(x)
        h = np.concatenate(joined)
        self.rows.append((kept, h))
        self.gradients.append(np.zeros(self.outputs))
        self.keep.append(not reset)
        return np.asarray(self.w[matrix].reshape(self.outputs, -1) @ h + self.w[bias])

    def answer(self, gradient: Array) -> None:
        """The gradient at the outputs of the newest row."""
        self.gradients[-1] = gradient
        self.fresh += 1

    def gradient(self, first: int) -> Array:
        """Back from the newest row to row `first`."""
        places, matrix, bias = self.split()
        g = np.zeros_like(self.w)
        carry = [np.zeros_like(state) for state in self.states]
        V = self.w[matrix].reshape(self.outputs, -1)
        for t in reversed(range(first, len(self.rows))):
            kept, h = self.rows[t]
            g[matrix] += np.outer(self.gradients[t], h).ravel()
            g[bias] += self.gradients[t]
            dh = np.split(V.T @ self.gradients[t], np.cumsum([layer.size for layer in self.layers])[:-1])
            above = np.zeros(0)
            for number in reversed(range(len(self.layers))):
                layer, inputs = self.layers[number], len(kept[number][0])
                d = carry[number]
                d[: layer.size] += dh[number] + (above if len(above) else 0.0)
                dw, above, carry[number] = CELLS[type(layer)].backward(
                    inputs, layer.size, self.w[places[number]], kept[number], d
                )
                g[places[number]] += dw
                carry[number] = carry[number] * self.keep[t]
        return g

    def update(self, optimiser: spec.Adam) -> None:
        first = max(0, len(self.rows) - max(self.rule.window, self.fresh))
        g = self.gradient(first) / self.fresh
        self.gradients = [np.zeros(self.outputs) for _ in self.gradients]
        self.fresh = 0
        g *= min(1.0, optimiser.clip / max(float(np.linalg.norm(g)), 1e-12))
        self.steps += 1
        self.w, self.state = optim.adam(self.w, g, self.state, optimiser, self.steps)


class Model:
    """The whole: `observe` gives the bits of a symbol by mix, network and longest table; then it learns."""

    def __init__(self, network: Network, longest: int, symbols: int, optimiser: spec.Adam) -> None:
        self.network, self.tables, self.symbols, self.optimiser = network, Tables(longest), symbols, optimiser
        members = longest + 2
        self.weights = np.full((longest + 2, 3, members), 1.5 / members)
        self.belief = np.full(3, 1.0 / 3.0)
        self.vocabulary: dict[Any, int] = {}
        self.waiting: set[Any] = set()  # seen once, when half of the vocabulary is taken
        self.history: list[int] = []
        self.seen = 0
        self.out = self.begin()

    def begin(self) -> Array:
        self.history = []
        return self.network.advance(self.inputs(start=True), True)

    def inputs(self, s: int | None = None, start: bool = False) -> Array:
        x = np.zeros(self.symbols + 3)
        if s is not None:
            x[s], x[self.symbols + 1] = 1, 1  # no time is known
        x[self.symbols + 2] = start
        return x

    def predict(self) -> tuple[Array, list[Array], Any]:
        """What is published, the members of the mix, and the set of weights that they go with."""
        n = len(self.vocabulary) + 1
        found, longest, state = self.tables.predict(self.history, n)
        members = [*found, softmax(self.out[:n])]
        logs = np.log(members)
        mixed = softmax(self.weights[longest, state] @ logs)
        final = (1 - FLOOR) * (self.belief @ np.array([mixed, members[-1], members[-2]])) + FLOOR / n
        return final, members, (longest, state, logs, mixed)

    def learn(self, s: int) -> tuple[float, float, float]:
        """Symbol s follows: its bits, and everything but the network's update."""
        final, members, (longest, state, logs, mixed) = self.predict()
        gradient = np.zeros(self.network.outputs)
        gradient[: len(final)] = members[-1]
        gradient[s] -= 1.0
        self.network.answer(gradient)
        self.weights[longest, state] += RATE * (logs[:, s] - logs @ mixed)
        self.belief *= np.array([mixed[s], members[-1][s], members[-2][s]])
        self.belief = (1 - SWITCH) * self.belief / self.belief.sum() + SWITCH / 3
        self.tables.count(self.history, s)
        return -math.log2(final[s]), -math.log2(members[-1][s]), -math.log2(members[-2][s])

    def admit(self, symbol: Any) -> int:
        """The number of a symbol that is not known, 0 if it has to wait."""
        n = len(self.vocabulary) + 1
        if n < self.symbols and (2 * n <= self.symbols or symbol in self.waiting):
            self.vocabulary[symbol] = n
        self.waiting.add(symbol)
        return self.vocabulary.get(symbol, 0)

    def observe(self, symbol: Any, end: bool = False) -> tuple[float, float, float]:
        s = self.vocabulary.get(symbol, 0)
        told = self.learn(s)
        self.seen += 1
        if not end and self.seen % self.network.rule.stride == 0:
            self.network.update(self.optimiser)
        s = s or self.admit(symbol)
        self.history.append(s)
        self.out = self.network.advance(self.inputs(s), False)
        if end:
            if END in self.vocabulary:
                self.learn(self.vocabulary[END])
            else:
                self.admit(END)
            self.network.update(self.optimiser)
            self.out = self.begin()
        return told
