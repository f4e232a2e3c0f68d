"""Intervals and anomalies as a reader sees them."""

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from tests.engine.feed import START, STEP, feed, has, pick, tiny


def ar1(n: int, seed: int, phi: float = 0.7) -> np.ndarray:
    random = np.random.default_rng(seed)
    x = np.zeros(n)
    for t in range(1, n):
        x[t] = phi * x[t - 1] + random.normal()
    return x


def covered(told: m.Outcomes, values: np.ndarray, h: int, k: int, start: int) -> float:
    """Share of values inside the interval that was told h steps before."""
    low, high = told.forecast[start:-h, 0, k, 1], told.forecast[start:-h, 0, k, 2]
    y = values[start + h :]
    return float(np.mean((low <= y) & (y <= high)))


@pytest.mark.parametrize("seed", [1, 2])
def test_intervals_cover_at_their_level_also_after_the_variance_has_changed(seed: int) -> None:
    values = ar1(3000, seed)
    values[1500:] *= 4
    told = feed(Engine(tiny(horizons=(1, 3, 6)), 1), values)
    for k, h in enumerate((1, 3, 6)):
        assert 0.85 <= covered(told, values, h, k, 100) <= 0.95
        assert 0.85 <= covered(pick(told, slice(1500, None)), values[1500:], h, k, 0) <= 0.95
    forecast, low, high = np.moveaxis(told.forecast[10:, 0], -1, 0)
    assert (low <= forecast).mean() > 0.99
    assert (forecast <= high).mean() > 0.99


@pytest.mark.parametrize("level", [0.5, 0.8, 0.98])
def test_intervals_follow_the_level_asked_for(level: float) -> None:
    values = ar1(3000, 3)
    engine = Engine(tiny(monitors=(spec.Conformal(level=level),)), 1)
    assert engine.level == level
    assert covered(feed(engine, values), values, 1, 0, 100) == pytest.approx(level, abs=0.04)


def test_published_coverage_is_the_running_share() -> None:
    values = ar1(150, 4)
    engine = Engine(tiny(monitors=(spec.Anomaly(holdoff=0),)), 1)
    told = feed(engine, values)
    inside = [low <= y <= high for (low, high), y in zip(told.forecast[1:-1, 0, 0, 1:], values[2:], strict=True)]
    assert engine.health().coverage[0] == pytest.approx(np.mean(inside))


@pytest.mark.parametrize("alerts", [1.0, 2.0])
def test_as_many_alerts_as_asked_for_on_noise_of_any_kind(alerts: float) -> None:
    """Over several streams and the time that each takes to find its threshold, to within a factor of 1.5."""
    n, streams, interval = 30_000, 8, 300.0
    engine = Engine(tiny(monitors=(spec.Anomaly(alerts_per_week=alerts),)), streams)
    found = 0
    for seed in range(streams):
        random = np.random.default_rng(seed)
        values = random.normal(50, 4, n) if seed % 2 else random.laplace(-3, 0.1, n)
        told = feed(engine, values, name=str(seed), time=START + interval * np.arange(n))
        found += int(has(told, m.ANOMALY).sum())
    asked = streams * n * interval / 604_800 * alerts
    assert asked / 1.5 <= found <= asked * 1.5


def test_silence_while_warming_up() -> None:
    values = ar1(120, 5)
    values[60] = 1e4
    told = feed(Engine(tiny(monitors=(spec.Anomaly(warmup=80),)), 1), values)
    assert np.isnan(told.score[:79]).all()
    assert np.isfinite(told.score[79:]).all()
    assert has(told, m.WARMING).tolist() == [True] * 79 + [False] * 41
    assert not has(pick(told, slice(0, 79)), m.ANOMALY | m.OPENED | m.WORSENED | m.CLOSED).any()


def test_an_event_opens_worsens_and_closes_on_the_target_that_spiked() -> None:
    random = np.random.default_rng(6)
    values = random.normal(20, 1, (400, 3))
    values[300, 1] += 12  # a surprise, also on the first day
    values[301, 1] += 4000  # and a far greater one
    quiet = 5
    engine = Engine(tiny(features=("x", "y", "z"), monitors=(spec.Anomaly(warmup=290, quiet=quiet),)), 1)
    told = pick(feed(engine, values), slice(0, 330))
    assert np.flatnonzero(has(told, m.OPENED)).tolist() == [300]
    assert np.flatnonzero(has(told, m.WORSENED)).tolist() == [301]
    closed = int(np.flatnonzero(has(told, m.CLOSED))[0])
    assert 301 + quiet <= closed <= 330  # the level comes back, and that too may surprise
    during = pick(told, slice(300, closed + 1))
    assert (during.event == 1).all()
    assert (during.started == START + 300 * STEP).all()
    assert during.severity[0] < during.severity[1] == during.severity[-1] == 3
    assert told.attribution[300].argmax() == 1
    assert told.attribution[301, 1] > 0.9
    assert told.attribution[301].sum() == pytest.approx(1.0)
    assert told.actual[301, 1] - told.expected[301, 1] > 3000
    assert told.tail[301] < told.tail[300] < 1e-3
    assert told.score[301] > told.score[300] >= 0.5
    assert not has(pick(told, slice(50, 300)), m.OPENED).any()


