"""The contract of a layer: forward as its twin, backward as full BPTT and as central differences."""

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.model.parts import LAYERS
from tests.kernels.drive import Layer
from tests.naive import cells

CASES: list[Any] = [
    spec.Elman(),
    spec.Gru(),
    spec.GruBefore(),
    spec.Lstm(),
    spec.Peephole(),
    spec.Lru(),
    spec.Dense(),
    spec.Dense(activation="relu"),
    spec.Dense(activation="linear"),
    spec.Conv(),
    spec.Conv(span=1),
    spec.Attention(span=5),
    spec.Attention(span=30),
    spec.Memory(slots=4),
    spec.Memory(slots=20),
    spec.Norm(),
    spec.Embedding(),
    spec.Dropout(),
]
PAIRS = [(CASES[i], CASES[(i + apart) % len(CASES)]) for i in range(len(CASES)) for apart in (0, 1, 5)]
WIDTHS = [(1, 1), (3, 4), (5, 3), (8, 8), (7, 13), (9, 16)]
ROWS = 11
Array = NDArray[Any]


class Case:
    """A layer at some widths: weights, inputs, keep and a gradient at every output.

    keep resets the state at the start and once in the middle, and lets it fade twice.
    """

    def __init__(self, layer: Any, inputs: int, units: int, dtype: str = "float64", seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        sized = msgspec.structs.replace(layer, size=units) if hasattr(layer, "size") else layer
        self.spec, self.inputs, self.units = layer, inputs, LAYERS[type(layer)].units(sized, inputs)
        self.units += isinstance(layer, spec.Lru) and units % 2
        self.layer = Layer(layer, inputs, self.units, ROWS, dtype)
        self.w = random.normal(0, 0.5, self.layer.params)
        self.keep = np.ones(ROWS)
        self.keep[[2, 8]] = 0.5, 0.25
        self.keep[[0, 5]] = 0
        self.xs, self.dys = random.normal(0, 1, (ROWS, inputs)), random.normal(0, 1, (ROWS, self.units))

    def forward(self, w: Array | None = None, xs: Array | None = None) -> tuple[Array, Array]:
        """The kernel's outputs and tape."""
        return self.layer.forward(self.w if w is None else w, self.xs if xs is None else xs, self.keep)

    def naive(self, w: Array | None = None, xs: Array | None = None) -> tuple[Array, list[Any]]:
        """The twin's outputs and rows."""
        state = cells.empty(self.spec, self.inputs, self.units)
        w, xs = self.w if w is None else w, self.xs if xs is None else xs
        return cells.run(self.spec, self.units, w, xs, self.keep, state)

    def backward(self, dys: Array, first: int = 0, last: int = ROWS, tape: Array | None = None) -> tuple[Array, Array]:
        """The kernel's gradients by weights and inputs, dys at rows first..last-1."""
        tape = self.forward()[1] if tape is None else tape
        return self.layer.backward(self.w, tape, self.keep, dys, first, last)


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


def close(got: Array, want: Array, share: float) -> None:
    np.testing.assert_allclose(got, want, atol=share * np.abs(want).max(initial=0.0))


def test_every_layer_has_a_twin_and_a_case() -> None:
    assert set(cells.CELLS) == set(LAYERS) == {type(case) for case in CASES}


def test_every_kind_an_operator_may_write_has_an_entry() -> None:
    assert set(spec.Layer.__args__) == set(LAYERS)


@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-6), ("float32", 2e-5)])
@pytest.mark.parametrize(("inputs", "units"), WIDTHS)
@pytest.mark.parametrize("layer", CASES, ids=repr)
def test_forward_equals_the_twin(layer: spec.Layer, inputs: int, units: int, dtype: str, error: float) -> None:
    case = Case(layer, inputs, units, dtype)
    np.testing.assert_allclose(case.forward()[0], case.naive()[0], atol=error)


@pytest.mark.parametrize(("dtype", "error"), [("float64", 3e-6), ("float32", 2e-4)])
@pytest.mark.parametrize(("inputs", "units"), WIDTHS)
@pytest.mark.parametrize("layer", CASES, ids=repr)
def test_backward_equals_full_bptt(layer: spec.Layer, inputs: int, units: int, dtype: str, error: float) -> None:
    case = Case(layer, inputs, units, dtype)
    g, dxs = case.backward(case.dys)
    want_g, want_dxs = cells.back(layer, case.units, case.w, case.naive()[1], case.keep, case.dys)
    close(g, want_g, error)
    close(dxs, want_dxs, error)


