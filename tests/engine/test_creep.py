"""What creeps: by the means of days, against a twin and in the engine."""

import math

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.call import at
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.monitors import creep
from streamrnn.messages import Batch, Outcomes

START = 1_756_684_800.0  # midnight
DAY = 144  # values


@jit
def _run(record, values, times, out):
    for i in range(len(values)):
        out[i] = creep.follow(at(record, 0), values[i], times[i], 1)


def nats(values: np.ndarray) -> np.ndarray:
    """What the monitor says at each of the values, ten minutes apart."""
    out = np.zeros(len(values))
    _run(np.zeros(creep.Creep.WIDTH), values, START + 600.0 * np.arange(len(values)), out)
    return out


def day_by_day(values: np.ndarray) -> list[float]:
    """The same in plain Python: the Student-t variable of each day, 0 while nothing is known."""
    means = values[: len(values) // DAY * DAY].reshape(-1, DAY).mean(1)
    found, variance, days = [], 0.0, 0
    for today in range(len(means)):
        u = 0.0
        if today >= creep.SPAN and days >= creep.FIRST:
            u = (means[today] - means[today - 2]) / math.sqrt(creep.SPAN * variance)
        found.append(u)
        if today:
            days += 1
            square = (means[today] - means[today - 1]) ** 2
            if days > creep.FIRST:
                square = min(square, creep.CUT**2 * variance)
            variance += max(1.0 / creep.MEMORY, 1.0 / days) * (square - variance)
    return found


def leak(days: int, start: int, slope: float) -> np.ndarray:
    """A daily curve with noise; from day `start` on it rises by `slope` a day."""
    t = np.arange(days * DAY) / DAY
    noise = np.random.default_rng(1).normal(0.0, 2.0, len(t))
    return 460.0 + 40.0 * np.sin(2.0 * np.pi * t) + noise + slope * np.maximum(t - start, 0.0)


def engine(values: np.ndarray) -> tuple[Outcomes, tuple[str, ...]]:
    model = Engine(spec.Model(features=("mb",), preset="light"), 1)
    n = len(values)
    none = np.zeros(n, np.int64)
    time = START + 600.0 * np.arange(n)
    batch = Batch(["s"], np.array([n]), [True], time, values[:, None], np.full(n, np.nan), none, none - 1, none)
    return model.step(batch, model.admit(["s"])), model.monitors


def test_a_day_is_judged_once_and_as_the_twin_judges_it() -> None:
    values = leak(20, 14, 30.0)
    found = nats(values)
    assert (found[np.arange(len(found)) % DAY != 0] == 0.0).all()
    for day, u in enumerate(day_by_day(values)[:-1]):
        freedom = min(max(day - 1.0, 1.0), creep.MEMORY)
        size = math.sqrt(freedom * math.log1p(u * u / freedom)) * (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0)
        expected = -math.log(math.erfc(size / math.sqrt(2.0))) if u else 0.0
        assert found[(day + 1) * DAY] == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", ["noise", "daily", "walk", "weekly"])
def test_ordinary_days_do_not_creep(kind: str) -> None:
    random, t = np.random.default_rng(2), np.arange(40 * DAY) / DAY
    noise = random.normal(size=len(t))
    week = 10.0 * np.sin(2.0 * np.pi * t) * np.where(t % 7 > 5, 0.2, 1.0)
    values = {"noise": noise, "daily": leak(40, 99, 0.0), "walk": noise.cumsum(), "weekly": week + noise}[kind]
    assert nats(values).max() < 6.0


def test_a_leak_is_told_within_three_days_and_names_the_monitor() -> None:
    out, monitors = engine(leak(24, 20, 29.0))
    rows = np.flatnonzero((out.bits & m.OPENED != 0) & (out.monitor == monitors.index("creep")))
    assert len(rows)
    assert 20 * DAY < rows[0] <= 23 * DAY
