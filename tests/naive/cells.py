"""Recurrent layers: one step forward, and the whole gradient of a sequence with everything computed from the start."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec

Array = NDArray[np.float64]


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


class Elman:
    """h' = tanh(W' x + U' h + b)."""

    @staticmethod
    def unpack(inputs: int, units: int, w: Array) -> list[Array]:
        return cut(w, [(inputs, units), (units, units), (units,)])

    @staticmethod
    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        W, U, b = Elman.unpack(inputs, units, w)
        h = np.tanh(x @ W + state @ U + b)
        return h, (x, state, h)

    @staticmethod
    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        W, U, _ = Elman.unpack(inputs, units, w)
        x, before, h = row
        delta = dstate * (1.0 - h**2)
        return join(np.outer(x, delta), np.outer(before, delta), delta), W @ delta, U @ delta


class Gru:
    """r, z = sigmoid(..); n = tanh(W_n' x + b_n + r (U_n' h + c)); h' = (1 - z) n + z h."""

    @staticmethod
    def unpack(inputs: int, units: int, w: Array) -> list[Array]:
        return cut(w, [(inputs, 3 * units), (units, 3 * units), (3 * units,), (units,)])

    @staticmethod
    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        W, U, b, c = Gru.unpack(inputs, units, w)
        ar, az, an = np.split(x @ W + b, 3)
        ur, uz, un = np.split(state @ U, 3)
        r, z = sigmoid(ar + ur), sigmoid(az + uz)
        m = un + c
        n = np.tanh(an + r * m)
        return (1.0 - z) * n + z * state, (x, state, r, z, n, m)

    @staticmethod
    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        W, U, _, _ = Gru.unpack(inputs, units, w)
        x, before, r, z, n, m = row
        dn = dstate * (1.0 - z) * (1.0 - n**2)
        dz = dstate * (before - n) * z * (1.0 - z)
        dm = dn * r
        dr = dn * m * r * (1.0 - r)
        da, du = np.concatenate([dr, dz, dn]), np.concatenate([dr, dz, dm])
        return join(np.outer(x, da), np.outer(before, du), da, dm), W @ da, U @ du + dstate * z


class Lstm:
    """i, f, o = sigmoid(..); g = tanh(..); c' = f c + i g; h' = o tanh(c')."""

    @staticmethod
    def unpack(inputs: int, units: int, w: Array) -> list[Array]:
        return cut(w, [(inputs, 4 * units), (units, 4 * units), (4 * units,)])

    @staticmethod
    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        W, U, b = Lstm.unpack(inputs, units, w)
        h, c = np.split(state, 2)
        ai, af, ao, ag = np.split(x @ W + h @ U + b, 4)
        i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
        cell = f * c + i * g
        return np.concatenate([o * np.tanh(cell), cell]), (x, h, c, i, f, o, g, cell)

    @staticmethod
    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        W, U, _ = Lstm.unpack(inputs, units, w)
        x, h, c, i, f, o, g, cell = row
        dh, dc = np.split(dstate, 2)
        t = np.tanh(cell)
        dcell = dc + dh * o * (1.0 - t**2)
        da = np.concatenate(
            [dcell * g * i * (1 - i), dcell * c * f * (1 - f), dh * t * o * (1 - o), dcell * i * (1 - g**2)]
        )
        return join(np.outer(x, da), np.outer(h, da), da), W @ da, np.concatenate([U @ da, dcell * f])


def cut(w: Array, shapes: list[tuple[int, ...]]) -> list[Array]:
    """The flat parameters as matrices."""
    parts, start = [], 0
    for shape in shapes:
        size = int(np.prod(shape))
        parts.append(w[start : start + size].reshape(shape))
        start += size
    return parts


def join(*parts: Array) -> Array:
    return np.concatenate([part.ravel() for part in parts])


class Twin(NamedTuple):
    forward: Callable[..., tuple[Array, Any]]
    backward: Callable[..., tuple[Array, Array, Array]]
    states: int  # numbers of state per unit


CELLS: dict[type[Any], Twin] = {
    spec.Elman: Twin(Elman.forward, Elman.backward, 1),
    spec.Gru: Twin(Gru.forward, Gru.backward, 1),
    spec.Lstm: Twin(Lstm.forward, Lstm.backward, 2),
}


def run(kind: type[Any], units: int, w: Array, xs: Array, keep: Array, state: Array) -> tuple[Array, list[Any]]:
    """A sequence xs (C, I) from `state`; keep (C) is 0 where the state is emptied first. Outputs (C, H), rows."""
    outputs, rows = [], []
    for x, kept in zip(xs, keep, strict=True):
        state, row = CELLS[kind].forward(xs.shape[1], units, w, state * (kept != 0), x)
        outputs.append(state[:units])
        rows.append(row)
    return np.array(outputs), rows


def back(kind: type[Any], units: int, w: Array, rows: list[Any], keep: Array, dys: Array) -> tuple[Array, Array]:
    """Full BPTT over all of `rows`, dys (C, H) at their outputs: gradient by w, and by every input (C, I)."""
    inputs = len(rows[0][0])
    twin = CELLS[kind]
    dstate, g, dxs = np.zeros(twin.states * units), np.zeros_like(w), np.zeros((len(rows), inputs))
    for t in reversed(range(len(rows))):
        dstate[:units] += dys[t]
        dw, dxs[t], dstate = twin.backward(inputs, units, w, rows[t], dstate)
        g += dw
        dstate = dstate * (keep[t] != 0)
    return g, dxs
