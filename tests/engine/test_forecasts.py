"""What the presets make of series whose best forecast is known: each kind of expert has to earn its place."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.engine.engine import Engine
from tests.benchmarks import features, mackeyglass
from tests.engine.feed import batch

MONTH = 30.4 * 86_400.0


def forecasts(values: NDArray[np.float64], interval: float, **settings: Any) -> NDArray[np.float64]:
    """What preset `standard` says of the first target (n, K), one pass."""
    names = tuple(f"f{i}" for i in range(values.shape[1]))
    engine = Engine(spec.Model(features=names, targets=names[:1], **settings), 1)
    messages = batch(["s"] * len(values), values, time=interval * np.arange(len(values)))
    found: NDArray[np.float64] = engine.step(messages, engine.admit(messages.names)).forecast[:, 0, :, 0]
    return found


def error(told: NDArray[np.float64], values: NDArray[np.float64], k: int, h: int, first: int) -> float:
    """Root mean square error from row `first` on."""
    return float(np.sqrt(np.mean((told[first:-h, k] - values[first + h :]) ** 2)))


def test_what_is_nonlinear_is_forecast() -> None:
    """Mackey-Glass: recursive least squares on lags has .26, the true equation .02."""
    values = mackeyglass.generate(5000, 1)
    told = forecasts(values[:, None], 1.0, horizons=(2,))
    assert error(told, values, 0, 2, 3500) < 0.12 * np.std(values)


@pytest.mark.parametrize(("kind", "most"), [("linear", 0.34), ("product", 0.5)])
def test_what_another_feature_drives_is_forecast(kind: str, most: float) -> None:
    """The best possible error is .3; without the other feature it is 1.0 and 1.8."""
    values = features.generate(kind, 4000, 1)
    assert error(forecasts(values, 60.0), values[:, 0], 0, 1, 2000) < most


def test_a_short_series_whose_season_grows_with_its_level_is_forecast() -> None:
    """Ten years of months, half a year ahead: the value a year ago misses the growth, the last one the season."""
    random, t = np.random.default_rng(1), np.arange(120)
    values = np.exp(4.0 + 0.01 * t + 0.3 * np.sin(t * np.pi / 6.0) + 0.03 * random.normal(size=120))
    told = forecasts(values[:, None], MONTH, horizons=(6,))
    season_ago = np.abs(values[48 - 6 : -12] - values[48 + 6 :]).mean()
    assert np.abs(told[48:-6, 0] - values[54:]).mean() < 0.7 * season_ago
