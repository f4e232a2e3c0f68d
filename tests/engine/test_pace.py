"""What limits an update, and the schedules of its rate, in an engine that is trained."""

from typing import Literal, get_args, get_type_hints

import msgspec
import numpy as np
import pytest

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Schedule
from streamrnn.kernels.learning import learning_rate
from tests.engine.feed import feed, tiny, weights
from tests.naive import pace as naive

SCHEDULES = get_args(get_type_hints(spec.Sgd)["schedule"])


@jit
def _plateau(state, period, losses, out):
    for i in range(len(losses)):
        out[i] = learning_rate.plateau(state, period, losses[i])


@jit
def _limit(G, most):
    return learning_rate.limit(G, most)


def test_every_schedule_has_a_twin() -> None:
    assert set(naive.SCHEDULES) == set(SCHEDULES)


def test_plateau_equals_the_twin_and_does_all_three() -> None:
    random = np.random.default_rng(1)
    level = np.concatenate([np.linspace(3, 1, 100), np.full(200, 1.0), np.full(40, 6.0), np.linspace(6, 2, 60)])
    losses = level + random.normal(0, 0.05, 400)
    losses[[250, 350]] = 1e30, -1e30
    out = np.empty(400)
    _plateau(np.zeros(Schedule.WIDTH), 10.0, losses, out)
    want = [naive.plateau(losses[: i + 1].tolist(), 10) for i in range(400)]
    np.testing.assert_allclose(out, want)
    assert out[99] == 1.0  # falling
    assert out[299] == learning_rate.LEAST  # at rest
    assert out[309] == 1.0  # another regime


def test_clipping_by_value_lets_no_number_through_but_nan() -> None:
    G = np.array([-5.0, 0.5, 3.0, np.nan])
    _limit(G, 1.0)
    np.testing.assert_array_equal(G, [-1.0, 0.5, 1.0, np.nan])
    assert _limit(G[:3], 1.0) == 2.25


def moves(optimiser: spec.Optimiser, n: int = 300) -> np.ndarray:
    """How far the weights went at each observation."""
    engine = Engine(tiny(optimiser=optimiser, rule=spec.Tbptt(4, 1)), 1, "float64")
    values = np.random.default_rng(2).normal(0, 1, n)
    found = []
    for t in range(n):
        before = weights(engine).copy() if t else 0.0
        feed(engine, values[t : t + 1], time=[1.7e9 + 60.0 * t])
        found.append(np.abs(weights(engine) - before).max() if t else 0.0)
    return np.array(found)


def test_no_weight_moves_further_than_the_cap() -> None:
    free = moves(spec.Sgd(rate=0.5))
    capped = moves(spec.Sgd(rate=0.5, cap=1e-3))
    assert free.max() > 0.01
    assert capped.max() == pytest.approx(1e-3)


def test_clipping_by_value_limits_each_number_of_the_gradient() -> None:
    assert moves(spec.Sgd(rate=1.0, momentum=0.0, clip_value=1e-4)).max() == pytest.approx(1e-4)


@pytest.mark.parametrize("schedule", [name for name in SCHEDULES if name != "constant"])
def test_a_schedule_slows_the_updates_down(schedule: Literal["sqrt", "plateau"]) -> None:
    """With clipping so tight that every step is as long as the rate."""
    constant = spec.Sgd(rate=0.01, momentum=0.0, clip=1e-3)
    steady = moves(constant, 600)
    slowed = moves(msgspec.structs.replace(constant, schedule=schedule, period=20), 600)
    np.testing.assert_allclose(slowed[10:28], steady[10:28], rtol=1e-6, atol=1e-12)
    assert slowed[400:].mean() < 0.5 * steady[400:].mean()
    if schedule == "sqrt":
        updates = np.arange(590) + 1  # labels come from the tenth observation on
        ratio = np.minimum(1.0, np.sqrt(20 / updates))
        assert slowed[400:].mean() / steady[400:].mean() == pytest.approx(ratio[390:].mean(), rel=0.2)
