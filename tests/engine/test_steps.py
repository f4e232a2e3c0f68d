"""What a step means: the next observation, the time that a forecast is published for, the values after a weekend."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.messages import Outcomes
from tests.engine.feed import feed, has

MONDAY = 1_756_684_800.0
DAY = 86_400.0
Array = NDArray[Any]


def replay(times: Array, values: Array, horizons: tuple[int, ...], **changes: Any) -> Outcomes:
    """One stream, light."""
    model = spec.Model(features=("x",), horizons=horizons, preset="light", **changes)
    return feed(Engine(model, 1), values, time=times)


def wave(times: Array, seed: int = 1) -> Array:
    """A day's wave with a little noise."""
    return 10 + 3 * np.sin(2 * np.pi * times / DAY) + np.random.default_rng(seed).normal(0, 0.1, len(times))


def test_every_value_is_judged_against_a_forecast_whatever_came_before_it() -> None:
    """A sensor that reports what has changed, at any time (trial 09)."""
    random = np.random.default_rng(9)
    times = MONDAY + np.cumsum(random.exponential(3600.0, 600))
    told = replay(times, wave(times), (1, 6))
    assert np.isfinite(told.expected[10:, 0]).all()
    np.testing.assert_array_equal(told.expected[10:, 0], told.forecast[9:-1, 0, 0, 0])
    assert has(told, m.GAP).mean() > 0.2
    inside = (told.forecast[:-1, 0, 0, 1] <= told.actual[1:, 0]) & (told.actual[1:, 0] <= told.forecast[:-1, 0, 0, 2])
    assert 0.86 <= inside[100:].mean() <= 0.94


def test_a_forecast_is_right_for_its_time_where_a_gap_is_an_accident() -> None:
    """Hours of data are lost now and then; what was foretold for a time has the usual error there."""
    random = np.random.default_rng(2)
    k = np.arange(24 * 90)
    lost = np.zeros(len(k), bool)
    for start in random.integers(0, len(k), 40):
        lost[start : start + int(random.integers(3, 20))] = True
    times = MONDAY + 3600.0 * k[~lost]
    told = replay(times, wave(times), (1, 12))
    assert (told.leads == [1, 12]).all(axis=1).mean() > 0.9
    at = dict(zip(times.tolist(), told.actual[:, 0].tolist(), strict=True))
    errors = [
        abs(at[t] - y) for t, y in zip(times + 12 * 3600, told.forecast[:, 0, 1, 0], strict=True) if t in at and y == y
    ]
    assert np.mean(errors[600:]) < 0.2 * 2 * 3 / np.pi * 2  # a fifth of what the last value would miss by


@pytest.mark.parametrize("steps", ["auto", "observations"])
def test_a_weekend_is_no_step(steps: str) -> None:
    """Trading days: two days ahead of Friday is Tuesday, once three weekends have been seen."""
    k = np.array([d for d in range(7 * 60) if d % 7 < 5])
    times, values = MONDAY + DAY * k, np.cumsum(np.random.default_rng(3).normal(0, 1.0, len(k)))
    told = replay(times, values, (1, 2), steps=steps)
    friday = np.flatnonzero(k % 7 == 4)[4:]
    assert (np.diff(told.step[20:]) == 1).all()
    if steps == "auto":
        assert (told.leads[friday] == [3, 4]).all()
        assert (told.leads[friday - 1] == [1, 4]).all()
        assert (told.leads[friday - 3] == [1, 2]).all()


def test_a_night_is_no_step_and_a_lost_hour_is_one() -> None:
    """Calls from 8 to 18: the first step of the evening is the next morning."""
    k = np.array([h for h in range(24 * 40) if 8 <= h % 24 < 18])
    keep = k != 24 * 30 + 12
    times = MONDAY + 3600.0 * k[keep]
    told = replay(times, wave(times), (1, 4))
    evening = np.flatnonzero(k[keep] % 24 == 17)[5:-1]
    assert (told.leads[evening] == [15, 18]).all()
    moved = np.diff(told.step)
    assert (moved[evening] == 1).all()
    gap = int(np.flatnonzero(k[keep] == 24 * 30 + 13)[0])
    assert moved[gap - 1] == 2


def test_all_of_a_gap_counts_where_steps_are_time() -> None:
    k = np.array([h for h in range(24 * 20) if 8 <= h % 24 < 18])
    told = replay(MONDAY + 3600.0 * k, wave(3600.0 * k), (1, 4), steps="time")
    assert (told.step - told.step[0] == k - k[0]).all()
    assert (told.leads == [1, 4]).all()
    assert np.isfinite(told.expected[10:, 0]).all()


def test_what_comes_after_weeks_without_data_widens_nothing_for_long() -> None:
    """Trial 34: five weeks are missing, then it is 8 degrees colder."""
    random = np.random.default_rng(34)
    k = np.array([h for h in range(24 * 155) if not 24 * 60 <= h < 24 * 95])
    drift = np.cumsum(random.normal(0, 0.05, len(k)))
    values = 18 - 8.0 * (k >= 24 * 95) + 1.5 * np.sin(k / 24 * 2 * np.pi) + drift
    told = replay(MONDAY + 3600.0 * k, values, (1, 24))
    back = int(np.flatnonzero(k == 24 * 95)[0])
    width = told.forecast[:, 0, 0, 2] - told.forecast[:, 0, 0, 1]
    assert width[back + 24 : back + 72].mean() < 3 * width[back - 200 : back].mean()
