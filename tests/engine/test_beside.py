"""What stands beside an observation: values known ahead, local time, mute windows; and ranges, directions, sizes."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from msgspec.structs import replace

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.config import resources
from streamrnn.engine.engine import Engine
from streamrnn.errors import ConfigError
from streamrnn.kernels.core.layout import Scale
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.experts import seasons
from streamrnn.model import covariates
from tests.engine.feed import START, batch, feed, has, real, same, step, tiny

LINEAR = (spec.Last(), spec.Linear("lags", lags=4))
AHEAD = {"w": spec.Feature(known_future=True)}


def weather(n: int = 1500) -> tuple[m.Batch, Any, Any]:
    """x is twice w; its future (n, 2) at 1 and 3 steps."""
    w = np.random.default_rng(1).normal(0, 1, n + 3)
    x = 2 * w[:n] + np.random.default_rng(2).normal(0, 0.1, n)
    told = batch(["a"] * n, np.stack([x, w[:n]], axis=1))
    return told, np.stack([w[1 : n + 1], w[3 : n + 3]], axis=1), x


def model(**more: Any) -> spec.Model:
    fields: dict[str, Any] = {"features": ("x", "w"), "targets": ("x",), "horizons": (1, 3), "feature": AHEAD}
    return tiny(**{"experts": LINEAR, **fields, **more})


def errors(told: m.Outcomes, x: Any, start: int = 700) -> list[float]:
    return [
        float(np.abs(told.forecast[start:-3, 0, k, 0] - x[start + h : len(x) - 3 + h]).mean())
        for k, h in ((0, 1), (1, 3))
    ]


def test_what_is_known_ahead_is_predicted_by_the_linear_experts() -> None:
    observed, future, x = weather()
    with_ = errors(step(Engine(model(), 1), replace(observed, future=future)), x)
    without = errors(step(Engine(model(), 1), observed), x)
    assert max(with_) < 0.3 < 1.5 < min(without)


def test_what_is_known_ahead_is_an_input_of_the_network() -> None:
    observed, future, x = weather(4000)
    network = model(
        experts=(spec.Last(),), layers=(spec.Dense(16),), rule=spec.Tbptt(1, 1), optimiser=spec.Adam(rate=1e-2)
    )
    with_ = errors(step(Engine(network, 1), replace(observed, future=future)), x, 3000)
    without = errors(step(Engine(network, 1), observed), x, 3000)
    assert max(with_) < 0.5 * min(without)
    engine = Engine(network, 1)
    future[-1, 1] = np.nan
    step(engine, replace(observed, future=future))
    p = engine._plan.table.ints
    start = int(p[Program.BASE_F32] + p[Program.INPUT])
    inputs = engine._bank.planes.f32[start : start + int(p[Program.INPUTS])]
    scale = real(engine, Program.SCALE, 2 * Scale.WIDTH)[Scale.WIDTH :]
    told = (future[-1, 0] - scale[Scale.MEAN]) / np.sqrt(scale[Scale.VARIANCE])
    assert inputs[3 * 2 + 3 + 1 :] == pytest.approx([told, 0.0, scale[Scale.SCALED], 1.0], abs=1e-6)


def test_what_was_not_told_stands_where_it_stands_now() -> None:
    observed, future, _ = weather(300)
    untold = replace(observed, future=np.full_like(future, np.nan))
    same(step(Engine(model(), 1), untold), step(Engine(model(), 1), observed))


def test_a_model_that_knows_nothing_keeps_its_size_and_one_that_does_its_weights_apart() -> None:
    plain, ahead = Engine(model(feature={}), 1), Engine(model(), 1)
    assert plain.bytes_per_stream < ahead.bytes_per_stream
    muted = Engine(model(feature={"x": spec.Feature(mute=("00:00-01:00",), least=1.0, valid=(0.0, 1.0))}), 1)
    assert muted.bytes_per_stream == plain.bytes_per_stream
    assert muted.layout == plain.layout


def test_a_value_out_of_range_is_missing_and_counted() -> None:
    values = np.random.default_rng(3).normal(0, 1, 300)
    values[[100, 200]] = 999.0, -999.0
    holes = np.where(np.abs(values) > 100, np.nan, values)
    ranged = tiny(feature={"x": spec.Feature(valid=(-100.0, 100.0))})
    told, other = feed(Engine(ranged, 1), values), feed(Engine(tiny(), 1), holes)
    assert np.flatnonzero(has(told, m.INVALID)).tolist() == [100, 200]
    assert has(told, m.MISSING)[[100, 200]].all()
    same(told, other, ("row", "bits"))


def spiked(sign: float, size: float = 25.0) -> Any:
    values = np.random.default_rng(4).normal(0, 1, 1200)
    values[1000] += sign * size
    return values


@pytest.mark.parametrize(
    ("direction", "sign", "told"), [("up", 1, True), ("up", -1, False), ("down", -1, True), ("down", 1, False)]
)
def test_only_errors_in_the_direction_asked_for_are_anomalies(direction: Any, sign: float, told: bool) -> None:
    engine = Engine(tiny(feature={"x": spec.Feature(direction=direction)}), 1)
    assert bool(has(feed(engine, spiked(sign)), m.OPENED)[1000]) == told


@pytest.mark.parametrize(("least", "told"), [(10.0, True), (50.0, False)])
def test_a_small_error_is_no_anomaly_however_rare(least: float, told: bool) -> None:
    engine = Engine(tiny(feature={"x": spec.Feature(least=least)}), 1)
    outcomes = feed(engine, spiked(1.0))
    assert bool(has(outcomes, m.OPENED)[1000]) == told
    if not told:
        assert not has(outcomes, m.ANOMALY).any()


def test_a_muted_target_has_no_anomalies_and_the_others_have() -> None:
    hour = 3600.0 * np.arange(1200)  # from a Tuesday, 22:13:20 UTC
    values = np.stack([spiked(1.0), spiked(1.0)], axis=1)
    at = datetime.fromtimestamp(START + hour[1000], UTC)
    window = f"{at:%a} {at.hour:02}:00-{at.hour + 1:02}:00".lower()
    muted = tiny(features=("x", "z"), feature={"x": spec.Feature(mute=(window,))})
    told = feed(Engine(muted, 1), values, time=START + hour)
    assert has(told, m.OPENED)[1000]
    assert told.attribution[1000] == pytest.approx([0.0, 1.0])
    both = replace(muted, feature={name: spec.Feature(mute=(window,)) for name in ("x", "z")})
    told = feed(Engine(both, 1), values, time=START + hour)
    assert not has(told, m.OPENED)[1000]
    assert told.score[1000] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("window", "days", "start", "length"),
    [
        ("02:00-04:30", list(range(7)), 120, 150),
        ("sat-sun 22:00-06:00", [5, 6], 1320, 480),
        ("fri-mon 00:00-24:00", [4, 5, 6, 0], 0, 1440),
        ("wed 23:59-00:00", [2], 1439, 1),
    ],
)
def test_windows(window: str, days: list[int], start: int, length: int) -> None:
    assert covariates.parse(window) == (days, start, length)


def test_a_window_beyond_the_day_is_refused() -> None:
    with pytest.raises(ConfigError, match="24:00"):
        Engine(tiny(feature={"x": spec.Feature(mute=("25:00-26:00",))}), 1)


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_a_timezone_is_what_the_system_says(name: str) -> None:
    zone, other = resources.zone(name), ZoneInfo(name)
    assert zone is not None
    times = np.random.default_rng(5).uniform(0, 2.4e9, 2000)
    edges = zone.since[1:40]
    times = np.concatenate([times, edges, edges - 1])
    wanted = [
        datetime.fromtimestamp(time, UTC).astimezone(other).utcoffset().total_seconds() for time in times.tolist()
    ]  # type: ignore[union-attr]
    assert zone.of(times).tolist() == wanted


def test_seasons_follow_the_clocks_through_summer_time() -> None:
    """What happens at eight in the morning goes on happening at eight."""
    zoned = tiny(experts=(spec.Last(), spec.Level(1)), timezone="Europe/Berlin", monitors=(spec.Conformal(),))
    start = datetime(2024, 2, 1, tzinfo=UTC).timestamp()
    times = start + 1800.0 * np.arange(48 * 90)  # until the end of April; the clocks change on 31 March
    local = times + resources.zone("Europe/Berlin").of(times)  # type: ignore[union-attr]
    values = 10.0 * (local // 3600 % 24 == 8)
    found = []
    for one in (zoned, replace(zoned, timezone="UTC")):
        engine = Engine(one, 1, **resources.of(one))
        feed(engine, values, time=times)
        p, past = engine._plan.table.ints, engine._plan.table.past
        history = real(engine, Program.HISTORY, int(p[Program.HISTORY_LENGTH]))
        begin = seasons.HEAD + int(past[seasons.RING])
        levels = history[begin : begin + 2 * 48].reshape(48, 2)[:, 0]
        found.append(levels)
    assert np.flatnonzero(found[0] > 5.0).tolist() == [16, 17]
    assert found[0].max() == pytest.approx(10.0)
    assert found[1].max() < 9.99


def test_a_timezone_must_be_given_and_known() -> None:
    with pytest.raises(ConfigError, match="timezone"):
        Engine(tiny(timezone="Europe/Berlin"), 1)
    with pytest.raises(ConfigError, match="not known"):
        resources.zone("Europe/Nowhere")


def test_a_sensor_that_hangs_is_an_anomaly_of_the_monitor_flat() -> None:
    values = np.random.default_rng(6).normal(0, 1, 1500)
    values[1000:1100] = values[999]
    flat = tiny(monitors=(spec.Flat(), spec.Residual(), spec.Anomaly()))
    engine = Engine(flat, 1)
    told = feed(engine, values)
    opened = np.flatnonzero(has(told, m.OPENED)[1000:1100])
    assert opened.size and opened[0] <= 10
    assert engine.monitors[told.monitor[1000 + opened[0]]] == "flat"
    plain = feed(Engine(tiny(monitors=(spec.Residual(), spec.Anomaly())), 1), values)
    assert not has(plain, m.OPENED)[1000:1011].any()


@pytest.mark.parametrize(
    "feature",
    [
        {"x": spec.Feature(known_future=True)},
        {"w": spec.Feature(least=1.0)},
        {"w": spec.Feature(mute=("00:00-01:00",))},
        {"w": spec.Feature(valid=(1.0, 1.0))},
    ],
)
def test_what_cannot_be_said_of_a_feature_is_refused(feature: dict[str, spec.Feature]) -> None:
    with pytest.raises(ConfigError, match=r"model\.feature"):
        Engine(tiny(features=("x", "w"), targets=("x",), feature=feature), 1)
