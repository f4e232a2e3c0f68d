"""The contract of an optimiser: as its twin, still without a gradient, downhill with one."""

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.model.parts import OPTIMISERS
from tests.kernels import drive
from tests.naive import optim

CASES = [
    spec.Adam(),
    spec.Adam(rate=0.05, beta1=0.5, beta2=0.9),
    spec.Adam(rate=0.05, decay=0.1),
    spec.RmsProp(rate=0.004),
    spec.RmsProp(rate=0.05, decay=0.5),
    spec.Sgd(),
    spec.Sgd(rate=0.1, momentum=0.0),
    spec.Obgd(),
    spec.Obgd(rate=0.1, kappa=5.0),
    spec.Adam(rate=0.05, decay=0.1, cap=0.02),
    spec.RmsProp(rate=0.05, cap=0.03),
    spec.Sgd(rate=0.05, cap=0.05),
    spec.Obgd(cap=0.04),
]


def test_every_optimiser_has_a_twin_and_a_case() -> None:
    assert set(optim.OPTIMISERS) == set(OPTIMISERS) == {type(case) for case in CASES}


def test_every_kind_an_operator_may_write_has_an_entry() -> None:
    """The filter is no function of a gradient's sum: see test_ekf."""
    assert set(spec.Optimiser.__args__) == {*OPTIMISERS, spec.Ekf}


@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("optimiser", CASES, ids=repr)
def test_update_equals_the_twin(optimiser: spec.Optimiser, dtype: str, close: float) -> None:
    random = np.random.default_rng(3)
    n, scale = 13, 0.25
    w = random.normal(0, 1, n)
    state = np.zeros(OPTIMISERS[type(optimiser)].state * n)
    ours, kept = w.astype(dtype), state.astype(dtype)
    for step in range(1, 40):
        g = random.normal(0, 10.0 ** random.uniform(-3, 2), n)
        ours, kept = drive.optimise(optimiser, ours, g, kept, step, scale)
        w, state = optim.OPTIMISERS[type(optimiser)](w, scale * g, state, optimiser, step)
        np.testing.assert_allclose(ours, w, rtol=close, atol=close)
    np.testing.assert_allclose(kept, state, rtol=close, atol=close * np.abs(state).max(initial=0.0))


@pytest.mark.parametrize(
    "optimiser", [case for case in CASES if not getattr(case, "decay", 0) or isinstance(case, spec.RmsProp)], ids=repr
)
def test_no_gradient_no_move(optimiser: spec.Optimiser) -> None:
    w = np.linspace(-2, 2, 7, dtype=np.float32)
    state = np.zeros(OPTIMISERS[type(optimiser)].state * 7, np.float32)
    moved, kept = drive.optimise(optimiser, w, np.zeros(7), state, 1)
    assert moved.tobytes() == w.tobytes()
    assert not kept.any()


@pytest.mark.parametrize("optimiser", CASES, ids=repr)
def test_a_quadratic_falls(optimiser: spec.Optimiser) -> None:
    scales = np.array([0.5, 1.0, 2.0, 4.0], np.float32)
    w = np.array([3.0, -2.0, 1.0, -4.0], np.float32)
    state = np.zeros(OPTIMISERS[type(optimiser)].state * 4, np.float32)
    start = float(np.sum(scales * w**2))
    for step in range(1, 300):
        w, state = drive.optimise(optimiser, w, 2 * scales * w, state, step)
    assert np.sum(scales * w**2) < (0.8 * start if optimiser.rate < 0.005 else 0.05 * start)


@pytest.mark.parametrize("optimiser", CASES, ids=repr)
def test_moments_never_become_subnormal(optimiser: spec.Optimiser) -> None:
    w = np.zeros(3, np.float32)
    state = np.zeros(OPTIMISERS[type(optimiser)].state * 3, np.float32)
    w, state = drive.optimise(optimiser, w, np.array([1.0, 1e-3, 1e-12]), state, 1)
    for step in range(2, 3000):
        w, state = drive.optimise(optimiser, w, np.zeros(3), state, step)
        small = np.abs(state[state != 0])
        assert not (small < np.finfo(np.float32).tiny).any()
    assert np.isfinite(w).all()