@pytest.mark.parametrize(("first", "last"), [(1, 11), (3, 9), (6, 7), (4, 8), (2, 10)])
@pytest.mark.parametrize("layer", CASES, ids=repr)
def test_a_chunk_takes_the_state_before_it_as_given(layer: spec.Layer, first: int, last: int) -> None:
    case = Case(layer, 3, 5)
    dys, rows = case.dys[first:last], case.naive()[1][first:last]
    g, dxs = case.backward(dys, first, last)
    want_g, want_dxs = cells.back(layer, case.units, case.w, rows, case.keep[first:last], dys)
    close(g, want_g, 3e-6)
    close(dxs, want_dxs, 3e-6)


@pytest.mark.parametrize("layer", CASES, ids=repr)
def test_rows_before_the_chunk_count_for_nothing(layer: spec.Layer) -> None:
    case, first = Case(layer, 3, 5), 7
    _, tape = case.forward()
    before = case.backward(case.dys[first:], first, ROWS, tape)
    start = 0
    for width in case.layer.kind.tape(case.inputs, case.units, case.layer.own):
        tape[start : start + first * width] = np.nan
        start += ROWS * width
    after = case.backward(case.dys[first:], first, ROWS, tape)
    for one, other in zip(before, after, strict=True):
        assert np.isfinite(other).all()
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("layer", CASES, ids=repr)
def test_no_gradient_flows_across_a_reset(layer: spec.Layer) -> None:
    case = Case(layer, 3, 5)
    case.dys[:5] = 0  # only rows from the reset on are asked about
    g, dxs = case.backward(case.dys)
    assert not dxs[:5].any()
    assert dxs[5:].any(axis=1).all()
    alone, _ = case.backward(case.dys[5:], 5, ROWS)
    np.testing.assert_allclose(g, alone, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layer", CASES, ids=repr)
def test_backward_equals_central_differences_of_forward(layer: spec.Layer) -> None:
    """The kernel against itself: its own forward, differentiated numerically."""
    case = Case(layer, 3, 5)
    g, dxs = case.backward(case.dys)
    places = np.arange(0, len(case.w), 3)
    want = differences(lambda w: float(np.sum(case.dys * case.forward(w)[0])), case.w, places)
    close(g[places], want, 2e-5)
    want = differences(lambda xs: float(np.sum(case.dys * case.forward(xs=xs)[0])), case.xs, np.arange(case.xs.size))
    close(dxs.ravel(), want, 2e-5)


@pytest.mark.parametrize(("lower", "upper"), PAIRS, ids=repr)
def test_a_pair_equals_central_differences(lower: spec.Layer, upper: spec.Layer) -> None:
    below = Case(lower, 3, 5)
    above = Case(upper, below.units, 4, seed=1)
    above.keep = below.keep
    hidden, low = below.forward()
    _, high = above.forward(xs=hidden)
    _, dhidden = above.backward(above.dys, tape=high)
    g, dxs = below.backward(dhidden, tape=low)

    def loss(w: Array, xs: Array) -> float:
        return float(np.sum(above.dys * above.naive(xs=below.naive(w, xs)[0])[0]))

    places = np.arange(0, len(below.w), 5)
    close(g[places], differences(lambda w: loss(w, below.xs), below.w, places), 1e-5)
    places = np.arange(0, below.xs.size, 2)
    close(dxs.ravel()[places], differences(lambda xs: loss(below.w, xs), below.xs, places), 1e-5)


@pytest.mark.parametrize("layer", CASES, ids=repr)
def test_backward_is_linear_in_the_demand(layer: spec.Layer) -> None:
    """The gradients of odd and of even rows add up to the gradient of all."""
    case = Case(layer, 4, 6)
    odd = case.dys * (np.arange(ROWS) % 2)[:, None]
    whole = case.backward(case.dys)[0]
    parts = case.backward(odd)[0] + case.backward(case.dys - odd)[0]
    np.testing.assert_allclose(whole, parts, rtol=1e-10, atol=1e-12)
