"""Real-time recurrent learning with the whole influence matrix, and with only a part of it; quartic in the units."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.naive import cells

Array = NDArray[np.float64]
Pattern = Callable[[Any, int, int, int], NDArray[np.bool_]]  # layer, inputs, units, parameters -> (S, P)


def jacobians(layer: Any, units: int, w: Array, row: Any, states: int) -> tuple[Array, Array, Array]:
    """State (S) after a row by the parameters (S, P), by the inputs (S, I), by the state before (S, S)."""
    backward = cells.twin_of(layer).backward
    parts = [backward(len(row[0]), units, w, row, one) for one in np.eye(states)]
    by_w, by_x, by_state = zip(*parts, strict=True)
    return np.array(by_w), np.array(by_x), np.array(by_state)


def everything(layer: Any, inputs: int, units: int, params: int) -> NDArray[np.bool_]:
    """The pattern of exact RTRL."""
    return np.ones((len(cells.empty(layer, inputs, units)), params), bool)


def snap1(layer: Any, inputs: int, units: int, params: int) -> NDArray[np.bool_]:
    """The pattern of SnAp-1 (Menick et al. 2021, sec. 3): what a parameter can change within one row."""
    random = np.random.default_rng(0)
    w, state = random.normal(0, 1, params), random.normal(0, 1, len(cells.empty(layer, inputs, units)))
    _, row = cells.twin_of(layer).forward(inputs, units, w, state, random.normal(0, 1, inputs))
    return jacobians(layer, units, w, row, len(state))[0] != 0


def follow(
    layer: Any, units: int, w: Array, rows: list[Any], keep: Array, dys: Array, J: Array, pattern: Pattern
) -> tuple[Array, Array, Array]:
    """Rows in their order, dys (C, H) at their outputs, J (S, P) before them: gradient, inputs' own, J after them."""
    inputs = len(rows[0][0])
    allowed = pattern(layer, inputs, units, len(w))
    g, dxs = np.zeros_like(w), np.zeros((len(rows), inputs))
    for t, row in enumerate(rows):
        by_w, by_x, by_state = jacobians(layer, units, w, row, len(J))
        J = allowed * (by_w + keep[t] * by_state @ J)
        g += dys[t] @ J[:units]
        dxs[t] = dys[t] @ by_x[:units]
    return g, dxs, J
