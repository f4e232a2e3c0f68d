"""The contract of a layer: forward as its twin, backward as full BPTT and as central differences."""

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.model.parts import LAYERS
from tests.kernels.drive import Layer
from tests.naive import cells

KINDS = sorted(LAYERS, key=lambda kind: kind.__name__)
WIDTHS = [(1, 1), (3, 4), (5, 3), (8, 8), (7, 13), (9, 16)]
ROWS = 11
Array = NDArray[Any]


def draw(kind: type[Any], inputs: int, units: int, seed: int = 0) -> tuple[Array, Array, Array, Array]:
    """Weights, inputs, keep (with a reset at the start and one in the middle) and a gradient at every output."""
    random = np.random.default_rng(seed)
    w = random.normal(0, 0.5, LAYERS[kind].params(inputs, units))
    keep = np.ones(ROWS)
    keep[[0, 5]] = 0
    return w, random.normal(0, 1, (ROWS, inputs)), keep, random.normal(0, 1, (ROWS, units))


def outputs(kind: type[Any], units: int, w: Array, xs: Array, keep: Array) -> Array:
    """The twin's outputs from an empty state."""
    return cells.run(kind, units, w, xs, keep, np.zeros(cells.CELLS[kind].states * units))[0]


def differences(loss: Any, at: Array, places: NDArray[np.int64], e: float = 1e-6) -> Array:
    """Central differences of a scalar function at some places of its argument."""
    result = []
    for place in places:
        ends = []
        for sign in (1, -1):
            moved = at.copy()
            moved.ravel()[place] += sign * e
            ends.append(loss(moved))
        result.append((ends[0] - ends[1]) / (2 * e))
    return np.array(result)


def test_every_layer_has_a_twin() -> None:
    assert set(cells.CELLS) == set(LAYERS)


