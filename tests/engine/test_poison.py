"""Fault values spoil nothing for long, copies are no observations, and what has no noise raises no alarms."""

from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.messages import Outcomes
from tests.engine.feed import feed, has

MIDNIGHT = 1_756_684_800.0
Array = NDArray[Any]
Preset = Literal["light", "standard", "full"]
PRESETS: list[Preset] = ["light", "standard"]


def replay(times: Array, values: Array, horizons: tuple[int, ...], preset: Preset) -> Outcomes:
    """One stream through a preset."""
    return feed(Engine(spec.Model(features=("x",), horizons=horizons, preset=preset), 1), values, time=times)


def errors(told: Outcomes, truth: Array, k: int, h: int, rows: Array) -> tuple[float, float, float]:
    """Mean absolute error, coverage and mean width of the forecasts of rows, h steps ahead, that have an answer."""
    forecast, y = told.forecast[rows, 0, k], truth[rows + h]
    inside = (forecast[:, 1] <= y) & (y <= forecast[:, 2])
    return (
        float(np.abs(forecast[:, 0] - y).mean()),
        float(inside.mean()),
        float((forecast[:, 2] - forecast[:, 1]).mean()),
    )


def boiler(days: int) -> Array:
    """Power in kW a minute; a fault of +8 kW for five minutes on days 5 and 7."""
    random, n = np.random.default_rng(28), days * 1440
    noise = np.zeros(n)
    for i in range(1, n):
        noise[i] = 0.95 * noise[i - 1] + random.normal(0, 0.1)
    values = np.round(12 + 4 * np.sin((np.arange(n) % 1440 - 400) / 1440 * 2 * np.pi) + noise, 2)
    for start in FAULTS:
        values[start : start + 5] += 8
    return values


FAULTS = (5 * 1440 + 900, 7 * 1440 + 200)
BEGAN = 4 * 1440 + 600


@pytest.mark.parametrize("minutes", [2, 20, 120])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_day_after_a_register_that_reads_65535_all_is_as_without_it(preset: Preset, minutes: int) -> None:
    """A device that is offline (trial 28): errors, widths and later faults."""
    truth = boiler(8)
    values = truth.copy()
    values[BEGAN : BEGAN + minutes] = 65535
    times = MIDNIGHT + 60.0 * np.arange(len(truth))
    told = replay(times, values, (1, 60), preset)
    before, after = np.arange(3 * 1440, 4 * 1440 - 60), np.arange(5 * 1440 + 600, len(truth) - 60)
    for k, h in enumerate((1, 60)):
        mae, _, width = errors(told, truth, k, h, after)
        assert mae <= 1.5 * np.abs(truth[after] - truth[after + h]).mean()
        assert width <= 3 * errors(told, truth, k, h, before)[2]
    assert all(has(told, m.ANOMALY)[start : start + 10].any() for start in FAULTS)


@pytest.mark.parametrize("glitch", [85.0, -127.0, 600_000.0])
@pytest.mark.parametrize("preset", PRESETS)
def test_one_glitch_in_a_hundred_changes_nothing_for_the_others(preset: Preset, glitch: float) -> None:
    """A temperature sensor that says 85 or -127 now and then (trial 05), 10 to 1,000 deviations away."""
    random = np.random.default_rng(5)
    n = 6000
    truth = 21 + 1.5 * np.sin(np.arange(n) / 1440 * 2 * np.pi) + np.cumsum(random.normal(0, 0.01, n))
    truth = np.round((truth + random.normal(0, 0.03, n)) * 16) / 16
    bad = random.random(n) < 0.01
    bad[:100] = False
    values = np.where(bad, glitch, truth)
    times, found = MIDNIGHT + 60.0 * np.arange(n), []
    rows = np.arange(2000, n - 60)
    for each in (truth, values):
        told = replay(times, each, (1, 60), preset)
        found.append([errors(told, truth, k, h, rows[~bad[rows + h]]) for k, h in enumerate((1, 60))])
    for clean, spoiled in zip(*found, strict=True):
        assert spoiled[0] <= 1.1 * clean[0]
        assert spoiled[2] <= 1.2 * clean[2]
    assert 0.87 <= found[1][0][1] <= 0.93


