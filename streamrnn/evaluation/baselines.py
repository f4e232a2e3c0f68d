"""What others would have predicted: the naive forecasts, and river's forecasters as they are.

All forecasts are made after a value was seen and before the next one, for the same steps. river's models count rows
and know no gaps in time. Each family is shown with two settings, and a skill is stated against the better of the two
at that horizon: the textbook's seasonal setting, and a milder one. For HoltWinters that is the setting which river's
documentation uses on WaterFlow; for SNARIMAX the best of some twenty orders tried on this very series, which flatters
it, since it saw the answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamrnn.messages import Floats

HOUR = 3600.0
SEASON = 24  # rows of a day


@dataclass(frozen=True)
class Setting:
    """One of river's forecasters."""

    name: str
    family: str
    make: Callable[[], Any]


def settings() -> list[Setting]:
    """river's forecasters that are shown beside ours."""
    from river import time_series

    def arima(p: int, d: int, q: int, sp: int, sd: int, sq: int) -> Callable[[], Any]:
        return lambda: time_series.SNARIMAX(p=p, d=d, q=q, m=SEASON, sp=sp, sd=sd, sq=sq)

    def winters(**more: Any) -> Callable[[], Any]:
        return lambda: time_series.HoltWinters(alpha=0.3, beta=0.1, **more)

    return [
        Setting("SNARIMAX (1,1,1)(1,1,1)24", "snarimax", arima(1, 1, 1, 1, 1, 1)),
        Setting("SNARIMAX (0,1,0)(1,0,1)24", "snarimax", arima(0, 1, 0, 1, 0, 1)),
        Setting("HoltWinters, season 24", "holtwinters", winters(gamma=0.6, seasonality=SEASON)),
        Setting("HoltWinters, no season", "holtwinters", winters()),
    ]


def predict(setting: Setting, values: Sequence[float], steps: Sequence[int]) -> Floats:
    """Forecasts (n, K) of one model, one pass; NaN while it has none, inf where it has overflowed."""
    model = setting.make()
    found = np.full((len(values), len(steps)), np.nan)
    with np.errstate(all="ignore"):
        for i, value in enumerate(values):
            model.learn_one(value)
            try:
                ahead = model.forecast(horizon=max(steps))
            except (IndexError, ValueError, ZeroDivisionError):
                continue  # too few values yet
            except OverflowError:
                found[i] = np.inf
                continue
            found[i] = [float(ahead[step - 1]) for step in steps]
    return found


def naive(times: Floats, values: Floats, steps: Sequence[int]) -> dict[str, Floats]:
    """The last value, and the value whole days before the time predicted; (n, K), NaN where that is not known."""
    at = dict(zip(times.tolist(), values.tolist(), strict=True))
    seasonal = [
        [at.get(time + HOUR * (step - SEASON * -(-step // SEASON)), np.nan) for step in steps]
        for time in times.tolist()
    ]
    return {"persistence": np.repeat(values[:, None], len(steps), axis=1), "24 h ago": np.array(seasonal)}


def answers(times: Floats, values: Floats, steps: Sequence[int]) -> Floats:
    """The value that came at the time of each step; (n, K), NaN where none did."""
    at = dict(zip(times.tolist(), values.tolist(), strict=True))
    return np.array([[at.get(time + HOUR * step, np.nan) for step in steps] for time in times.tolist()])


def errors(actual: Floats, forecasts: dict[str, Floats]) -> tuple[dict[str, Floats], list[int]]:
    """Mean absolute error (K) of each on the forecasts that all of them made and that were answered; and how many."""
    common = np.isfinite(actual)
    for forecast in forecasts.values():
        common &= ~np.isnan(forecast)
    found = {}
    with np.errstate(over="ignore"):
        for name, forecast in forecasts.items():
            error = np.abs(np.where(common, forecast, 0.0) - np.where(common, actual, 0.0))
            found[name] = error.sum(axis=0) / np.maximum(common.sum(axis=0), 1)
    return found, common.sum(axis=0).tolist()