@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-6), ("float32", 2e-5)])
@pytest.mark.parametrize(("inputs", "units"), WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_forward_equals_the_twin(kind: type[Any], inputs: int, units: int, dtype: str, close: float) -> None:
    w, xs, keep, _ = draw(kind, inputs, units)
    ys, _ = Layer(kind, inputs, units, ROWS, dtype).forward(w, xs, keep)
    np.testing.assert_allclose(ys, outputs(kind, units, w, xs, keep), atol=close)


@pytest.mark.parametrize(("dtype", "close"), [("float64", 3e-6), ("float32", 2e-4)])
@pytest.mark.parametrize(("inputs", "units"), WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_backward_equals_full_bptt(kind: type[Any], inputs: int, units: int, dtype: str, close: float) -> None:
    w, xs, keep, dys = draw(kind, inputs, units)
    layer = Layer(kind, inputs, units, ROWS, dtype)
    _, tape = layer.forward(w, xs, keep)
    g, dxs = layer.backward(w, tape, keep, dys, 0, ROWS)
    _, rows = cells.run(kind, units, w, xs, keep, np.zeros(cells.CELLS[kind].states * units))
    want_g, want_dxs = cells.back(kind, units, w, rows, keep, dys)
    np.testing.assert_allclose(g, want_g, atol=close * np.abs(want_g).max())
    np.testing.assert_allclose(dxs, want_dxs, atol=close * np.abs(want_dxs).max())


@pytest.mark.parametrize(("first", "last"), [(1, 11), (3, 9), (6, 7), (4, 8), (2, 10)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_chunk_takes_the_state_before_it_as_given(kind: type[Any], first: int, last: int) -> None:
    inputs, units = 3, 5
    w, xs, keep, dys = draw(kind, inputs, units)
    layer = Layer(kind, inputs, units, ROWS, "float64")
    _, tape = layer.forward(w, xs, keep)
    g, dxs = layer.backward(w, tape, keep, dys[first:last], first, last)
    _, rows = cells.run(kind, units, w, xs, keep, np.zeros(cells.CELLS[kind].states * units))
    want_g, want_dxs = cells.back(kind, units, w, rows[first:last], keep[first:last], dys[first:last])
    np.testing.assert_allclose(g, want_g, atol=3e-6 * np.abs(want_g).max())
    np.testing.assert_allclose(dxs, want_dxs, atol=3e-6 * np.abs(want_dxs).max())


@pytest.mark.parametrize("kind", KINDS)
def test_rows_before_the_chunk_count_for_nothing(kind: type[Any]) -> None:
    inputs, units, first = 3, 5, 7
    w, xs, keep, dys = draw(kind, inputs, units)
    layer = Layer(kind, inputs, units, ROWS, "float64")
    _, tape = layer.forward(w, xs, keep)
    before = layer.backward(w, tape, keep, dys[first:], first, ROWS)
    start = 0
    for width in LAYERS[kind].tape(inputs, units):
        tape[start : start + first * width] = np.nan
        start += ROWS * width
    after = layer.backward(w, tape, keep, dys[first:], first, ROWS)
    for one, other in zip(before, after, strict=True):
        assert np.isfinite(other).all()
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_flows_across_a_reset(kind: type[Any]) -> None:
    w, xs, keep, dys = draw(kind, 3, 5)
    layer = Layer(kind, 3, 5, ROWS, "float64")
    _, tape = layer.forward(w, xs, keep)
    dys[:5] = 0  # only rows from the reset on are asked about
    g, dxs = layer.backward(w, tape, keep, dys, 0, ROWS)
    assert not dxs[:5].any()
    assert dxs[5:].all()
    alone, _ = layer.backward(w, tape, keep, dys[5:], 5, ROWS)
    np.testing.assert_allclose(g, alone, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_backward_equals_central_differences_of_forward(kind: type[Any]) -> None:
    """The kernel against itself: its own forward, differentiated numerically."""
    inputs, units = 3, 5
    w, xs, keep, dys = draw(kind, inputs, units)
    layer = Layer(kind, inputs, units, ROWS, "float64")
    _, tape = layer.forward(w, xs, keep)
    g, dxs = layer.backward(w, tape, keep, dys, 0, ROWS)
    places = np.arange(0, len(w), 3)
    want = differences(lambda v: float(np.sum(dys * layer.forward(v, xs, keep)[0])), w, places)
    np.testing.assert_allclose(g[places], want, atol=2e-5 * np.abs(want).max())
    places = np.arange(xs.size)
    want = differences(lambda v: float(np.sum(dys * layer.forward(w, v, keep)[0])), xs, places)
    np.testing.assert_allclose(dxs.ravel(), want, atol=2e-5 * np.abs(want).max())


@pytest.mark.parametrize(("lower", "upper"), list(itertools.product(KINDS, KINDS)))
def test_a_pair_equals_central_differences(lower: type[Any], upper: type[Any]) -> None:
    inputs, middle, units = 3, 5, 4
    w, xs, keep, _ = draw(lower, inputs, middle)
    v, _, _, dys = draw(upper, middle, units, seed=1)
    below, above = Layer(lower, inputs, middle, ROWS, "float64"), Layer(upper, middle, units, ROWS, "float64")
    hidden, low = below.forward(w, xs, keep)
    _, high = above.forward(v, hidden, keep)
    _, dhidden = above.backward(v, high, keep, dys, 0, ROWS)
    g, dxs = below.backward(w, low, keep, dhidden, 0, ROWS)

    def loss(weights: Array, sequence: Array) -> float:
        middle_outputs = outputs(lower, middle, weights, sequence, keep)
        return float(np.sum(dys * outputs(upper, units, v, middle_outputs, keep)))

    places = np.arange(0, len(w), 5)
    want = differences(lambda weights: loss(weights, xs), w, places)
    np.testing.assert_allclose(g[places], want, atol=1e-5 * np.abs(want).max())
    places = np.arange(0, xs.size, 2)
    want = differences(lambda sequence: loss(w, sequence), xs, places)
    np.testing.assert_allclose(dxs.ravel()[places], want, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("kind", KINDS)
def test_backward_is_linear_in_the_demand(kind: type[Any]) -> None:
    """The gradients of odd and of even rows add up to the gradient of all."""
    w, xs, keep, dys = draw(kind, 4, 6)
    layer = Layer(kind, 4, 6, ROWS, "float64")
    _, tape = layer.forward(w, xs, keep)
    odd = dys * (np.arange(ROWS) % 2)[:, None]
    whole, _ = layer.backward(w, tape, keep, dys, 0, ROWS)
    parts = layer.backward(w, tape, keep, odd, 0, ROWS)[0] + layer.backward(w, tape, keep, dys - odd, 0, ROWS)[0]
    np.testing.assert_allclose(whole, parts, rtol=1e-10, atol=1e-12)


def test_every_kind_an_operator_may_write_has_an_entry() -> None:
    assert set(spec.Layer.__args__) == set(LAYERS)
