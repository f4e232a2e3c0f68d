"""Levels of late and all targets together against their twins, and what they find."""

import math

import numpy as np
import pytest

from streamrnn.kernels.core.call import at
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Joint, Level
from streamrnn.kernels.monitors import joint, levels
from tests.naive import joint as naive


@jit
def _follow(level, y, learn, held):
    levels.follow(at(level, 0), y, learn, held)


@jit
def _take(record, z, n, size, out):
    joint.correlate(at(record, 0), z, n)
    if n <= joint.SMALL or int(record[Joint.SEEN]) % joint.SMALL == 0:
        joint.refresh(at(record, 0), n, size, out)


@jit
def _judge(record, z, n, weight):
    return joint.statistics(at(record, 0), z, n, weight)


@jit
def _nats(value, freedom):
    return joint.nats_of_chi(value, freedom)


@jit
def _run(records, values, out):
    """All rows of values (N, T) through the levels (T) and their record; out (N) gets the nats."""
    own, together = records
    n = values.shape[1]
    z, weight, size, room = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    for t in range(len(values)):
        for j in range(n):
            levels.follow(at(own[j], 0), values[t, j], 1, False)
            z[j] = own[j, Level.SCORE]
        if t > levels.SPAN:
            joint.correlate(at(together, 0), z, n)
            joint.refresh(at(together, 0), n, size, room)
        out[t] = joint.worth(at(together, 0), joint.statistics(at(together, 0), z, n, weight))
        joint.learn_peaks(at(together, 0), out[t])


def fresh(n: int) -> np.ndarray:
    """The record of n targets that are independent as yet."""
    k = min(joint.MOST_FACTORS, (n + 1) // 2)
    record = np.zeros(Joint.WIDTH + n * n + k * (n + 1))
    record[Joint.WIDTH : Joint.WIDTH + n * n : n + 1] = 1.0
    for number, factor in enumerate(record[Joint.WIDTH + n * n :].reshape(k, n + 1)):
        factor[[0, 1 + number]] = 1.0
    return record


def nats(values: np.ndarray) -> np.ndarray:
    """What the monitor says of each row (N, T)."""
    n = values.shape[1]
    out = np.zeros(len(values))
    _run((np.zeros((n, Level.WIDTH)), fresh(n)), values, out)
    return out


@pytest.mark.parametrize("kind", ["noise", "walk", "constant", "heavy"])
def test_a_level_equals_the_twin(kind: str) -> None:
    random = np.random.default_rng(1)
    values = {
        "noise": random.normal(5.0, 2.0, 700),
        "walk": random.normal(size=700).cumsum(),
        "constant": np.where(np.arange(700) % 100 == 99, 7.0, 5.0),
        "heavy": random.standard_t(2, 700),
    }[kind]
    values[500:] += 6.0
    level, twin = np.zeros(Level.WIDTH), naive.Level()
    for t, y in enumerate(values):
        learn, held = int(t < 400 or t > 600), 520 < t < 560
        _follow(level, y, learn, held)
        assert level[Level.SCORE] == pytest.approx(twin.take(float(y), bool(learn), held), rel=1e-9, abs=1e-9)
    assert level[[Level.FIRM, Level.SLOW, Level.TURNS]] == pytest.approx([twin.firm, twin.slow, twin.turns])


@pytest.mark.parametrize("n", [2, 3, 8, 20])
def test_all_together_equal_the_twin(n: int) -> None:
    random = np.random.default_rng(n)
    mixing = random.normal(size=(n, n))
    record, twin, weight, size, out = fresh(n), naive.Together(n), np.zeros(n), np.zeros(n), np.zeros(n)
    for _ in range(300):
        z = mixing @ random.normal(size=n) / math.sqrt(n)
        _take(record, z, n, size, out)
        twin.take(z)
        found = _judge(record, z, n, weight)
        t2, q, share = twin.judge(z)
        assert record[[Joint.T2, Joint.Q]] == pytest.approx([t2, q], rel=1e-6)
        assert np.maximum(z * weight, 0.0) == pytest.approx(share, rel=1e-6, abs=1e-9)
        assert found == pytest.approx(max(twin.nats(t2, q), 0.0), abs=0.1 + 0.12 * found)  # approximate, see below


@pytest.mark.parametrize("freedom", [1, 2, 4, 8, 32])
@pytest.mark.parametrize("size", [0.5, 1.0, 2.0, 5.0])
def test_the_tail_of_chi_squared(freedom: int, size: float) -> None:
    exact = -math.log(naive.tail(size * freedom, freedom))
    assert _nats(size * freedom, float(freedom)) == pytest.approx(exact, rel=0.06, abs=0.03)


def test_what_is_far_beyond_is_still_a_number() -> None:
    assert 5e3 < _nats(1e5, 8.0) < 5e4
    assert _nats(0.0, 8.0) == 0.0


KINDS = {
    "white": lambda random, n: random.normal(size=(n, 8)),
    "correlated": lambda random, n: random.normal(size=(n, 8)) @ random.normal(size=(8, 8)),
    "walk": lambda random, n: random.normal(size=(n, 8)).cumsum(0),
    "t2": lambda random, n: random.standard_t(2, size=(n, 8)),
    "counts": lambda random, n: random.poisson(1.0, size=(n, 8)).astype(float),
    "daily": lambda random, n: np.sin(np.arange(n)[:, None] / 144 * np.pi + np.arange(8)) + random.normal(size=(n, 8)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_data_are_as_rare_as_it_says(kind: str) -> None:
    """20,000 rows of eight sensors: what is told to be rarer than one in 20,000 comes a few times at most."""
    found = nats(KINDS[kind](np.random.default_rng(5), 20_000))
    over = found[100:] > math.log(20_000.0)
    assert (np.diff(over.astype(int)) > 0).sum() <= 4


def test_a_little_of_all_sensors_is_found_where_none_shows_it() -> None:
    values = np.random.default_rng(7).normal(size=(1000, 8))
    values[800:] += np.array([1, -1, 1, 1, -1, 1, -1, -1]) * 0.9
    found = nats(values)
    assert found[100:800].max() < 12.0 < found[800:830].max()


def test_a_sensor_that_stays_behind_is_found() -> None:
    """Two sensors of one pipe: apart by half of what both move together."""
    random = np.random.default_rng(8)
    flow = np.convolve(random.normal(size=1200), np.ones(20) / 20, "same")[:, None] * 20
    values = flow + random.normal(0.0, 0.2, size=(1200, 2))
    values[1000:, 1] += 6.0
    found = nats(values)
    assert found[100:1000].max() < 9.0 < found[1000:1040].max()
