"""The label task: advance first, settle with the label that comes along or later."""

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.program import Program
from streamrnn.messages import Outcomes
from tests.engine.feed import START, STEP, feed, finite, has, pick, real, same, tiny, weights

NAN = np.nan


def engine_of(**changes: object) -> Engine:
    return Engine(tiny(**{"task": "label", "optimiser": spec.Adam(rate=0.01), **changes}), 1)


def label(engine: Engine, ident: int, value: float, time: float = START) -> Outcomes:
    """A label on its own."""
    return feed(engine, [NAN], label=[value], ident=[ident], bits=[m.LABEL_ONLY], time=[time])


def test_the_target_is_the_label_now() -> None:
    engine = engine_of()
    assert engine.targets == ("label",)
    assert engine.horizons == (0,)


def test_a_label_that_comes_along_is_predicted_before_it_is_seen() -> None:
    """Two labels for the same observation: forecast and expectation are the same, the actual value is not."""
    told = []
    for value in (5.0, -5.0):
        engine = engine_of()
        feed(engine, np.arange(30.0) % 7, label=np.arange(30.0) % 3)
        told.append(feed(engine, [3.0], label=[value], time=[START + STEP * 30]))
    same(
        told[0],
        told[1],
        but=("score", "tail", "actual", "skill", "bits", "severity", "event", "started", "attribution"),
    )
    assert told[0].expected[0, 0] == told[0].forecast[0, 0, 0, 0]
    assert [o.actual[0, 0] for o in told] == [5.0, -5.0]


def test_observations_without_label_are_predicted() -> None:
    told = feed(engine_of(), np.arange(10.0), label=[1.0, *[NAN] * 9])
    assert finite(pick(told, slice(1, None)))
    assert np.isnan(told.actual[1:]).all()
    assert np.isnan(told.score[1:]).all()


def test_late_labels_settle_by_id() -> None:
    engine = engine_of()
    feed(engine, np.arange(5.0), label=[1.0, 2.0, NAN, NAN, NAN], ident=[11, 12, 13, 14, 15])
    for ident, bit in ((14, m.SETTLED), (13, m.SETTLED), (14, m.UNMATCHED), (99, m.UNMATCHED), (12, m.UNMATCHED)):
        told = label(engine, ident, 2.5)
        assert has(told, bit).all(), ident
        assert not has(told, m.LEARNED | m.LATE | m.DUPLICATE | (m.SETTLED | m.UNMATCHED) ^ bit).any()
        assert told.seq[0] == 5
    assert label(engine, 15, 2.5).actual[0, 0] == 2.5


def test_a_label_before_any_observation_is_unmatched() -> None:
    assert has(label(engine_of(), 5, 1.0), m.UNMATCHED).all()


def test_memory_for_late_labels_ends_where_the_spec_says() -> None:
    engine = engine_of(label_memory=4)
    feed(engine, np.arange(10.0), label=[1.0, *[NAN] * 9], ident=range(1, 11))
    assert has(label(engine, 6, 1.0), m.UNMATCHED).all()
    assert has(label(engine, 7, 1.0), m.SETTLED).all()


def test_late_labels_teach_as_much_as_those_that_come_along() -> None:
    engine = engine_of(rule=spec.Tbptt(4, 4))
    random = np.random.default_rng(1)
    x = random.choice([-1.0, 1.0], 600)
    learned = 0
    for t in range(600):
        feed(engine, [x[t]], time=[START + STEP * t], ident=[t + 1])
        told = label(engine, t + 1, 3 * x[t])
        assert has(told, m.SETTLED).all()
        learned += has(told, m.UPDATED).any() or False
    assert told.learned[0] > 500
    assert np.isfinite(weights(engine)).all()
    assert told.skill[0] > 0.3


def test_a_labelled_function_is_learned() -> None:
    random = np.random.default_rng(2)
    x = random.normal(0, 1, (1500, 2))
    y = np.where(x[:, 0] > 0, 2.0, -2.0) + 0.5 * x[:, 1]
    engine = engine_of(features=("x", "y"), layers=(spec.Gru(8),), rule=spec.Tbptt(4, 1))
    told = feed(engine, x, label=y)
    error = np.abs(told.forecast[500:, 0, 0, 0] - y[500:]).mean()
    assert error < 0.5 * np.abs(y[500:] - y[499:-1]).mean()


def test_the_probability_of_a_binary_label_is_learned() -> None:
    """P(1) is 0.9 where x > 0 and 0.2 elsewhere."""
    random = np.random.default_rng(3)
    x = random.normal(0, 1, 4000)
    p = np.where(x > 0, 0.9, 0.2)
    y = (random.random(4000) < p).astype(float)
    model = {"head": spec.Binary(), "layers": (spec.Gru(8),), "rule": spec.Tbptt(4, 1)}
    engine = engine_of(**model)
    told = feed(engine, x, label=y)
    predicted = told.forecast[1:, 0, 0, 0]
    assert ((predicted >= 0) & (predicted <= 1)).all()
    assert np.abs(predicted[2000:] - p[2001:]).mean() < 0.1
    assert 0 < real(engine, Program.LOSS, 1)[0] < 5


@pytest.mark.parametrize("age", [0, 3, 7])
def test_a_late_label_moves_the_weights_while_its_row_is_on_the_tape(age: int) -> None:
    engine = engine_of(rule=spec.Tbptt(8, 8))
    feed(engine, np.arange(16.0), label=[1.0, 2.0, *[NAN] * 14], ident=range(1, 17))
    before = weights(engine).copy()
    told = label(engine, 16 - age, 50.0)  # the sixteenth observation: an update is due at once
    assert has(told, m.UPDATED).all()
    assert (weights(engine) != before).any()


def test_a_late_label_whose_row_has_left_the_tape_moves_figures_only() -> None:
    engine = engine_of(rule=spec.Tbptt(2, 2), label_memory=200)
    feed(engine, np.arange(100.0), label=[1.0, 2.0, *[NAN] * 98], ident=range(1, 101))
    before = weights(engine).copy()
    told = label(engine, 20, 50.0)
    assert has(told, m.SETTLED).all()
    assert not has(told, m.UPDATED).any()
    assert (weights(engine) == before).all()
    assert told.actual[0, 0] == 50.0
