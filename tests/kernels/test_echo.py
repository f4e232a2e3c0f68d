"""The reservoir: as its twin, forgetful of where it began, and bounded."""

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.call import at
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.experts import echo, gate
from streamrnn.model.history import Shared
from tests.engine.feed import batch
from tests.naive.echo import Reservoir

UNITS = 16


@jit
def _harvest(state, units, u, lags, c, out, room):
    echo.harvest(at(state, 0), units, at(u, 0), len(u), lags, at(c, 0), at(out, 0), at(room, 0))


def shared(features):
    return Shared(UNITS, tuple(f"f{i}" for i in range(features)))


@pytest.mark.parametrize("features", [1, 2, 3, 5, 9, 70])
def test_it_equals_the_twin(features):
    own = shared(features)
    seen = len(own.seen)
    random, state = np.random.default_rng(features), np.zeros(own.length)
    twin, out = Reservoir(UNITS, seen, own.lags), np.full(own.numbers, np.nan)
    for _ in range(30):
        u, c = random.normal(size=seen), random.normal(size=gate.HARMONICS)
        _harvest(state, UNITS, u, own.lags, c, out, np.empty(UNITS))
        assert out == pytest.approx(twin.harvest(u, c), rel=1e-5, abs=1e-5)


def test_where_it_began_is_forgotten():
    random, a, b = np.random.default_rng(1), np.zeros(UNITS), np.full(UNITS, 0.9)
    for _ in range(300):
        u, c, out = random.normal(size=1), np.zeros(gate.HARMONICS), np.empty(2 * UNITS)
        for state in (a, b):
            _harvest(state, UNITS, u, 0, c, out, np.empty(UNITS))
    assert a == pytest.approx(b, abs=1e-6)
    assert np.abs(a).max() < 1.0


def test_a_target_that_another_feature_drives_is_foretold():
    """y(t) = .5 y(t - 1) + x(t - 1) x(t - 2) + noise of .3: every linear forecast misses by 1.7."""
    random = np.random.default_rng(3)
    x, y = np.zeros(4000), np.zeros(4000)
    for t in range(2, len(x)):
        x[t] = 0.7 * x[t - 1] + random.normal()
        y[t] = 0.5 * y[t - 1] + x[t - 1] * x[t - 2] + 0.3 * random.normal()
    model = spec.Model(features=("y", "x"), targets=("y",), experts=(spec.Last(), spec.Echo(units=8)), preset="light")
    engine = Engine(model, 1)
    messages = batch(["s"] * len(x), np.column_stack([y, x]), time=60.0 * np.arange(len(x)))
    told = engine.step(messages, engine.admit(messages.names)).forecast[:, 0, 0, 0]
    assert np.sqrt(np.mean((told[2000:-1] - y[2001:]) ** 2)) < 0.45


def test_a_stream_without_the_expert_has_no_reservoir():
    assert Engine(spec.Model(features=("y",), preset="light"), 1)._plan.table.ints[Program.ECHO_UNITS] == 0
