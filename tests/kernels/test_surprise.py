"""Tail, gate, monitors and alarms against their twins."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.kernels.core.call import at, call
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Count, ForecastLatest, Peaks, Tail
from streamrnn.kernels.monitors import alarm as anomaly
from streamrnn.kernels.monitors import calibration
from streamrnn.kernels.monitors import tail as surprise
from streamrnn.model.parts import MONITORS
from tests.naive import surprise as naive

KINDS = sorted(MONITORS, key=lambda kind: kind.__name__)
TWINS: dict[type[Any], Any] = {spec.Residual: lambda rate, bins: naive.Residual(), spec.Mean: naive.Level}
TWINS[spec.Hours] = naive.Hours
TWINS[spec.Flat] = naive.Flat


@jit
def _surprise(tail, a, weight=1.0):
    return surprise.surprise(tail, a, weight)


@jit
def _gate(tail, a, value, hour, dawn):
    return surprise.gate(tail, a, value, hour, dawn)


@jit
def _deviate(address, shape, rate, state, y, expected, time, out):
    call(address, at(shape, 0), rate, at(state, 0), y, expected, time, at(out, 0))


@jit
def _adopt(address, shape, state, error):
    call(address, at(shape, 0), at(state, 0), error)


def sizes(kind: str, n: int = 3000) -> NDArray[np.float64]:
    """Sizes of errors of one sign: zero where the error has the other one."""
    random = np.random.default_rng(3)
    values = {
        "normal": lambda: random.normal(0, 1, n),
        "heavy": lambda: random.standard_t(2, n) * 1e6,
        "growing": lambda: random.normal(0, 1, n) * np.geomspace(1, 1e3, n),
        "shrinking": lambda: random.normal(0, 1, n) * np.geomspace(1, 0.1, n),
        "rare": lambda: (random.random(n) < 0.01) * random.exponential(1, n),
    }[kind]()
    return np.maximum(values, 0.0)


@pytest.mark.parametrize("weight", [1.0, 0.1])
@pytest.mark.parametrize("kind", ["normal", "heavy", "growing", "rare"])
def test_a_surprise_equals_the_twin_whose_histogram_has_no_ends(kind: str, weight: float) -> None:
    tail, twin = np.zeros(Tail.WIDTH), naive.Tail()
    told, predicted = [], []
    for a in sizes(kind):
        told.append(_surprise(tail, a, weight))
        predicted.append(twin.surprise(float(a), weight))
    assert np.isfinite(told).all()
    close = np.isclose(told, predicted, rtol=1e-9)
    # what fell out of the histogram's window is counted at its end: below it lies what surprises nobody, and where
    # nearly all sizes are 0, any other is beyond the ordinary
    assert (
        close | (np.maximum(told, predicted) < 1.0) | (np.minimum(told, predicted) > surprise.ORDINARY)
    ).mean() > 0.999
    assert tail[Tail.SEEN] == len(told)
    assert tail[Tail.HISTOGRAM : Tail.HISTOGRAM + Tail.BINS].sum() == tail[Tail.MASS]


def test_sizes_that_shrink_or_jump_at_first_are_still_told_apart() -> None:
    for start in (1e9, 1e-9):
        tail = np.zeros(Tail.WIDTH)
        _surprise(tail, start)
        random = np.random.default_rng(4)
        told = [_surprise(tail, a) for a in np.abs(random.normal(0, 1, 3000))]
        assert np.median(told[1000:]) == pytest.approx(math.log(2), rel=0.2)
        assert _surprise(tail, 8.0) > 8.0


def test_the_first_size_after_zeros_is_as_surprising_as_can_be() -> None:
    tail = np.zeros(Tail.WIDTH)
    assert [_surprise(tail, 0.0) for _ in range(200)] == [0.0] * 200
    assert _surprise(tail, 1e-3) == surprise.LARGEST


def test_the_gate_equals_the_twin() -> None:
    tail, twin = np.zeros(Tail.WIDTH), naive.Gate()
    random = np.random.default_rng(5)
    for step in range(24 * 40):
        hour, dawn = step % 24, step > 0 and step % 24 == 0
        a, value = max(float(random.standard_t(3)), 0.0), float(random.exponential(4))
        assert _gate(tail, a, value, hour, dawn) == pytest.approx(twin.pass_on(a, value, hour, dawn))


def test_a_nightly_job_surprises_once() -> None:
    tail = np.zeros(Tail.WIDTH)
    told = []
    for day in range(5):
        for hour in range(24):
            a = 9.0 if hour == 3 else 0.0
            told.append(_gate(tail, a, 20.0 if a else 0.0, hour, hour == 0 and day > 0))
    assert [value for value in told if value] == [20.0] + [surprise.ORDINARY] * 4


def test_every_monitor_has_a_twin_and_an_operator_may_write_it() -> None:
    assert set(TWINS) == set(MONITORS) == set(spec.Monitor.__args__) - {spec.Conformal, spec.Anomaly, spec.Joint}


@pytest.mark.parametrize("bins", [4, 24])
@pytest.mark.parametrize("kind", KINDS)
def test_a_monitor_deviates_as_its_twin(kind: type[Any], bins: int) -> None:
    monitor = kind(
        **{name: value for name, value in (("rate", 0.03), ("bins", bins)) if name in kind.__struct_fields__}
    )
    rate = getattr(monitor, "rate", 0.0)
    twin, address = TWINS[kind](rate, bins), MONITORS[kind].deviate.address("float64")
    state, out, shape = np.zeros(max(MONITORS[kind].state(monitor), 1)), np.full(1, np.nan), np.array([bins])
    random = np.random.default_rng(6)
    for step in range(400):
        y, expected, time = float(random.normal(10, 2)), float(random.normal(10, 1)), -5e5 + step * 4567.0
        _deviate(address, shape, rate, state, y, expected, time, out)
        assert out[0] == pytest.approx(twin.deviate(y, expected, time), rel=1e-9, abs=1e-12)
        if step % 97 == 0:
            _adopt(MONITORS[kind].adopt.address("float64"), shape, state, y - 10)
            twin.adopt(y - 10)


@jit
def _nats(record, value):
    return calibration.nats(record, value)


@jit
def _learn(record, value, rate):
    calibration.learn(record, value, rate)


@jit
def _since(record, time):
    return calibration.since(record, time)


@pytest.mark.parametrize("scale", [0.3, 1.0, 10.0])
def test_the_rate_of_surprises_equals_the_twin_that_keeps_every_peak(scale: float) -> None:
    record, twin = np.zeros(Peaks.WIDTH), naive.Peaks()
    _since(record, 0.0)
    for value in np.random.default_rng(7).exponential(scale, 4000):
        assert _nats(record, value) == pytest.approx(twin.nats(float(value)), rel=1e-6)
        _learn(record, value, 1 / 1000)
        twin.learn(float(value), 1 / 1000)


def test_alarms_equal_the_twin() -> None:
    latest, count = np.zeros(ForecastLatest.TARGETS), np.zeros(Count.SLOT + 1, np.int64)
    twin = naive.Alarms()
    for t, value in enumerate(np.random.default_rng(7).exponential(1.5, 5000), 1):
        count[Count.SEEN] += 1
        assert bool(anomaly.alarm(latest, count, value, value > 4.0)) == twin.see(t, float(value), bool(value > 4.0))
    assert len(twin.at) > 5


def _raised(values: NDArray[np.float64], rate: float) -> NDArray[np.bool_]:
    """Alarms of a stream of surprises, judged and then learned from, as `score.judge` does."""
    record, latest = np.zeros(Peaks.WIDTH), np.zeros(ForecastLatest.TARGETS)
    count, raised = np.zeros(Count.SLOT + 1, np.int64), np.zeros(len(values), np.bool_)
    _since(record, 0.0)
    for t, value in enumerate(values):
        count[Count.SEEN] += 1
        raised[t] = anomaly.alarm(latest, count, value, _nats(record, value) >= anomaly.threshold(rate))
        _learn(record, value, rate)
    return raised


@pytest.mark.parametrize("scale", [0.4, 0.7, 1.0])
def test_the_rate_is_kept_to_whatever_the_size_of_surprises(scale: float) -> None:
    rate = 1 / 1000
    raised = _raised(np.random.default_rng(8).exponential(scale, 60_000), rate)
    assert 0.3 <= raised[10_000:].sum() / (50_000 * rate) <= 1.8


def test_true_alarms_do_not_deafen_and_are_forgotten() -> None:
    values = np.random.default_rng(9).exponential(0.6, 40_000)
    values[2000:20_000:500] += 20.0
    raised = _raised(values, 1 / 2016)
    assert raised[2000:20_000:500].mean() >= 0.9
    assert raised[20_001:].sum() <= 20
    assert raised[19_600:20_000].sum() <= 1


def test_alarms_asked_for_are_so_many_a_week_and_no_more_than_can_be_told_from_chance() -> None:
    assert anomaly.asked(1.0, 300.0) == pytest.approx(300 / 604_800)
    assert anomaly.asked(2.0, 300.0) == pytest.approx(600 / 604_800)
    assert anomaly.asked(1.0, 3600.0) == anomaly.asked(1.0, 0.0) == anomaly.DENSEST


@pytest.mark.parametrize("threshold", [2.0, 7.0])
def test_score_and_severity_equal_the_twin(threshold: float) -> None:
    for value in np.linspace(0, 40, 300):
        level = anomaly.severity(value, threshold)
        assert level == naive.severity(value, threshold)
        assert anomaly.score(value, threshold, (1.0, False), level > 0) == pytest.approx(naive.score(value, threshold))
        assert anomaly.score(value, threshold, (1.0, False), False) <= anomaly.BELOW
        assert anomaly.score(value, threshold, (1.0, True), False) <= anomaly.APART
