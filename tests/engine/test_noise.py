"""Pure noise: as many alarms as asked for; of a shift one word."""

from streamrnn import spec
from streamrnn.engine.engine import Engine
from tests.benchmarks import noise

STEPS, YOUNG, INTERVAL = 6000, 2000, 600.0  # the first alarms teach a stream its threshold


def test_noise_alarms_as_often_as_asked_and_a_shift_is_told_once() -> None:
    values = noise.noise(40, STEPS + noise.AFTER, 3)
    values[STEPS:] += noise.SHIFT
    model = spec.Model(features=("x",), preset="light")
    bits, _ = noise.told(Engine(model, 40), values, INTERVAL)
    anomaly = spec.Anomaly()
    ratio = noise.rates(bits[:STEPS], YOUNG, anomaly.alerts_per_week * INTERVAL / 604_800)[""]
    assert 1 / 1.5 < ratio < 1.5
    shift = noise.shift(bits, STEPS, anomaly.holdoff)
    assert shift["told_twice"] == 0.0
    assert shift["told"] >= 0.9
    assert shift["alarms_after"] <= 0.2
