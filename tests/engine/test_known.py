"""What an operator knows of a feature: limits of its values."""

from typing import Any

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.errors import ConfigError
from tests.engine.feed import batch, feed, has, step, tiny

EXPERTS = (spec.Last(), spec.Linear("lags", lags=3), spec.Profile())


def known(**of_x: Any) -> spec.Model:
    return tiny(experts=EXPERTS, horizons=(1, 3), feature={"x": spec.Feature(**of_x)})


@pytest.mark.parametrize(("low", "high"), [(0.0, None), (None, 1.0), (0.0, 1.0)])
def test_forecasts_and_intervals_stay_inside_the_limits(low: float | None, high: float | None) -> None:
    random = np.random.default_rng(1)
    values = np.clip(random.normal(0.5, 1.0, 1500), low, high)
    free, kept = (feed(Engine(model, 1), values) for model in (known(), known(lower=low, upper=high)))
    for told, inside in ((free, False), (kept, True)):
        forecast = told.forecast[~np.isnan(told.forecast)]
        assert (
            bool(
                (forecast >= (-np.inf if low is None else low)).all()
                and (forecast <= (np.inf if high is None else high)).all()
            )
            == inside
        )
    last = slice(-1000, None)
    error = [np.abs(told.expected[last, 0] - values[last]).mean() for told in (free, kept)]
    assert error[1] <= error[0] * 1.01
    lower, upper = np.moveaxis(kept.forecast[-1001:-1, 0, 0, 1:], -1, 0)
    assert np.mean((lower <= values[last]) & (values[last] <= upper)) == pytest.approx(0.9, abs=0.1)


def test_limits_of_one_target_change_nothing_of_another() -> None:
    values = np.random.default_rng(2).normal(0, 1, (400, 2))
    model = tiny(features=("x", "z"), experts=EXPERTS, layers=(spec.Dense(1, "linear"),))
    limited = Engine(spec.Model(**{**_fields(model), "feature": {"x": spec.Feature(upper=1e9)}}), 1)
    plain = Engine(model, 1)
    assert feed(limited, values).reals.tobytes() == feed(plain, values).reals.tobytes()


def _fields(model: spec.Model) -> dict[str, Any]:
    return {name: getattr(model, name) for name in model.__struct_fields__}


def test_a_label_has_limits_too() -> None:
    model = tiny(task="label", feature={"label": spec.Feature(lower=0.0)}, monitors=(spec.Conformal(),))
    random = np.random.default_rng(3)
    values = random.normal(0, 1, 600)
    told = step(Engine(model, 1), batch(["a"] * 600, values, label=np.maximum(values, 0.0)))
    assert not np.nanmin(told.forecast) < 0.0


@pytest.mark.parametrize(
    "feature",
    [
        {"y": spec.Feature(lower=0.0)},
        {"x": spec.Feature(lower=1.0, upper=1.0)},
        {"z": spec.Feature(upper=1.0)},
    ],
)
def test_limits_that_cannot_be_are_refused(feature: dict[str, spec.Feature]) -> None:
    with pytest.raises(ConfigError, match=r"model\.feature"):
        Engine(tiny(features=("x", "z"), targets=("x",), feature=feature), 1)


def test_what_is_held_off_counts_in_the_published_figures() -> None:
    values = np.random.default_rng(5).normal(0, 1, 3000)
    values[2000:2010] += 4.0
    engine = Engine(tiny(), 1)
    told = feed(engine, values[:2011])
    held = has(told, m.HELD_OFF)
    assert held[2000:2010].sum() > 5
    inside = [low <= y <= high for (low, high), y in zip(told.forecast[:-1, 0, 0, 1:], values[1:2011], strict=True)]
    share, missed = 0.0, 0.0
    for n, each in enumerate(inside[1:], 1):  # the first has no interval
        share += max(0.005, 1.0 / n) * (each - share)
        missed = n
    assert missed == len(inside) - 1
    assert engine.health().coverage[0] == pytest.approx(share)


def test_the_interval_score_is_the_width_and_what_lies_outside() -> None:
    values = np.random.default_rng(6).normal(0, 1, 100)
    engine = Engine(tiny(monitors=(spec.Conformal(level=0.8), spec.Anomaly(holdoff=0))), 1)
    told = feed(engine, values)
    low, high = np.moveaxis(told.forecast[1:-1, 0, 0, 1:], -1, 0)
    y = values[2:]
    score = high - low + 2.0 / 0.2 * (np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0))
    stats = engine.health()
    assert stats.winkler[0] / stats.width[0] == pytest.approx(score.mean() / (high - low).mean())
