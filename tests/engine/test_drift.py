"""Drift: found where river's detectors find it in the same errors, and what is done about it."""

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from river import drift

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.layout import Drift, Target
from streamrnn.kernels.core.program import Program
from tests.engine.feed import batch, feed, has, join, part, real, same, step, tiny
from tests.naive.drift import Watch

PEERS = [
    (spec.Adwin(), drift.ADWIN),
    (spec.PageHinkley(), partial(drift.PageHinkley, delta=0.05, threshold=10.0)),
]


def turned(seed: int, n: int = 4000) -> Any:
    """A process that follows its own past in one way, and in another from the middle on."""
    random, values = np.random.default_rng(seed), np.zeros(n)
    for t in range(2, n):
        a, b = (1.2, -0.5) if t < n // 2 else (-0.6, 0.3)
        values[t] = a * values[t - 1] + b * values[t - 2] + random.normal()
    return values


ADWIN = (spec.Adwin(),)


def model(*reactions: Any, detectors: Any = ADWIN, **changes: Any) -> spec.Model:
    return tiny(drift=spec.Drift(detectors=detectors, reactions=reactions), **changes)


LINEAR = {"experts": (spec.Last(), spec.Linear("lags", lags=11, forget=0.999))}


@pytest.mark.parametrize(("kind", "peer"), PEERS, ids=["adwin", "page_hinkley"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_drifts_are_found_where_river_finds_them_in_the_same_errors(kind: Any, peer: Any, seed: int) -> None:
    told, watch = feed(Engine(model(detectors=(kind,), **LINEAR), 1), turned(seed)), Watch(peer)
    errors = (told.actual - told.expected)[:, 0]
    held = has(told, m.HELD_OFF) | np.isnan(errors)
    expected = [i for i, error in enumerate(errors) if not held[i] and watch.see(float(error))]
    assert np.flatnonzero(has(told, m.DRIFT_FOUND)).tolist() == expected
    assert len([i for i in expected if 2000 < i < 2400]) == 1
    found = told.drift[expected[0]]
    assert found[0] == 0
    assert abs(found[1] - told.time[2000]) < 60 * 60
    assert found[2] < found[3]
    assert told.drift[expected, 4].tolist() == list(range(1, len(expected) + 1))


def test_a_model_that_does_not_ask_for_it_has_nothing_of_it() -> None:
    plain, watched = Engine(tiny(), 1), Engine(model(), 1)
    assert not any("drift" in name for name in plain.layout)
    assert watched.bytes_per_stream > plain.bytes_per_stream
    one, other = feed(plain, turned(1)), feed(watched, turned(1))
    assert one.drift.shape == (4000, 0)
    assert one.forecast.tobytes() == other.forecast.tobytes()


def test_it_is_a_function_of_the_stream_s_own_messages_over_batches_and_restarts() -> None:
    made, whole = batch(["a"] * 4000, turned(5)), Engine(model("rate", "scaler", "forget", **LINEAR), 2)
    one = step(whole, made)
    assert has(one, m.DRIFT_FOUND).any()
    told, engine = [], Engine(whole.model, 2)
    cuts = sorted({0, 4000, *np.random.default_rng(1).integers(0, 4000, 9).tolist(), 2040})
    for start, end in pairwise(cuts):
        again = Engine(whole.model, 2)
        again.admit(["b"])
        if start:
            again.restore("a", engine.export("a"), engine.layout)
        engine = again
        told.append(step(engine, part(made, start, end)))
    same(one, join(told))
    assert whole.export("a") == engine.export("a")


def test_the_linear_expert_forgets_and_forecasts_are_better_soon() -> None:
    errors = {}
    for reactions in ((), ("forget",)):
        told = feed(Engine(model(*reactions, **LINEAR), 1), turned(4))
        errors[reactions] = float(np.abs(told.expected - told.actual)[2100:2600].mean())
    assert errors["forget",] < 0.9 * errors[()]


def test_the_scaler_follows_and_the_rate_is_raised_for_a_while() -> None:
    values = np.random.default_rng(6).normal(0, 1, 3000)
    values[2000:] *= 5
    engine = Engine(model("rate", "scaler"), 1)
    told = feed(engine, values[:2200])
    found = np.flatnonzero(has(told, m.DRIFT_FOUND))
    assert (found > 2000).all()
    assert 0 < real(engine, Program.DRIFT, Drift.WIDTH)[Drift.RAISED] < 200
    spread = np.sqrt(real(engine, Program.TARGET, Target.WIDTH)[Target.VARIANCE])
    assert spread > 3
    feed(engine, values[2200:], time=1_700_000_000.0 + 60 * np.arange(2200, 3000))
    assert real(engine, Program.DRIFT, Drift.WIDTH)[Drift.RAISED] == 0


def sinking(seed: int, rounds: int = 100, length: int = 60, before: int = 3000) -> Any:
    """A process that becomes three times as restless in a hundred rounds, each by too little to be seen."""
    random, n = np.random.default_rng(seed), before + rounds * length
    size = np.concatenate([np.ones(before), 1 + 2 * (1 + np.arange(rounds * length) // length) / rounds])
    values, noise = np.zeros(n), size * random.normal(size=n)
    for t in range(1, n):
        values[t] = 0.7 * values[t - 1] + noise[t]
    return values


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_hundred_small_steps_to_the_worse_are_a_drift(seed: int) -> None:
    """The frog in the pot: no step is a change, all together are; on the way there is hardly an alarm of values."""
    told = feed(Engine(model(**LINEAR), 1), sinking(seed))
    found = np.flatnonzero(has(told, m.DRIFT_FOUND))
    assert found.size
    assert (found > 3000).all()
    assert found[0] < 3000 + 50 * 60
    assert has(told, m.OPENED)[3000:].sum() < 10


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_level_that_creeps_away_is_followed_and_no_drift(seed: int) -> None:
    """The forecasts stay as good as they were, and that is what a drift is about."""
    values = sinking(seed, rounds=0, before=9000)
    values[3000:] += 0.03 * (1 + np.arange(6000) // 60)
    told = feed(Engine(model(**LINEAR), 1), values)
    errors = np.abs(told.expected - told.actual)[:, 0]
    assert not has(told, m.DRIFT_FOUND).any()
    assert errors[8000:].mean() < 1.05 * errors[1000:3000].mean()
