"""The contract of an expert: as its twin over a history with gaps, and finite after one value."""

import math
from typing import Any

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.model.parts import EXPERTS
from tests.kernels.drive import Expert
from tests.naive import experts

KINDS = sorted(EXPERTS, key=lambda kind: kind.__name__)
STEPS = [1, 2, 5, 24]
INTERVAL = 100.0


def test_every_expert_has_a_twin() -> None:
    assert set(experts.EXPERTS) == set(EXPERTS)


def test_every_kind_an_operator_may_write_has_an_entry() -> None:
    assert set(spec.Expert.__args__) == set(EXPERTS)


@pytest.mark.parametrize(("period", "size"), [(700.0, 9), (1200.0, 12), (5000.0, 20), (300.0, 64)])
@pytest.mark.parametrize("kind", KINDS)
def test_forecasts_equal_the_twin(kind: type[Any], period: float, size: int) -> None:
    random = np.random.default_rng(int(period))
    ours = Expert(kind, len(STEPS), period, size)
    twin = experts.EXPERTS[kind](len(STEPS), period, size)
    step = 0
    for _ in range(200):
        step += 1 if random.random() < 0.8 else int(random.integers(2, 30))
        y, time = float(random.normal(10, 3)), step * INTERVAL + 13.7
        k, change = int(random.integers(len(STEPS))), float(random.standard_t(2))
        for expert in (ours, twin):
            expert.observe(y, step)
            expert.settle(k, change, time - 50.0)
        told = ours.forecast(STEPS, y, step, time, INTERVAL)
        assert told == pytest.approx(twin.forecast(STEPS, y, step, time, INTERVAL), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("interval", [0.0, INTERVAL])
def test_one_value_is_enough_for_a_finite_forecast(kind: type[Any], interval: float) -> None:
    expert = Expert(kind, len(STEPS), 700.0, 9)
    expert.observe(5.0, 1)
    assert expert.forecast(STEPS, 5.0, 1, 1e9, interval) == [5.0] * len(STEPS)


@pytest.mark.parametrize("kind", KINDS)
def test_times_before_the_epoch_are_times(kind: type[Any]) -> None:
    expert = Expert(kind, len(STEPS), 700.0, 9)
    for step in range(1, 40):
        expert.observe(float(step), step)
        expert.settle(0, 1.0, -1e9 - step * INTERVAL)
        assert all(math.isfinite(f) for f in expert.forecast(STEPS, float(step), step, -1e9, INTERVAL))
