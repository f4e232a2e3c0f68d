"""All targets together, in the engine: what is told, of whom, for how long, and what is not."""

from typing import Any

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.messages import Batch, Outcomes
from streamrnn.model import plan

SENSORS = tuple(f"s{i}" for i in range(8))
SHIFT = np.array([1.2, -1.2, 1.2, 0.0, 1.2, 0.0, -1.2, 0.0])


def step(engine: Engine, values: Any, start: int) -> Outcomes:
    """The rows `values` (n, F) of one stream, a second apart."""
    n = len(values)
    none = np.zeros(n, np.int64)
    time = 1_700_000_000.0 + start + np.arange(n)
    batch = Batch(["s"], np.array([n]), [True], time, values, np.full(n, np.nan), none, none - 1, none)
    return engine.step(batch, engine.admit(["s"]))


def noise(n: int, seed: int) -> Any:
    """Eight sensors of independent noise (n, 8)."""
    return np.random.default_rng(seed).normal(10.0, 1.0, size=(n, 8))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(spec.Model(features=SENSORS, preset="light"), 1)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_shift_of_many_sensors_is_told_with_who_and_for_how_long(frozen: bool) -> None:
    values = noise(1100, 3)
    values[600:800] += SHIFT
    engine = Engine(spec.Model(features=SENSORS, preset="light"), 1)
    first = step(engine, values[:500], 0)
    engine.frozen = frozen
    out = step(engine, values[500:], 500)
    assert not (first.bits & m.OPENED).any()
    opened = np.flatnonzero(out.bits & m.OPENED)
    assert 100 <= opened[0] < 125
    assert engine.monitors[out.monitor[opened[0]]] == "joint"
    assert out.attribution[opened[0]].sum() == pytest.approx(1.0)
    assert out.attribution[opened[0]][SHIFT != 0.0].sum() > 0.8
    ended = np.flatnonzero(out.bits & (m.CLOSED | m.REGIME))
    assert (300 <= ended[0] < 330) if frozen else (ended[0] - opened[0] <= 30)


def test_it_is_there_where_there_are_two_targets_to_so_many() -> None:
    def joint(count: int, *monitors: spec.Joint) -> bool:
        features = tuple(f"f{i}" for i in range(count))
        return plan.resolve(spec.Model(features=features, preset="light", monitors=monitors)).joint

    assert [joint(1), joint(2), joint(64), joint(65)] == [False, True, True, False]
    assert [joint(8, spec.Joint(0)), joint(8, spec.Joint(4)), joint(65, spec.Joint(80))] == [False, False, True]


def test_a_pump_that_goes_on_and_off_is_no_fault() -> None:
    """The first times are told; then it is a way in which the sensors move together."""
    values = noise(4000, 4)
    on = (np.arange(4000) // 80) % 3 == 0
    values[on] += np.array([4.0, -4.0, 2.0, 0.0, 0.0, 3.0, 0.0, 1.0])
    out = step(Engine(spec.Model(features=SENSORS, preset="light"), 1), values, 0)
    told = np.flatnonzero((out.bits & m.OPENED != 0) & (out.monitor == 2))
    assert (told < 800).all()


def test_a_value_that_is_missing_says_nothing() -> None:
    values = noise(900, 5)
    values[500:, 3] = np.nan
    out = step(Engine(spec.Model(features=SENSORS, preset="light"), 1), values, 0)
    assert not (out.bits[400:] & m.OPENED).any()
