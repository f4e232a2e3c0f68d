"""The contract of an expert: as its twin over a history with gaps, and finite after one value."""

import math

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.model.parts import EXPERTS
from tests.kernels.drive import Expert
from tests.naive import experts

STEPS = (1, 2, 5, 24)
INTERVAL = 100.0
SPECS: list[spec.Expert] = [
    spec.Last(),
    spec.Seasonal(1),
    spec.Seasonal(2),
    spec.Change(1),
    spec.Level(1),
    spec.Level(2),
    spec.Profile(period=1200.0, bins=12),
    spec.Smooth(steps=12),
    spec.Linear("lags", lags=5, forget=0.99),
    spec.Linear("profile", lags=5, forget=0.99),
    spec.Linear("calendar", lags=5),
    spec.Linear("calendar", lags=5, forget=0.99, root=True),
    spec.Echo(units=8, lags=5, forget=0.99),
]


def test_every_expert_has_a_twin() -> None:
    assert set(experts.EXPERTS) == set(EXPERTS)


def test_every_kind_an_operator_may_write_has_an_entry() -> None:
    assert set(spec.Expert.__args__) - {spec.Context} == set(EXPERTS) == {type(expert) for expert in SPECS}


@pytest.mark.parametrize("periods", [(700.0, 2100.0), (1200.0, 0.0), (5000.0, 10_000.0), (250.0, 300.0)])
@pytest.mark.parametrize("expert", SPECS, ids=repr)
def test_forecasts_equal_the_twin(expert: spec.Expert, periods: tuple[float, float]) -> None:
    random = np.random.default_rng(int(periods[0]))
    ours = Expert(expert, STEPS, periods, 40)
    twin = experts.EXPERTS[type(expert)](expert, STEPS, periods, 40)
    step, known = 0, {}
    for _ in range(300):
        step += 1 if random.random() < 0.9 else int(random.integers(2, 30))
        time = step * INTERVAL + 13.7
        y = float(10 + 3 * math.sin(time / 200) + random.normal())
        for k, h in enumerate(STEPS):
            if step - h in known:
                for each in (ours, twin):
                    each.settle(k, y, known[step - h], time - h * INTERVAL, step - h)
        shown = math.nan if random.random() < 0.05 else y
        for each in (ours, twin):
            each.observe(shown, step, time, INTERVAL)
        known[step] = y
        ours.coming[:] = random.normal(size=len(ours.coming))
        twin.history.shared = ours.coming.tolist()
        above, usual = step < 200, float(random.uniform(0.5, 2.0))
        twin.above, twin.over = above, usual
        told = ours.forecast(y, 10.0, 3.0, step, time, INTERVAL, above=above, usual=usual)
        assert told == pytest.approx(twin.forecast(y, 10.0, 3.0, step, time, INTERVAL), rel=1e-6)


@pytest.mark.parametrize("expert", SPECS, ids=repr)
@pytest.mark.parametrize("interval", [0.0, INTERVAL])
def test_one_value_is_enough_for_a_finite_forecast(expert: spec.Expert, interval: float) -> None:
    each = Expert(expert, STEPS, (0.0, 0.0), 40)
    each.observe(5.0, 1, 1e9, interval)
    assert each.forecast(5.0, 5.0, 0.0, 1, 1e9, interval) == [5.0] * len(STEPS)


@pytest.mark.parametrize("expert", SPECS, ids=repr)
def test_times_before_the_epoch_are_times(expert: spec.Expert) -> None:
    each = Expert(expert, STEPS, (700.0, 2100.0), 40)
    for step in range(1, 40):
        time = -1e9 - (40 - step) * INTERVAL
        each.observe(float(step), step, time, INTERVAL)
        if step > 1:
            each.settle(0, float(step), step - 1.0, time - INTERVAL, step - 1)
        assert all(math.isfinite(f) for f in each.forecast(float(step), 20.0, 10.0, step, time, INTERVAL))
