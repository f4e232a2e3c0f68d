"""Faults that were found once, each with the smallest feed that showed it."""

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.errors import ConfigError
from streamrnn.kernels.core.layout import Pending
from streamrnn.kernels.core.program import Program
from tests.engine.feed import START, STEP, batch, feed, has, same, step, tiny, weights
from tests.kernels import drive
from tests.naive import experts

NAN = np.nan


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(10, 2, n)


def test_a_late_label_whose_row_leaves_the_tape_before_the_update_moves_nothing():
    """Tape of 18 rows: the label of observation 3 comes at 18; by the update at 24 its row is gone (row -7)."""
    engine = Engine(tiny(task="label", rule=spec.Tbptt(4, 8), optimiser=spec.Sgd()), 1)
    feed(engine, np.arange(18.0), label=[1.0, 2.0, *[NAN] * 16], ident=range(1, 19))
    before = weights(engine).copy()
    told = feed(engine, [NAN], label=[50.0], ident=[3], bits=[m.LABEL_ONLY])
    assert has(told, m.SETTLED).all()
    feed(engine, np.arange(6.0), time=START + STEP * np.arange(18, 24))
    assert (weights(engine) == before).all()


def test_an_infinite_weight_is_put_back():
    engine = Engine(tiny(), 1)
    feed(engine, noise(200))
    inputs = engine._plan.sizes.inputs
    weights(engine)[4 * inputs + 1] = np.inf  # U: the output stays finite (tanh), every gradient is NaN
    told = feed(engine, noise(400, 1), time=START + STEP * np.arange(200, 600))
    assert has(told, m.ROLLED_BACK).any()
    assert np.isfinite(weights(engine)).all()


def test_the_seasonal_expert_does_not_read_a_value_of_an_earlier_round_where_one_is_missing():
    engine = Engine(tiny(experts=(spec.Last(), spec.Seasonal()), seasons=(3 * STEP,), history=4), 1)
    twin, last = experts.Seasonal(spec.Seasonal(), (1,), (3 * STEP, 0.0), 4), NAN
    p = engine._plan.table.ints
    for t, y in enumerate([1.0, 2.0, 3.0, 4.0, 5.0, NAN, 7.0, 8.0, 9.0]):
        feed(engine, [y], time=[START + STEP * t])
        if y == y:
            last = y
        twin.observe(y, t + 1, START + STEP * t, STEP if t else 0.0)
        ours = engine._bank.planes.f64[p[Program.PENDING] + Pending.FORECASTS + 1]
        assert [ours] == twin.forecast(last, 0.0, 0.0, t + 1, START + STEP * t, STEP if t else 0.0), t


def test_published_coverage_of_a_long_horizon_counts_intervals_that_were_told():
    engine = Engine(tiny(horizons=(1, 24)), 1)
    values = noise(120)
    told = feed(engine, values)
    low, high = told.forecast[:-24, 0, 1, 1], told.forecast[:-24, 0, 1, 2]
    known = np.isfinite(low)
    inside = ((low <= values[24:]) & (values[24:] <= high))[known]
    assert engine.health().coverage[1] == pytest.approx(inside.mean(), abs=0.01)


def test_the_oldest_change_is_taken_first():
    engine = Engine(tiny(), 3)
    step(engine, batch(["a", "b", "c"], noise(3)))
    assert engine.take_dirty(1) == ["a"]
    feed(engine, noise(1), name="a", time=[START + 10 * STEP])
    assert engine.take_dirty(1) == ["b"]


@pytest.mark.parametrize("value", [100.0, 4096.0, 1e6, 1e9, 1e30])
def test_a_constant_series_scores_nothing(value):
    """The usual error of a constant is 0; the rounding of the mix must not count in units of it."""
    told = feed(Engine(tiny(experts=None), 1), [value] * 400)
    assert np.nanmax(told.score) < 1e-3


@pytest.mark.parametrize("power", [-20, 2, 10])
def test_units_do_not_matter(power):
    """A factor of two to an even power changes no digit, nor of a square root: it must change no result."""
    values = np.random.default_rng(0).normal(3, 1, (60, 2))
    model = tiny(features=("x", "y"), layers=(spec.Gru(5),), experts=None, horizons=(1, 3))
    one, two = (feed(Engine(model, 1), values * factor) for factor in (1.0, 2.0**power))
    np.testing.assert_array_equal(two.forecast / 2.0**power, one.forecast)
    same(one, two, but=("forecast", "expected", "actual"))


def test_beyond_the_clip_the_log_spread_is_not_pushed_further_out():
    """On a constant series the gradient would be 1 for ever, and the bias fall without bound."""
    assert drive.grad(spec.Gaussian(), np.array([0.0, -10.0]), 0.0)[0][1] <= 0
    assert drive.grad(spec.Gaussian(), np.array([0.0, 10.0]), 1e9)[0][1] >= 0


def test_an_observation_without_label_has_no_tail_probability():
    engine = Engine(tiny(task="label"), 1)
    told = feed(engine, noise(60), label=[*noise(59, 1), NAN])
    assert np.isnan(told.score[59])
    assert np.isnan(told.tail[59])


@pytest.mark.parametrize("value", [1.7e18, 1e30])
def test_a_first_value_after_zeros_leaves_no_nan_behind(value):
    """In units of the usual error of zeros any value is infinitely far; infinity less infinity is NaN for ever."""
    told = feed(Engine(tiny(experts=None), 1), [*[0.0] * 50, value, *noise(100)])
    assert np.isfinite(told.forecast[2:]).all()


def test_what_begins_anew_warms_up_anew():
    old = Engine(tiny(), 1)
    feed(old, noise(500))
    new = Engine(tiny(features=("y",)), 1)
    new.restore("a", old.export("a"), old.layout)
    told = feed(new, noise(150, 1), time=START + STEP * np.arange(500, 650))
    warmup = new._plan.sizes.anomaly.warmup
    assert has(told, m.WARMING)[: warmup - 2].all()
    assert not has(told, m.OPENED)[: warmup - 2].any()
    assert not has(told, m.WARMING)[warmup:].any()


def test_in_a_pool_short_cases_train_too():
    """15 observations, stride 16, labels from the 10th on: of 16 phases, 5 bring an update before the case is over."""
    engine = Engine(tiny(weights="pooled", rule=spec.Tbptt(4, 16)), 200)
    updates = sum(has(feed(engine, noise(15, n), name=f"case-{n}"), m.UPDATED).sum() for n in range(200))
    assert updates == pytest.approx(200 * 5 / 16, rel=0.5)


def test_a_leap_of_the_sequence_number_is_not_a_loss_beyond_measure():
    engine = Engine(tiny(), 1)
    feed(engine, noise(1), seq=[0])
    told = feed(engine, noise(1), time=[START + STEP], seq=[2**63 - 1])
    assert told.sequence_gap[0] == 2**31


def test_a_bank_that_cannot_be_allocated_is_the_operators_to_mend():
    with pytest.raises(ConfigError, match="max_streams"):
        Engine(tiny(horizons=(1, 4096)), 10**9)


def test_a_clock_that_was_set_back_is_followed_after_a_while():
    engine = Engine(tiny(), 1)
    feed(engine, noise(20), time=START + 1e9 + STEP * np.arange(20))  # a sender with a wrong clock
    told = feed(engine, noise(100), time=START + STEP * np.arange(100))
    assert has(told, m.LATE).tolist() == [True] * 64 + [False] * 36
    assert has(told, m.LEARNED).tolist() == [False] * 64 + [True] * 36
    assert told.time[-1] == START + STEP * 99
    assert np.isfinite(told.forecast[-1]).all()
