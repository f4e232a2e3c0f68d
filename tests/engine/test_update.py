"""A whole training run of a tiny model in float64, replicated step by step in plain numpy."""

from typing import Literal

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.program import Program
from tests.engine.feed import count, feed, tiny, weights
from tests.engine.replica import Replica, follow

UNITS, HORIZONS = 3, (1, 2)
LAYERS = [spec.Elman(UNITS), spec.Gru(UNITS), spec.Lstm(UNITS)]


def agree(model: spec.Model, gaps: dict[int, int] | None = None) -> None:
    """The engine's weights are the replica's all the way."""
    engine = Engine(model, 1, "float64")
    engine.admit(["a"])
    replica = Replica(model, int(engine._plan.table.ints[Program.INPUTS]), weights(engine))
    if replica.thin:
        replica.drawn = int(count(engine, Program.DRAWN))
    values = np.sin(np.arange(60) / 3) + np.random.default_rng(1).normal(0, 0.3, 60)
    follow(engine, replica, values, {20, 33}, gaps)


@pytest.mark.parametrize("optimiser", [spec.Sgd(rate=0.05, clip=0.5), spec.Adam(rate=0.01)], ids=repr)
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_training_equals_the_replica(layer: spec.Layer, optimiser: spec.Optimiser) -> None:
    experts = (spec.Last(), spec.Profile())
    agree(
        tiny(
            layers=(layer,), experts=experts, rule=spec.Tbptt(4, 2), gate=False, horizons=HORIZONS, optimiser=optimiser
        )
    )


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_window_as_long_as_the_history_is_full_bptt(layer: spec.Layer) -> None:
    agree(tiny(layers=(layer,), rule=spec.Tbptt(64, 6), optimiser=spec.Sgd(rate=0.05)))


@pytest.mark.parametrize("schedule", ["sqrt", "plateau"])
def test_limits_and_schedules_equal_the_replica(schedule: Literal["sqrt", "plateau"]) -> None:
    optimiser = spec.Sgd(rate=0.05, clip_value=0.1, cap=0.02, schedule=schedule, period=10)
    agree(tiny(rule=spec.Tbptt(4, 1), horizons=HORIZONS, optimiser=optimiser))


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("layer", [spec.GruBefore(UNITS), spec.Gru(UNITS), spec.Lru(4)], ids=repr)
def test_a_state_that_fades_in_gaps_equals_the_replica(layer: spec.Layer, recompute: bool) -> None:
    rule = spec.Tbptt(6, 2, recompute=recompute)
    model = tiny(layers=(layer,), rule=rule, horizons=HORIZONS, half_life=2.0, head=spec.Student())
    agree(model, {15: 3, 30: 2, 41: 6})


@pytest.mark.parametrize("head", [spec.Student(), spec.Quantile()], ids=repr)
def test_training_with_another_head_equals_the_replica(head: spec.Head) -> None:
    agree(tiny(rule=spec.Tbptt(4, 2), horizons=HORIZONS, head=head, optimiser=spec.Sgd(rate=0.05, clip=0.5)))


@pytest.mark.parametrize(("window", "stride"), [(6, 1), (5, 2), (3, 4)])
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_window_that_is_run_again_equals_the_replica(layer: spec.Layer, window: int, stride: int) -> None:
    rule = spec.Tbptt(window, stride, recompute=True)
    agree(tiny(layers=(layer,), rule=rule, horizons=HORIZONS, optimiser=spec.Sgd(rate=0.05)))


@pytest.mark.parametrize(("window", "stride"), [(6, 1), (3, 4)])
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_dropout_equals_the_replica(layer: spec.Layer, window: int, stride: int) -> None:
    """What is published is the replica's whole network, what is learned its thinned one."""
    rule = spec.Tbptt(window, stride, recompute=True)
    layers = (layer, spec.Dropout(0.4))
    agree(tiny(layers=layers, rule=rule, horizons=HORIZONS, optimiser=spec.Sgd(rate=0.05)))


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_to_run_a_window_again_makes_a_difference_where_windows_overlap(layer: spec.Layer) -> None:
    values = np.sin(np.arange(60) / 3)
    moved = []
    for recompute in (False, True):
        rule = spec.Tbptt(6, 1, recompute=recompute)
        engine = Engine(tiny(layers=(layer,), rule=rule, optimiser=spec.Sgd(rate=0.05)), 1, "float64")
        feed(engine, values)
        moved.append(weights(engine).copy())
    assert np.abs(moved[0] - moved[1]).max() > 1e-4


@pytest.mark.parametrize("horizons", [(1,), (1, 3)], ids=str)
@pytest.mark.parametrize(
    ("rule", "layer"),
    [(kind(stride), layer) for kind in (spec.Snap1, spec.Immediate) for layer in LAYERS for stride in (1, 3)]
    + [(spec.Rtrl(stride), spec.Lru(4)) for stride in (1, 3)],
    ids=repr,
)
def test_learning_forward_in_time_equals_the_replica(
    layer: spec.Layer, rule: spec.Rule, horizons: tuple[int, ...]
) -> None:
    """The kernel's traces of an Lru are by its factors, the replica's by nu and theta: the same at slow rates."""
    rate = 0.001 if isinstance(layer, spec.Lru) else 0.05
    agree(tiny(layers=(layer,), rule=rule, horizons=horizons, optimiser=spec.Sgd(rate=rate)))


@pytest.mark.parametrize("task", ["forecast", "label"])
@pytest.mark.parametrize(
    ("rule", "layer"),
    [
        (spec.Tbptt(6, 2), spec.Gru(UNITS)),
        (spec.Tbptt(6, 2, recompute=True), spec.Gru(UNITS)),
        (spec.Snap1(2), spec.Lstm(UNITS)),
        (spec.Rtrl(2), spec.Lru(4)),
        (spec.Immediate(2), spec.Elman(UNITS)),
    ],
    ids=repr,
)
def test_single_precision_learns_what_double_does(
    rule: spec.Rule, layer: spec.Layer, task: Literal["forecast", "label"]
) -> None:
    """The replica is held against double precision, the service runs in single."""
    values = np.sin(np.arange(80) / 3) + np.random.default_rng(1).normal(0, 0.3, 80)
    labels = {"label": np.roll(values, 2)} if task == "label" else {}
    memory = {"label_memory": 1} if task == "label" else {}
    model = tiny(layers=(layer,), rule=rule, optimiser=spec.Sgd(rate=0.05), task=task, **memory)
    moved = []
    for dtype in ("float32", "float64"):
        engine = Engine(model, 1, dtype)
        engine.admit(["a"])
        first = weights(engine).copy()
        feed(engine, values, **labels)
        moved.append(weights(engine) - first)
    assert np.abs(moved[1]).max() > 0.01
    np.testing.assert_allclose(moved[0], moved[1], atol=1e-3 * np.abs(moved[1]).max())