def test_score_and_alarm_agree() -> None:
    values = ar1(2000, 7)
    values[::97] += 12
    told = feed(Engine(tiny(), 1), values)
    scored = np.isfinite(told.score)
    assert (has(told, m.ANOMALY)[scored] == (told.score[scored] >= 0.5)).all()
    assert has(told, m.ANOMALY).any()
    assert (told.severity[has(told, m.ANOMALY)] > 0).all()
    assert ((told.score[scored] >= 0) & (told.score[scored] <= 1)).all()


def test_after_an_alarm_the_rest_of_an_event_is_no_news() -> None:
    values = np.random.default_rng(10).normal(5, 1, 1200)
    values[1000:1050] += 9
    told = feed(Engine(tiny(), 1), values)
    during = np.flatnonzero(has(told, m.ANOMALY))
    during = during[during >= 1000]
    assert during[0] == 1000
    assert len(during) <= 2
    assert has(told, m.OPENED)[1000:].sum() == 1
    assert told.tail[1001:1010].max() < 1e-2


def test_a_shift_that_no_single_value_shows_is_noticed_by_the_mean() -> None:
    values = np.random.default_rng(11).normal(0, 1, 3000)
    values[2500:] += 1.5
    engine = Engine(tiny(monitors=(spec.Anomaly(), spec.Residual(), spec.Mean())), 1)
    told = feed(engine, values)
    first = np.flatnonzero(has(told, m.OPENED) & (np.arange(3000) >= 2500))[0]
    assert first < 2540
    assert engine.monitors[told.monitor[first]] == "mean"


def test_a_job_at_the_same_hour_alarms_on_its_first_days_and_then_on_the_day_it_fails() -> None:
    random = np.random.default_rng(12)
    hour = np.arange(24 * 12 * 14) // 12 % 24
    values = random.normal(10, 0.5, len(hour)) + 40.0 * (hour == 3)
    values[24 * 12 * 12 + 36 : 24 * 12 * 12 + 48] -= 40.0
    model = tiny(monitors=(spec.Anomaly(), spec.Residual(), spec.Mean(), spec.Hours()))
    told = feed(Engine(model, 1), values, time=START // 86400 * 86400 + 300.0 * np.arange(len(hour)))
    alarms = np.flatnonzero(has(told, m.ANOMALY)) / 288
    assert ((alarms > 12.1) & (alarms < 12.2)).sum() >= 1
    assert ((alarms > 4) & (alarms < 12)).sum() <= 2


def test_attribution_sums_to_one_wherever_there_is_a_score() -> None:
    values = np.random.default_rng(8).normal(0, 1, (200, 4))
    values[np.random.default_rng(9).random(values.shape) < 0.2] = np.nan
    told = feed(Engine(tiny(features=tuple("wxyz")), 1), values)
    scored = np.isfinite(told.score)
    assert told.attribution[scored].sum(axis=1) == pytest.approx(1.0)
    assert np.isnan(told.attribution[~scored]).all()


def test_an_unchanging_stream_that_wakes_up_is_noticed() -> None:
    told = feed(Engine(tiny(), 1), [5.0] * 200 + [6.0])
    assert told.score[199] == 0.0
    assert has(told, m.OPENED)[200]
    assert told.severity[200] == 3


def test_intervals_follow_the_hour_in_which_errors_are_larger() -> None:
    random, hours = np.random.default_rng(8), np.arange(24 * 60)
    values = random.normal(0, 1, len(hours)) * np.where(hours % 24 < 12, 1.0, 5.0)
    told = {}
    for by in (0, 24):
        engine = Engine(tiny(monitors=(spec.Conformal(hours=by), spec.Anomaly(holdoff=0))), 1)
        outcomes = feed(engine, values, time=1_700_006_400.0 + 3600.0 * hours)
        told[by] = outcomes.forecast[24 * 20 : -1, 0, 0]
    y, loud = values[24 * 20 + 1 :], (hours[24 * 20 + 1 :] % 24) >= 12
    scores = {}
    for by, forecast in told.items():
        width = forecast[:, 2] - forecast[:, 1]
        missed = np.maximum(forecast[:, 1] - y, 0) + np.maximum(y - forecast[:, 2], 0)
        assert np.mean(missed == 0) == pytest.approx(0.9, abs=0.03)
        scores[by] = (width + 20 * missed).mean()
        if by:
            assert width[loud].mean() > 1.5 * width[~loud].mean()
    assert scores[24] < 0.9 * scores[0]
