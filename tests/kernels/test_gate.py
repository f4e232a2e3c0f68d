"""The gate: as its twin, its gradient as the differences of the loss, and the mix itself while it is untrained."""

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.errors import ConfigError
from streamrnn.kernels.core.call import at
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Pending
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.experts import gate
from tests.engine.feed import START, feed, real, tiny
from tests.naive import gate as twin

EXPERTS = (spec.Last(), spec.Seasonal(), spec.Linear("lags", lags=3))


@jit
def _blend(w, o, f, p):
    return gate.blend(w, at(o, 0), f, p, len(f))


@jit
def _near(gated, base, unit):
    return gate.near(gated, base, unit)


@jit
def _pull(p, f, gated, y, unit, g):
    gate.pull(p, f, gated, y, unit, at(g, 0), len(f))


def case(seed):
    random = np.random.default_rng(seed)
    w = random.dirichlet(np.ones(5))
    return w, random.normal(size=5), random.normal(size=5), float(random.normal()), 1.7


@pytest.mark.parametrize("seed", range(5))
def test_shares_and_gated_forecast_equal_the_twin(seed):
    w, o, f, _, _ = case(seed)
    p = np.empty(5)
    gated = _blend(w, o, f, p)
    assert p == pytest.approx(twin.shares(w, o), rel=1e-12)
    assert gated == pytest.approx(float(p @ f), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_gradient_is_the_difference_of_the_loss(seed):
    w, o, f, y, unit = case(seed)
    p, g = np.empty(5), np.zeros(5)
    gated = _blend(w, o, f, p)
    _pull(p, f, gated, y, unit, g)
    for e in range(5):
        up, down = o.copy(), o.copy()
        up[e] += 1e-6
        down[e] -= 1e-6
        slope = (twin.loss(w, up, f, y, unit) - twin.loss(w, down, f, y, unit)) / 2e-6
        assert g[e] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_the_gate_stays_near_the_mix_in_a_burst():
    assert _near(1e6, 2.0, 1.5) == 2.0 + gate.LIMIT * 1.5
    assert _near(-1e6, 2.0, 1.5) == 2.0 - gate.LIMIT * 1.5
    assert _near(3.0, 2.0, 1.5) == 3.0


def test_an_outlier_pulls_no_further_than_the_limit():
    w, o, f, _, unit = case(1)
    p, near, far = np.empty(5), np.zeros(5), np.zeros(5)
    gated = _blend(w, o, f, p)
    _pull(p, f, gated, gated - gate.LIMIT * unit, unit, near)
    _pull(p, f, gated, gated - 1e6 * unit, unit, far)
    assert far.tolist() == near.tolist()


def last_round(engine):
    """Base, gated and corrected forecast that wait for the next value; and the experts'."""
    p = engine._plan.table.ints
    n = int(p[Program.EXPERTS])
    record = real(engine, Program.PENDING, int(p[Program.SLOT_WIDTH]))
    return record[Pending.FORECASTS + n : Pending.FORECASTS + n + 3], record[Pending.FORECASTS : Pending.FORECASTS + n]


def series(n, seed=0):
    t = np.arange(n)
    return 20 + 5 * np.sin(t / 7) + np.random.default_rng(seed).normal(size=n)


def test_an_untrained_gate_is_nearly_the_mix_and_a_trained_one_is_not():
    engine = Engine(tiny(experts=EXPERTS, gate=True, rule=spec.Tbptt(4, 512)), 1)
    values = series(700)
    feed(engine, values[:50])
    (base, gated, corrected), f = last_round(engine)
    assert base != f[0]
    assert abs(gated - base) <= 3 * gate.LEAST * np.ptp(f)
    assert gated == corrected
    feed(engine, values[50:], time=START + 60.0 * np.arange(50, 700))
    (base, gated, corrected), _ = last_round(engine)
    assert len({base, gated, corrected}) == 3


def test_the_gate_learns_which_expert_is_right_when():
    """The last value is right in the first half of every day, a wrong season in the second: only the clock tells."""
    hour, n = 3600.0, 24 * 150
    random = np.random.default_rng(3)
    values = np.zeros(n)
    for t in range(1, n):
        noise = 0.1 * random.normal()
        values[t] = values[t - 1] + noise if t % 24 < 12 else values[max(t - 24, 0)] + noise
    experts = (spec.Last(), spec.Seasonal())
    errors = {}
    for gated in (True, False):
        model = tiny(layers=(spec.Gru(8),), experts=experts, gate=gated, rule=spec.Tbptt(8, 4))
        told = feed(Engine(model, 1), values, time=START + hour * np.arange(n)).forecast[:-1, 0, 0, 0]
        errors[gated] = np.abs(told - values[1:])[n // 2 :].mean()
    assert errors[True] < 0.95 * errors[False]


def test_a_gate_over_one_expert_is_none():
    assert not Engine(tiny(gate=True), 1)._plan.sizes.gate


def test_a_gate_with_a_rule_that_recomputes_is_refused():
    with pytest.raises(ConfigError, match="gate"):
        Engine(tiny(experts=EXPERTS, gate=True, rule=spec.Tbptt(4, 2, True)), 1)
