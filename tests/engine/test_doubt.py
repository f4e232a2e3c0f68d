"""What no spread explains is judged, but neither learned nor followed until it is one of several."""

from typing import Any

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from tests.engine.feed import START, batch, feed, has, step, tiny
from tests.naive import outliers as naive

GLITCH = 1e6  # standard deviations
FREE = (spec.Conformal(), spec.Anomaly(warmup=50, holdoff=0))  # all that is not doubted is learned


def day(seed: int, n: int) -> Any:
    """A daily wave of values a quarter of an hour apart, and noise that remembers."""
    random, noise = np.random.default_rng(seed), np.zeros(n)
    for t in range(1, n):
        noise[t] = 0.7 * noise[t - 1] + random.normal()
    return 10.0 * np.sin(2.0 * np.pi * np.arange(n) / 96) + noise


def glitched(values: Any, at: Any, size: float = GLITCH) -> Any:
    """The values, with some that have nothing to do with them."""
    out = np.array(values)
    out[at] += size * np.std(values) * np.where(np.arange(len(out[at])) % 2, 1.0, -1.0)
    return out


@pytest.mark.parametrize(("preset", "seed"), [("light", 1), ("light", 2), ("standard", 3), ("full", 4)])
def test_one_glitch_in_a_hundred_costs_the_others_less_than_a_tenth(preset: Any, seed: int) -> None:
    clean = day(seed, 3000)
    bad = np.flatnonzero(np.random.default_rng(seed).random(3000) < 0.01)
    bad, errors = bad[bad > 200], []
    for values in (clean, glitched(clean, bad)):
        engine = Engine(spec.Model(features=("x",), preset=preset), 1)
        told = feed(engine, values, time=START + 900.0 * np.arange(3000))
        errors.append(np.delete(np.abs(told.expected[:, 0] - clean), bad)[600:].mean())
        inside = (told.forecast[:-1, 0, 0, 1] <= clean[1:]) & (clean[1:] <= told.forecast[:-1, 0, 0, 2])
        assert 0.86 < inside[600:].mean() < 0.94
    assert len(bad) > 15
    assert errors[1] < 1.1 * errors[0]


def test_it_is_missing_for_all_but_the_monitors() -> None:
    values = np.random.default_rng(5).normal(0, 1, 600)
    at = [100, 101, 300, 450]
    holes = np.array(values)
    holes[at] = np.nan
    model = tiny(experts=None, horizons=(1, 3), monitors=FREE)
    told, other = feed(Engine(model, 1), glitched(values, at)), feed(Engine(model, 1), holes)
    assert told.forecast.tobytes() == other.forecast.tobytes()
    assert np.flatnonzero(has(told, m.INVALID)).tolist() == at
    assert has(told, m.MISSING)[at].all()
    assert has(told, m.OPENED)[300]
    assert told.score[300] >= 0.5


def test_where_a_stream_stays_it_is_followed_with_the_third_value() -> None:
    values = np.random.default_rng(6).normal(0, 1, 600)
    values[400:] += GLITCH
    told = feed(Engine(tiny(monitors=FREE), 1), values)
    ahead = told.forecast[:, 0, 0, 0]
    assert (np.abs(ahead[395:402]) < 10).all()
    assert (np.abs(ahead[402:] - GLITCH) < 0.2 * GLITCH).all()
    assert np.flatnonzero(has(told, m.INVALID)).tolist() == [400, 401]


@pytest.mark.parametrize("holdoff", [0, 5])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_who_is_doubted_is_whom_the_twin_doubts(seed: int, holdoff: int) -> None:
    """Bursts of any size and length among what is; each feature is looked at for itself."""
    random = np.random.default_rng(seed)
    values = random.normal(5, 2, (1500, 2))
    for start in range(60, 1480, 20):
        column, length = random.integers(2), int(random.choice([1, 1, 2, 4, 9]))
        values[start : start + length, column] *= random.choice([4.0, 8.0, 30.0, 1e5])
    values[random.random(values.shape) < 0.05] = np.nan
    monitors = (spec.Conformal(), spec.Anomaly(warmup=50, holdoff=holdoff))
    engine = Engine(tiny(features=("x", "y"), monitors=monitors, scale_rate=0.01), 1)
    told = step(engine, batch(["a"] * 1500, values))
    twins = [naive.Doubt(holdoff, 60.0, 0.01) for _ in range(2)]
    doubts = [
        [twin.look(x, START + 60.0 * t) for t, x in enumerate(column)]
        for twin, column in zip(twins, values.T, strict=True)
    ]
    found = np.array(doubts).T
    assert has(told, m.INVALID).tolist() == (found == "unfollowed").any(axis=1).tolist()
    assert (found == "unfollowed").sum() >= 10
    if holdoff:
        assert has(told, m.HELD_OFF)[(found == "unlearned").any(axis=1)].all()
        assert (found == "unlearned").sum() > 50


def test_a_stream_that_stood_still_and_wakes_up_is_believed() -> None:
    values = np.concatenate([np.full(500, 7.0), np.random.default_rng(7).normal(100, 1, 100)])
    told = feed(Engine(tiny(), 1), values)
    assert not has(told, m.INVALID).any()


def test_bursts_out_of_a_long_calm_are_believed_once_there_was_one() -> None:
    values = np.random.default_rng(8).normal(0, 1e-6, 1200)
    for start in range(300, 1200, 300):
        values[start : start + 5] = 40.0 + np.arange(5)
    told = feed(Engine(tiny(), 1), values)
    assert np.flatnonzero(has(told, m.INVALID)).tolist() == [300, 301]