def test_the_same_values_at_the_same_time_are_a_duplicate() -> None:
    """Every record arrives twice (trial 06), with numbers of its own or without."""
    random = np.random.default_rng(6)
    n = 1500
    times = MIDNIGHT + 600.0 * np.arange(n)
    values = 30 + np.sin(times / 86_400 * 2 * np.pi) + np.cumsum(random.normal(0, 0.02, n))
    clean = replay(times, values, (1, 6, 144), "light")
    for numbered in (False, True):
        seq = np.arange(2 * n) if numbered else np.full(2 * n, -1)
        engine = Engine(spec.Model(features=("x",), horizons=(1, 6, 144), preset="light"), 1)
        told = feed(engine, np.repeat(values, 2), time=np.repeat(times, 2), seq=seq)
        assert has(told, m.DUPLICATE).tolist() == [False, True] * n
        assert told.forecast[::2].tobytes() == clean.forecast.tobytes()
        assert told.forecast[1::2].tobytes() == clean.forecast.tobytes()


def test_other_values_or_a_missing_one_at_the_same_time_are_an_observation() -> None:
    values = np.array([1.0, 2.0, 2.0, np.nan, np.nan, 2.0])
    told = feed(Engine(spec.Model(features=("x",), preset="light"), 1), values, time=np.full(6, MIDNIGHT))
    assert has(told, m.DUPLICATE).tolist() == [False, False, True, False, True, False]


def test_one_stamp_of_2036_is_its_own_loss_and_as_many_in_a_row_are_a_clock() -> None:
    """Trial 07: what the stream goes on with is learned and judged."""
    values, times = np.random.default_rng(7).normal(0, 1, 400), MIDNIGHT + 60.0 * np.arange(400)
    clean = replay(times, values, (1,), "light")
    engine, bits, odd = Engine(spec.Model(features=("x",), preset="light"), 1), np.zeros(401, np.int64), 300
    bits[odd] = m.AHEAD
    told = feed(engine, np.insert(values, odd, 5.0), time=np.insert(times, odd, 2_085_978_496.0), bits=bits)
    assert np.flatnonzero(has(told, m.LATE)).tolist() == [odd]
    assert np.delete(told.forecast, odd, axis=0).tobytes() == clean.forecast.tobytes()
    engine = Engine(spec.Model(features=("x",), preset="light"), 1)
    later = times + np.where(np.arange(400) >= odd, 1e9, 0.0)
    told = feed(engine, values, time=later, bits=np.where(np.arange(400) >= odd, m.AHEAD, 0))
    assert has(told, m.LATE).sum() == 64
    assert has(told, m.LEARNED)[-30:].all()


def test_copies_a_second_apart_leave_the_usual_interval_alone() -> None:
    n = 200
    times = np.repeat(MIDNIGHT + 600.0 * np.arange(n), 2) + np.tile([0.0, 1.0], n)
    told = replay(times, np.repeat(np.arange(n, dtype=float), 2), (1,), "light")
    assert (np.abs(told.interval[20:] - 600.0) <= 1.0).all()
    faster = np.append(times, times[-1] + 60.0 * np.arange(1, 40))
    assert replay(faster, np.arange(len(faster), dtype=float), (1,), "light").interval[-1] == 60.0


def test_a_level_without_noise_is_one_event_and_then_nothing() -> None:
    """100 for two days, then 140 (trial 22): no alarm on what is left of the error."""
    values = np.repeat([100.0, 140.0], 2 * 1440)
    told = replay(MIDNIGHT + 60.0 * np.arange(len(values)), values, (1,), "standard")
    assert has(told, m.OPENED).sum() == 1
    assert has(told, m.REGIME).sum() <= 1
    assert has(told, m.ANOMALY)[2 * 1440 + 30 :].sum() <= 1


def test_a_nightly_job_is_learned_in_the_end() -> None:
    """Bursts at the same quarter of an hour, day after day, are no faults."""
    random, n = np.random.default_rng(1), 12 * 288
    values = random.normal(10, 0.2, n)
    for day in range(2, 12):
        values[day * 288 + 72 : day * 288 + 75] += 30
    told = replay(MIDNIGHT + 300.0 * np.arange(n), values, (1,), "light")
    doubted = has(told, m.INVALID) | has(told, m.HELD_OFF)
    assert doubted[2 * 288 + 72 : 2 * 288 + 75].all()
    assert not has(told, m.INVALID)[8 * 288 :].any()
