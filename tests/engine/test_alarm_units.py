"""Alarms do not depend on the units of a series."""

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.messages import Batch

N, SPIKES = 3000, (1500, 2400)


def series() -> np.ndarray:
    """A daily curve of ten-minute values with two spikes of eight deviations, in sixty-fourths: exact in all units."""
    random, noise = np.random.default_rng(25), np.zeros(N)
    for i in range(1, N):
        noise[i] = 0.97 * noise[i - 1] + random.normal(0.0, 0.3)
    values = 10.0 + 4.0 * np.sin(np.arange(N) / 144.0 * 2.0 * np.pi) + noise
    values[list(SPIKES)] += 25.0
    return np.round(values * 64.0) / 64.0


def alarms(values: np.ndarray) -> list[int]:
    """Rows that are alarms."""
    engine = Engine(spec.Model(features=("x",), preset="light"), 1)
    none = np.zeros(N, np.int64)
    time = 1_756_684_800.0 + 600.0 * np.arange(N)
    batch = Batch(["s"], np.array([N]), [True], time, values[:, None], np.full(N, np.nan), none, none - 1, none)
    return [int(row) for row in np.flatnonzero(engine.step(batch, engine.admit(["s"])).bits & m.ANOMALY)]


def test_the_spikes_are_told_on_their_own_rows() -> None:
    assert set(SPIKES) <= set(alarms(series()))


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**40])
def test_alarms_are_the_same_in_every_unit(unit: float) -> None:
    assert alarms(unit * series()) == alarms(series())
