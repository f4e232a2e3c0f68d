"""The network learns what persistence cannot know."""

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.engine.engine import Engine
from tests.engine.feed import feed, tiny


def sine(n: int) -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(n) / 20) + np.random.default_rng(1).normal(0, 0.05, n)


def henon(n: int) -> np.ndarray:
    x = [0.1, 0.1]
    for _ in range(n - 2):
        x.append(1 - 1.4 * x[-1] ** 2 + 0.3 * x[-2])
    return np.array(x)


@pytest.mark.parametrize("layer", [spec.Elman(8), spec.Gru(8), spec.Lstm(8), spec.Lru(8)], ids=repr)
@pytest.mark.parametrize(("series", "part"), [(sine, 0.6), (henon, 0.75)])
def test_errors_fall_below_persistence(series: object, part: float, layer: spec.Layer) -> None:
    values = series(2500)  # type: ignore[operator]
    model = tiny(layers=(layer,), rule=spec.Tbptt(8, 2), optimiser=spec.Adam(rate=0.01), horizons=(1, 3), seed=2)
    engine = Engine(model, 1)
    told = feed(engine, values)
    for k, h in enumerate((1, 3)):
        error = np.abs(told.forecast[1500:-h, 0, k, 0] - values[1500 + h :]).mean()
        assert error < part * np.abs(values[1500 + h :] - values[1500:-h]).mean()
    assert told.skill[-1] > 1 - part
    assert (engine.health().skill_persistence > 0.9 - part).all()
    assert not engine.health().below_persistence.any()


@pytest.mark.parametrize("optimiser", [spec.Adam(rate=0.01), spec.Sgd(rate=0.02)], ids=repr)
def test_either_optimiser_learns(optimiser: spec.Optimiser) -> None:
    values = sine(2500)
    told = feed(Engine(tiny(layers=(spec.Gru(8),), rule=spec.Tbptt(8, 2), optimiser=optimiser), 1), values)
    error = np.abs(told.forecast[1500:-1, 0, 0, 0] - values[1501:]).mean()
    assert error < 0.7 * np.abs(np.diff(values[1500:])).mean()


@pytest.mark.parametrize("head", [spec.Student(), spec.Quantile()], ids=repr)
def test_any_head_learns(head: spec.Head) -> None:
    values = sine(2500)
    model = tiny(layers=(spec.Gru(8),), rule=spec.Tbptt(8, 2), optimiser=spec.Adam(rate=0.01), head=head)
    told = feed(Engine(model, 1), values)
    error = np.abs(told.forecast[1500:-1, 0, 0, 0] - values[1501:]).mean()
    assert error < 0.7 * np.abs(np.diff(values[1500:])).mean()


@pytest.mark.parametrize(
    "layers",
    [
        (spec.Gru(6), spec.Elman(5), spec.Lstm(4)),
        (spec.Conv(8), spec.GruBefore(6)),
        (spec.Peephole(6), spec.Norm(), spec.Attention(6, span=4)),
        (spec.Lru(8), spec.Dense(8, activation="relu"), spec.Dense(4)),
    ],
    ids=repr,
)
def test_stacked_layers_of_different_kinds_learn(layers: tuple[spec.Layer, ...]) -> None:
    values = henon(2500)
    told = feed(Engine(tiny(layers=layers, rule=spec.Tbptt(8, 1), optimiser=spec.Adam(rate=0.01)), 1), values)
    error = np.abs(told.forecast[1500:-1, 0, 0, 0] - values[1501:]).mean()
    assert error < 0.8 * np.abs(np.diff(values[1500:])).mean()


def test_on_a_random_walk_the_network_keeps_out_of_the_way() -> None:
    values = np.cumsum(np.random.default_rng(2).normal(0, 1, 3000))
    told = feed(Engine(tiny(experts=None), 1), values)
    error = np.abs(told.forecast[500:-1, 0, 0, 0] - values[501:]).mean()
    assert error < 1.05 * np.abs(np.diff(values[500:])).mean()


def test_targets_may_be_some_of_the_features() -> None:
    """The driver leads by one step: only who looks at it can know the target."""
    random = np.random.default_rng(3)
    driver = random.choice([-1.0, 1.0], 2500)
    target = np.concatenate([[0.0], 3 * driver[:-1]]) + random.normal(0, 0.1, 2500)
    model = tiny(features=("driver", "y"), targets=("y",), rule=spec.Tbptt(4, 1), optimiser=spec.Adam(rate=0.01))
    engine = Engine(model, 1)
    told = feed(engine, np.column_stack([driver, target]))
    assert engine.targets == ("y",)
    assert told.forecast.shape == (2500, 1, 1, 3)
    error = np.abs(told.forecast[1500:-1, 0, 0, 0] - target[1501:]).mean()
    assert error < 0.5 * np.abs(np.diff(target[1500:])).mean()
