"""The contract of a trace: dense RTRL with the same entries left out, or full BPTT where none is, in any chunks."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.model.layers import LAYERS
from tests.contracts.test_layers import CASES, ROWS, WIDTHS, Case, close
from tests.naive import cells, rules

Array = NDArray[Any]
TRACES = {kind: entry.trace for kind, entry in LAYERS.items() if entry.trace}
MEMORY = {kind: entry.memory for kind, entry in LAYERS.items() if entry.memory != "state"}
TRACED = [layer for layer in CASES if type(layer) in TRACES]
EXACT = [layer for layer in TRACED if TRACES[type(layer)].exact]
CHUNKS = [(0, ROWS), (0, 4, 5, ROWS), tuple(range(ROWS + 1))]


def dense(case: Case, pattern: rules.Pattern) -> tuple[Array, Array, Array]:
    """Gradient, inputs' own and influence of the whole sequence by the twin."""
    nothing = np.zeros((len(cells.empty(case.spec, case.inputs, case.units)), len(case.w)))
    return rules.follow(case.spec, case.units, case.w, case.naive()[1], case.keep, case.dys, nothing, pattern)


def followed(case: Case, ends: tuple[int, ...]) -> tuple[Array, Array]:
    """Gradient and inputs' own of all rows, taken in chunks."""
    _, tape = case.forward()
    trace = case.layer.trace()
    parts = [case.layer.follow(case.w, tape, case.keep, case.dys[a:b], trace, a, b) for a, b in pairwise(ends)]
    return np.sum([g for g, _ in parts], axis=0), np.concatenate([dxs for _, dxs in parts])


def full(case: Case) -> Array:
    """The gradient by back-propagation through all of the history, in float64."""
    return cells.back(case.spec, case.units, case.w, case.naive()[1], case.keep, case.dys)[0]


def test_every_layer_has_its_trace_or_needs_none_or_is_refused() -> None:
    assert set(LAYERS) - set(TRACES) - set(MEMORY) == {spec.GruBefore, spec.Peephole, spec.Embedding}
    assert [type(layer) for layer in EXACT] == [spec.Lru]


@pytest.mark.parametrize("layer", TRACED, ids=repr)
def test_the_oracle_itself_is_full_bptt(layer: spec.Layer) -> None:
    """Dense RTRL with nothing left out, at fixed weights, is back-propagation through all of the history."""
    case = Case(layer, 3, 4)
    close(dense(case, rules.everything)[0], full(case), 1e-12)


@pytest.mark.parametrize(("dtype", "error"), [("float64", 3e-6), ("float32", 2e-4)])
@pytest.mark.parametrize(("inputs", "units"), WIDTHS)
@pytest.mark.parametrize("layer", TRACED, ids=repr)
def test_it_equals_dense_rtrl_with_the_same_entries_left_out(
    layer: spec.Layer, inputs: int, units: int, dtype: str, error: float
) -> None:
    case = Case(layer, inputs, units, dtype)
    want, want_dxs, _ = dense(case, rules.everything if layer in EXACT else rules.snap1)
    g, dxs = followed(case, (0, ROWS))
    close(g, want, error)
    close(dxs, want_dxs, error)


@pytest.mark.parametrize("ends", CHUNKS[1:], ids=len)
@pytest.mark.parametrize("layer", TRACED, ids=repr)
def test_a_trace_goes_on_where_it_was_left(layer: spec.Layer, ends: tuple[int, ...]) -> None:
    """A whole sequence in one call would not show an error in what is carried from call to call."""
    case = Case(layer, 3, 6)
    for whole, chunked in zip(followed(case, (0, ROWS)), followed(case, ends), strict=True):
        close(chunked, whole, 1e-12)


@pytest.mark.parametrize("ends", CHUNKS, ids=len)
@pytest.mark.parametrize("layer", EXACT, ids=repr)
def test_exact_rtrl_equals_full_bptt_in_any_chunks(layer: spec.Layer, ends: tuple[int, ...]) -> None:
    case = Case(layer, 5, 8)
    close(followed(case, ends)[0], full(case), 3e-6)


@pytest.mark.parametrize("layer", [layer for layer in TRACED if layer not in EXACT], ids=repr)
def test_what_snap1_leaves_out_is_not_nothing(layer: spec.Layer) -> None:
    case = Case(layer, 3, 6)
    want = full(case)
    assert np.linalg.norm(followed(case, (0, ROWS))[0] - want) > 0.01 * np.linalg.norm(want)


@pytest.mark.parametrize("layer", TRACED, ids=repr)
def test_nothing_is_carried_across_a_reset(layer: spec.Layer) -> None:
    case = Case(layer, 3, 6)
    _, tape = case.forward()
    used, empty = case.layer.trace(), case.layer.trace()
    case.layer.follow(case.w, tape, case.keep, case.dys[:5], used, 0, 5)
    assert used.any()
    one, other = (
        case.layer.follow(case.w, tape, case.keep, case.dys[5:], trace, 5, ROWS)[0] for trace in (used, empty)
    )
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("layer", TRACED, ids=repr)
def test_a_trace_that_decays_becomes_zero_and_not_subnormal(layer: spec.Layer) -> None:
    case = Case(layer, 2, 4, "float32")
    _, tape = case.layer.forward(0.05 * case.w, 0 * case.xs, case.keep)
    trace = np.full_like(case.layer.trace(), 1e-30)
    case.layer.follow(0.05 * case.w, tape, np.full(ROWS, 0.5), case.dys, trace, 0, ROWS)
    assert (np.abs(trace[trace != 0]) >= 1e-30).all()
    assert (trace == 0).any()
