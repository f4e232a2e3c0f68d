"""Rules that learn forward in time: what they refuse, which labels they take, and what becomes of their traces."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.errors import ConfigError
from streamrnn.kernels.core.layout import Count
from streamrnn.kernels.core.program import Program
from tests.engine.feed import START, STEP, batch, feed, has, step, tiny, weights
from tests.engine.test_learning import henon

FAST = spec.Adam(rate=0.01)


def traces(engine: Engine) -> NDArray[Any]:
    """The traces of the only stream, writable where they stand."""
    p = engine._plan.table.ints
    start = int(p[Program.BASE_F32] + p[Program.TRACES])
    return engine._bank.planes.f32[start : start + int(p[Program.TRACES_LENGTH])]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"rule": spec.Rtrl(), "layers": (spec.Gru(4),)}, "'snap1'"),
        ({"rule": spec.Rtrl(), "layers": (spec.Lru(4), spec.Elman(4))}, "'lru'"),
        ({"rule": spec.Snap1(), "layers": (spec.GruBefore(4),)}, "'tbptt'"),
        ({"rule": spec.Snap1(), "layers": (spec.Gru(4), spec.Attention(4))}, "first"),
        ({"rule": spec.Immediate(), "layers": (spec.Gru(4), spec.Conv(4))}, "first"),
        ({"rule": spec.Snap1(), "task": "label"}, "label_memory = 1"),
        ({"rule": spec.Immediate(), "task": "label", "label_memory": 2}, "label_memory = 1"),
    ],
    ids=repr,
)
def test_what_a_rule_cannot_do_is_refused_with_what_to_do(changes: dict[str, Any], found: str) -> None:
    with pytest.raises(ConfigError, match=r"model\.rule") as caught:
        Engine(tiny(**changes), 1)
    assert found in str(caught.value.hint)


@pytest.mark.parametrize(
    ("rule", "layers"),
    [
        (spec.Rtrl(), (spec.Lru(8),)),
        (spec.Snap1(2), (spec.Gru(8),)),
        (spec.Snap1(), (spec.Lru(8), spec.Elman(6))),
        (spec.Snap1(), (spec.Lstm(8),)),
        (spec.Rtrl(), (spec.Conv(8), spec.Lru(8), spec.Norm(), spec.Dense(8))),
        (spec.Immediate(), (spec.Gru(8),)),
    ],
    ids=repr,
)
def test_they_learn(rule: spec.Rule, layers: tuple[spec.Layer, ...]) -> None:
    values = henon(2500)
    told = feed(Engine(tiny(layers=layers, rule=rule, horizons=(1, 2), optimiser=FAST), 1), values)
    error = np.abs(told.forecast[1500:-1, 0, 0, 0] - values[1501:]).mean()
    assert error < 0.85 * np.abs(np.diff(values[1500:])).mean()


def test_memory_does_not_grow_with_the_history_and_a_long_one_is_no_slower_to_hold() -> None:
    sizes = [Engine(tiny(layers=(spec.Lru(8),), rule=spec.Rtrl(stride)), 1)._plan.sizes.rows for stride in (1, 8)]
    assert sizes == [4, 18]


def test_pooled_weights_learn_from_every_streams_own_traces() -> None:
    values = henon(2000)
    model = tiny(layers=(spec.Gru(8),), rule=spec.Snap1(4), weights="pooled", optimiser=FAST)
    engine = Engine(model, 2)
    names = ["a", "b"] * len(values)
    told = step(engine, batch(names, np.repeat(values, 2)))
    assert has(told, m.UPDATED).sum() > 900
    error = np.abs(told.forecast[3000:-2:2, 0, 0, 0] - values[1501:]).mean()
    assert error < 0.85 * np.abs(np.diff(values[1500:])).mean()


def labelled(rule: spec.Rule, n: int, alone: bool) -> Engine:
    """Labels with their observations, or in messages of their own right after them."""
    model = tiny(layers=(spec.Elman(4),), rule=rule, task="label", label_memory=1)
    engine = Engine(model, 1, "float64")
    random = np.random.default_rng(1)
    xs, ys = random.normal(0, 1, n), random.normal(0, 1, n)
    for i in range(n):
        feed(engine, [xs[i]], time=[60.0 * i], label=[np.nan if alone else ys[i]], ident=[i])
        if alone:
            told = feed(engine, [np.nan], time=[60.0 * i], label=[ys[i]], ident=[i], bits=[m.LABEL_ONLY])
            assert has(told, m.SETTLED).all()
    return engine


@pytest.mark.parametrize("rule", [spec.Snap1(), spec.Immediate()], ids=repr)
def test_a_label_right_after_its_observation_counts_like_one_that_comes_with_it(rule: spec.Rule) -> None:
    one, other = labelled(rule, 40, alone=False), labelled(rule, 40, alone=True)
    assert weights(one).any()
    assert weights(one).tobytes() == weights(other).tobytes()
    assert traces(one).tobytes() == traces(other).tobytes()


def test_a_label_after_the_next_observation_is_told_to_be_unmatched() -> None:
    engine = labelled(spec.Snap1(), 20, alone=False)
    before = weights(engine).copy()
    feed(engine, [0.5], time=[2000.0], ident=[100])
    feed(engine, [0.5], time=[2060.0], ident=[101])
    told = feed(engine, [np.nan], time=[2060.0], label=[1.0], ident=[100], bits=[m.LABEL_ONLY])
    assert has(told, m.UNMATCHED).all()
    assert weights(engine).tobytes() == before.tobytes()


def test_the_end_of_a_sequence_cuts_the_traces() -> None:
    """After it, the gradient is that of a stream whose past was another."""
    model = tiny(layers=(spec.Gru(4),), rule=spec.Snap1(), optimiser=spec.Sgd(rate=1e-12))
    engines = [Engine(model, 1, "float64") for _ in range(2)]
    for engine, sign in zip(engines, (1, -1), strict=True):
        feed(engine, sign * henon(30), bits=[0] * 29 + [m.END])
    assert np.abs(traces(engines[0]) - traces(engines[1])).max() > 1e-3
    real, params = engines[0]._bank.planes.f64.copy(), weights(engines[0]).copy()
    for engine in engines:  # the next row's inputs are the same, whatever the scales have seen
        engine._bank.planes.f64[:] = real
        weights(engine)[:] = params
        feed(engine, [0.3, 0.4], time=[1.8e9, 1.8e9 + 60])
    np.testing.assert_allclose(traces(engines[0]), traces(engines[1]), atol=1e-9)


def test_traces_that_are_not_finite_move_nothing_and_are_emptied() -> None:
    engine = Engine(tiny(layers=(spec.Gru(4),), rule=spec.Snap1(), optimiser=FAST), 1)
    values = henon(60)
    feed(engine, values[:30])
    before = weights(engine).copy()
    traces(engine)[3] = np.inf
    told = feed(engine, values[30:31], time=[START + STEP * 30])
    assert has(told, m.SKIPPED).all()
    assert weights(engine).tobytes() == before.tobytes()
    assert not traces(engine).any()
    told = feed(engine, values[31:], time=START + STEP * np.arange(31, 60))
    assert has(told, m.UPDATED).all()
    assert traces(engine).any()


def test_a_rollback_empties_the_traces() -> None:
    engine = Engine(tiny(layers=(spec.Gru(4),), rule=spec.Snap1(), optimiser=FAST), 1)
    feed(engine, henon(30))
    weights(engine)[0] = np.nan
    told = feed(engine, [0.1], time=[1.8e9])
    assert has(told, m.ROLLED_BACK).all()
    assert not traces(engine).any()


def poisoned(rule: spec.Tbptt, rows: int) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    """Update with the tape's rows but the last `rows` unreadable: its bits, the weights, and those without poison."""
    engines = [Engine(tiny(layers=(spec.Gru(4),), rule=rule), 1, "float64") for _ in range(2)]
    values = henon(30)
    for engine in engines:
        feed(engine, values[:29])
    p, blocks = engines[0]._plan.table.ints, engines[0]._plan.table.blocks
    written = int(engines[0]._bank.planes.i64[int(p[Program.BASE_I64]) + Count.POSITION])
    for start, width in blocks:
        begin = int(p[Program.BASE_F32] + start)
        engines[0]._bank.planes.f32[begin : begin + (written - rows) * int(width)] = np.nan
    told = [feed(engine, values[29:], time=[START + STEP * 29]) for engine in engines]
    return told[0].bits, weights(engines[0]), weights(engines[1])


def test_the_gradient_does_not_depend_at_all_on_what_is_older_than_the_window() -> None:
    """The honest test of truncation: not small but nothing. The loss could not tell, since the state is carried."""
    bits, changed, clean = poisoned(spec.Tbptt(5, 1), 5)
    assert bits[0] & m.UPDATED
    assert changed.tobytes() == clean.tobytes()


def test_a_window_does_depend_on_its_oldest_row() -> None:
    bits, _, _ = poisoned(spec.Tbptt(6, 1), 5)
    assert bits[0] & m.SKIPPED


def test_immediate_is_back_propagation_through_a_window_of_one() -> None:
    moved = []
    for rule in (spec.Immediate(), spec.Tbptt(1, 1)):
        engine = Engine(tiny(layers=(spec.Lstm(4), spec.Gru(3)), rule=rule, optimiser=FAST), 1, "float64")
        feed(engine, henon(80))
        moved.append(weights(engine).copy())
    np.testing.assert_allclose(moved[0], moved[1], rtol=1e-12, atol=1e-14)
