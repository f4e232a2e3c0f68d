"""Hold-off of learning while values surprise, and the adoption of a new level."""

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.layout import Target
from streamrnn.kernels.core.program import Program
from tests.engine.feed import feed, has, real, tiny

HOLDOFF = 12


def engine(holdoff: int = HOLDOFF) -> Engine:
    monitors = (spec.Anomaly(holdoff=holdoff), spec.Residual(), spec.Mean(), spec.Mean(0.01))
    return Engine(tiny(monitors=monitors), 1)


def shifted(seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(0, 1, 3000)
    values[2000:] += 12
    return values


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_a_shift_the_alarms_stop_and_a_regime_change_is_told_once(seed: int) -> None:
    told = feed(engine(), shifted(seed))
    after = np.arange(3000) >= 2000
    change = np.flatnonzero(has(told, m.REGIME) & after)
    assert has(told, m.OPENED)[2000]
    assert change.tolist() == [2000 + HOLDOFF]
    assert not has(told, m.ANOMALY)[2001 + HOLDOFF : 2200].any()
    held = np.flatnonzero(has(told, m.HELD_OFF) & after)
    assert held[:HOLDOFF].tolist() == list(range(2000, 2000 + HOLDOFF))
    assert np.abs(told.forecast[2030:2100, 0, 0, 0] - 12).mean() < 3


def test_a_spike_does_not_widen_the_scale_and_a_hold_off_of_0_holds_nothing() -> None:
    values = np.random.default_rng(4).normal(0, 1, 2000)
    values[1500] = 500.0
    held, free = engine(), engine(0)
    told, other = feed(held, values[:1501]), feed(free, values[:1501])
    assert has(told, m.HELD_OFF)[1500]
    assert not has(other, m.HELD_OFF).any()
    deviation = [float(np.sqrt(real(each, Program.TARGET, Target.WIDTH)[Target.VARIANCE])) for each in (held, free)]
    assert max(deviation) < 1.5  # of what is so far off neither learns


def test_what_is_held_is_bounded() -> None:
    values = np.random.default_rng(5).standard_t(1.2, 6000)
    told = feed(engine(), values)
    run = longest = 0
    for bit in has(told, m.HELD_OFF):
        run = run + 1 if bit else 0
        longest = max(longest, run)
    assert longest <= HOLDOFF
    assert has(told, m.HELD_OFF).mean() < 0.02
