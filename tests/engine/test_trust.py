"""Weights that go bad and stay finite: put back, silenced when it happens again, and not published for long."""

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine import Engine
from streamrnn.kernels import table as c
from streamrnn.kernels import trust
from tests.engine.feed import START, STEP, feed, finite, has, tiny, weights


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(10, 2, n)


def ticks(start: int, n: int) -> np.ndarray:
    return START + STEP * np.arange(start, start + n)


def good(engine: Engine) -> np.ndarray:
    p = engine._plan.table.ints
    return engine._bank.planes.learned[p[c.GOOD] : p[c.GOOD] + p[c.PARAMS_LENGTH]]


def mislead(engine: Engine) -> None:
    """The readout's bias is eight usual errors off, in the weights and in the last good ones."""
    weights(engine)[-2] = good(engine)[-2] = 8.0


def error(told: m.Outcomes, values: np.ndarray) -> float:
    """Mean absolute error of the published forecasts, one step ahead."""
    return float(np.abs(told.forecast[:-1, 0, 0, 0] - values[1:]).mean())


def test_weights_that_add_error_are_put_back_within_64_observations() -> None:
    engine = Engine(tiny(), 1)
    feed(engine, noise(400))
    weights(engine)[-2] = 8.0
    told = feed(engine, noise(400, 1), time=ticks(400, 400))
    assert np.flatnonzero(has(told, m.ROLLED_BACK)).tolist() == [pytest.approx(16, abs=48)]
    assert abs(weights(engine)[-2]) < 1.0
    assert finite(told)


def test_weights_that_grew_tenfold_are_put_back_though_they_do_no_harm() -> None:
    engine = Engine(tiny(), 1)
    feed(engine, noise(400))
    p = engine._plan.table.ints
    weights(engine)[p[c.READOUT] :] = 0.0
    weights(engine)[: p[c.READOUT]] *= 30.0
    told = feed(engine, noise(300, 1), time=ticks(400, 300))
    assert has(told, m.ROLLED_BACK).sum() == 1
    assert np.abs(weights(engine)).max() < 5.0


def test_who_falls_three_times_rests_and_comes_back() -> None:
    engine = Engine(tiny(), 1)
    feed(engine, noise(400))
    at, begun = 400, 0
    while not begun:
        mislead(engine)
        told = feed(engine, noise(100, at), time=ticks(at, 100))
        at += 100
        begun = int(has(told, m.RESTED).sum())
    assert begun == 1
    assert at == 500
    span = 2 * trust.SPAN  # updates every second observation
    told = feed(engine, noise(span + 400, 7), time=ticks(at, span + 400))
    resting = has(told, m.RESTING)
    assert resting[: span - 100].all()
    assert not resting[span:].any()
    assert not has(told, m.UPDATED)[: span - 100].any()
    assert has(told, m.UPDATED)[span:].sum() > 150
    assert not has(told, m.ROLLED_BACK).any()


@pytest.mark.parametrize("weights_of", ["per_stream", "pooled"])
def test_a_network_that_is_worse_than_the_experts_is_not_published_for_long(weights_of: str) -> None:
    """The aggregation alone sees to it: over 2,000 observations the error is not a tenth above that of the experts."""
    values = noise(2400)
    told = []
    for bad in (False, True):
        engine = Engine(tiny(weights=weights_of, rule=spec.Tbptt(4, 512)), 1)
        feed(engine, values[:400])
        name = "" if weights_of == "pooled" else "a"
        weights(engine, name)[:] = 0.0
        if bad:
            weights(engine, name)[-2] = 5.0
        told.append(feed(engine, values[400:], time=ticks(400, 2000)))
    assert error(told[1], values[400:]) < 1.1 * error(told[0], values[400:])


def test_a_change_of_regime_silences_nobody() -> None:
    random = np.random.default_rng(5)
    parts = [random.normal(mean, sd, 1500) for mean, sd in ((0, 1), (1000, 1), (1000, 50), (-3, 0.01), (0, 1))]
    engine = Engine(tiny(experts=None, horizons=(1, 3)), 1)
    told = feed(engine, np.concatenate(parts))
    assert has(told, m.ROLLED_BACK).sum() <= 1
    assert not has(told, m.RESTED).any()
    assert has(told, m.UPDATED).sum() > 3000
