"""Intervals, anomaly score and aggregation against their twins."""

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn.kernels.core.call import at
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Stats
from streamrnn.kernels.experts import mix
from streamrnn.kernels.monitors import conformal
from tests.naive import judge
from tests.naive import mix as naive_mix


@jit
def _update(record, logs, f, mixed, y, unit, age, ahead, forget):
    mix.update(record, logs, f, mixed, y, unit, age, ahead, forget)


@jit
def _bets(logs, n, last_round, interval):
    return mix.bets(at(logs, 0), n, last_round, interval)[0]


@jit
def _blend(record, f, n):
    return mix.blend(record, f, n)


def errors(n: int, seed: int) -> NDArray[np.float64]:
    """Errors with heavy tails, a change of scale, and a few monsters."""
    random = np.random.default_rng(seed)
    values = random.standard_t(3, n)
    values[n // 2 :] *= 5
    values[[n // 3, n - 5]] = 1e6, -1e30
    return values


@pytest.mark.parametrize("ahead", [0, 1, 24])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_conformal_tracking_equals_the_twin(level: float, ahead: int) -> None:
    stats = np.zeros(Stats.WIDTH)
    stats[Stats.LOW], stats[Stats.HIGH] = -2.0, 2.0
    twin = judge.Interval(-2.0, 2.0)
    for score in errors(400, 1):
        stats[Stats.COUNT] += 1
        conformal.track(stats, score, level, ahead)
        twin.track(float(score), level, ahead)
        assert stats[[Stats.LOW, Stats.HIGH, Stats.RANGE]] == pytest.approx(
            [twin.low, twin.high, twin.range], rel=1e-9, abs=1e-9
        )
        assert stats[Stats.LOW] <= stats[Stats.HIGH]


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_conformal_tracking_covers_at_the_level_asked_for(level: float) -> None:
    stats = np.zeros(Stats.WIDTH)
    inside = 0
    values = np.random.default_rng(2).normal(1.0, 2.0, 6000)
    for score in values:
        inside += stats[Stats.LOW] <= score <= stats[Stats.HIGH]
        stats[Stats.COUNT] += 1
        conformal.track(stats, score, level, 1)
    assert inside / len(values) == pytest.approx(level, abs=0.02)


def fresh(prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """A round that has seen nothing: weights, regrets, second moments, largest."""
    n = len(prior)
    return np.concatenate([prior, np.zeros(n), np.full(2 * n, 1e-6)])


@pytest.mark.parametrize(("shares", "ahead"), [([0.5, 0.5], 1), ([0.1, 0.2, 0.3, 0.4], 24)])
def test_aggregation_equals_the_twin(shares: list[float], ahead: int) -> None:
    random = np.random.default_rng(4)
    n, prior = len(shares), np.array(shares)
    record = fresh(prior)
    twin = record.reshape(4, n).tolist()
    for age, y in enumerate(np.clip(errors(500, 5), -1e6, 1e6)):
        f = y + random.normal([0.5, -1, 0, 2], [0.1, 1, 2, 5])[:n]
        mixed = naive_mix.blend(twin[0], f.tolist())
        assert _blend(record, f, n) == pytest.approx(mixed, rel=1e-9, abs=1e-9)
        unit = float(random.uniform(0.5, 2))
        _update(record, np.log(prior), f, mixed, y, unit, age, ahead, mix.FORGET)
        twin = naive_mix.update(twin, prior.tolist(), f.tolist(), mixed, float(y), unit, age, ahead)
        assert record == pytest.approx(np.concatenate(twin), rel=1e-6, abs=1e-9)
        assert record[:n].sum() == pytest.approx(1.0)


def test_aggregation_finds_the_best_expert() -> None:
    random = np.random.default_rng(6)
    prior = np.array([0.1, 0.45, 0.45])
    record = fresh(prior)
    for _ in range(300):
        y = random.normal()
        f = y + random.normal(0, [0.1, 2.0, 2.0])
        _update(record, np.log(prior), f, _blend(record, f, 3), y, 1.0, 0, 1, mix.FORGET)
    assert record[0] > 0.9


@pytest.mark.parametrize(("interval", "first"), [(60.0, 0), (3600.0, 0), (86_400.0, 5), (2.6e6, 5)])
def test_the_bet_on_the_profile_of_the_day_needs_hours(interval: float, first: int) -> None:
    assert _bets(np.arange(7.0), 2, 3, interval) == first


def test_one_expert_keeps_all_the_weight() -> None:
    record = fresh(np.ones(1))
    before = record.copy()
    _update(record, np.zeros(1), np.array([3.0]), 3.0, 5.0, 1.0, 0, 1, mix.FORGET)
    assert record.tobytes() == before.tobytes()


def one_event(ahead: int) -> float:
    """Weight of a steady expert after `ahead` answers in a row that one shock made bad for it alone."""
    record, prior = fresh(np.array([0.5, 0.5])), np.array([0.5, 0.5])
    random = np.random.default_rng(7)
    for t in range(400 + ahead):
        y = 0.0
        steady = 5.0 if t >= 400 else 0.1 * random.normal()
        f = np.array([steady, 3.0 * random.normal() if t < 400 else 0.0])
        _update(record, np.log(prior), f, _blend(record, f, 2), y, 1.0, t, ahead, mix.FORGET)
    return float(record[0])


def test_the_answers_of_one_shock_far_ahead_do_not_cost_an_expert_its_weight() -> None:
    assert one_event(48) > 0.8


def test_an_hour_of_larger_errors_has_a_wider_interval_and_the_same_coverage() -> None:
    """Against the share of each hour, worked out from all errors so far by its definition."""
    random = np.random.default_rng(7)
    spread = np.where(np.arange(24) < 12, 1.0, 6.0)
    stats, shares, twin = np.zeros(Stats.WIDTH), np.ones(24), [1.0] * 24
    stats[Stats.LOW], stats[Stats.HIGH] = -2.0, 2.0
    inside: dict[bool, list[bool]] = {True: [], False: []}
    widths: dict[bool, list[float]] = {True: [], False: []}
    for t in range(24 * 200):
        hour, loud = t % 24, spread[t % 24] > 1.0
        score = float(random.normal(0, spread[hour])) / 3.0
        weight = conformal.weight(shares, hour)
        assert weight == pytest.approx(np.sqrt(twin[hour]), rel=1e-9)
        inside[loud].append(stats[Stats.LOW] <= score / weight <= stats[Stats.HIGH])
        widths[loud].append((stats[Stats.HIGH] - stats[Stats.LOW]) * weight)
        stats[Stats.COUNT] += 1
        conformal.track(stats, score / weight, 0.9, 1)
        conformal.learn_hour(shares, hour, abs(score), stats[Stats.COUNT])
        rate = max(0.02, 1.0 / (5.0 + stats[Stats.COUNT] / 24))
        twin[hour] = (1.0 - rate) * twin[hour] + rate * min(abs(score), 5.0)
    assert np.mean(widths[True][-1000:]) > 2.0 * np.mean(widths[False][-1000:])
    assert np.mean([*inside[True], *inside[False]]) == pytest.approx(0.9, abs=0.02)
    assert min(np.mean(inside[True]), np.mean(inside[False])) > 0.8
