"""What the forecasting benchmarks share: the engine over a recorded series, plain anchors, measures and their rows."""

import csv
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure, figure
from streamrnn.kernels.core.layout import Count, Pending
from streamrnn.kernels.core.program import Program
from tests.engine.feed import batch, part

Array = NDArray[np.float64]
CHUNK = 4096
SETTLED = 500  # labels after which the mix is held against its best expert
PRESETS = ("light", "standard", "full")


class Told(NamedTuple):
    """What the engine told of a series, every row before the answers to it."""

    yhat: Array  # (n, K)
    lower: Array
    upper: Array
    us: float  # microseconds a sample


def seconds(text: str) -> float:
    """A date and time as seconds, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def columns(path: Path, skip: int = 0) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV file, `skip` rows after the header left out."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return rows[0], rows[1 + skip :]


def predict(
    times: Array, values: Array, steps: Sequence[int], preset: str = "full", seed: int = 1, name: str = "series"
) -> Told:  # fmt: skip
    """One pass of a preset as it is shipped over a series of one feature; compiling is not counted.

    A stream's name seeds its weights.
    """
    engine = Engine(spec.Model(features=("value",), horizons=tuple(steps), preset=preset, seed=seed), 1)
    found, spent = [], 0.0
    for start in range(0, len(values), CHUNK):
        span = slice(start, start + CHUNK)
        messages = batch([name] * len(values[span]), values[span], time=times[span])
        rows = engine.admit(messages.names)
        begun = time.perf_counter()
        found.append(engine.step(messages, rows).forecast[:, 0])
        spent += time.perf_counter() - begun
    told = np.concatenate(found)
    return Told(told[..., 0], told[..., 1], told[..., 2], 1e6 * spent / len(values))


def mixed_over_best(times: Array, values: Array, steps: Sequence[int], measure: str = "mse") -> float:
    """Error of the mixed forecast over that of the best single expert, both after SETTLED labels; worst horizon.

    The experts' forecasts are read from the stream's row after every observation: nothing is run a second time.
    """
    engine = Engine(spec.Model(features=("value",), horizons=tuple(steps), preset="full"), 1)
    p, slots, width = (
        engine._plan.table.ints,
        engine._plan.table.slots,
        int(engine._plan.table.ints[Program.SLOT_WIDTH]),
    )
    messages, rows, hs = batch(["s"] * len(values), values, time=times), engine.admit(["s"]), np.array(steps)
    n, start = int(p[Program.EXPERTS]), int(p[Program.PENDING])
    pending = engine._bank.planes.f64[start : start + int(p[Program.SLOTS]) * width].reshape(-1, width)
    counts = engine._bank.planes.i64[int(p[Program.BASE_I64]) :]
    told = np.empty((len(values), len(hs), n + 1))
    for t in range(len(values)):
        engine.step(part(messages, t, t + 1), rows)
        record = pending[slots + counts[Count.STEP] % hs]
        told[t, :, :n], told[t, :, n] = record[:, Pending.FORECASTS : Pending.FORECASTS + n], record[:, Pending.MIXED]
    ratios = []
    for k, h in enumerate(steps):
        miss = told[SETTLED : len(values) - h, k] - values[SETTLED + h :, None]
        error = np.sqrt((miss**2).mean(axis=0)) if measure == "mse" else np.abs(miss).mean(axis=0)
        ratios.append(error[n] / error[:n].min())
    return float(max(ratios))


def persistence(values: Array, steps: Sequence[int]) -> Array:
    """The last value (n, K)."""
    return np.repeat(values[:, None], len(steps), axis=1)


def seasonal(values: Array, steps: Sequence[int], season: int) -> Array:
    """The value a whole number of seasons before the step predicted (n, K); NaN where there is none."""
    found = np.full((len(values), len(steps)), np.nan)
    for k, h in enumerate(steps):
        back = season * -(-h // season) - h
        found[back:, k] = values[: len(values) - back]
    return found


def least_squares(values: Array, steps: Sequence[int], lags: Sequence[int], forget: float) -> Array:
    """Plain recursive least squares (n, K) on differences to the last value: the linear anchor, in numpy.

    One gain for all horizons; an answer is used when it comes. Ordinary lags come without a season's knowledge.
    """
    back, hs, unit = np.array(lags), np.array(steps), max(float(np.std(values[:100])), 1e-12)
    y, n, far = values / unit, len(lags) + 1, max(steps)
    P, w, found = 10.0 * np.eye(n), np.zeros((len(hs), n)), np.empty((len(y), len(hs)))
    rows, gains = np.zeros((far, n)), np.zeros((far, n))
    for t in range(len(y)):
        for k, h in enumerate(hs[hs <= t]):
            x = rows[(t - h) % far]
            w[k] += gains[(t - h) % far] * (y[t] - y[t - h] - w[k] @ x)
        x = np.ones(n)
        x[1:] = np.where(back <= t, y[np.maximum(t - back, 0)] - y[t], 0.0)
        u = P @ x
        gain = u / (forget + x @ u)
        P = (P - np.outer(gain, u)) / forget
        if t % 16 == 0:
            P = 0.5 * (P + P.T)
            P *= 0.5 if np.trace(P) > 1000 * n else 1.0
        rows[t % far], gains[t % far] = x, gain
        found[t] = y[t] + w @ x
    return found * unit


def spread(name: str, values: Sequence[float], unit: str) -> list[Figure]:
    """Mean over seeds, and the standard deviation when there are several."""
    rows = [figure(name, float(np.mean(values)), unit)]
    return [*rows, figure(f"{name}.sd", float(np.std(values, ddof=1)), unit)] if len(values) > 1 else rows


def timed(run: Callable[[], Any], samples: int) -> tuple[Any, float]:
    """What a call returns, and the microseconds a sample that it took."""
    begun = time.perf_counter()
    result = run()
    return result, 1e6 * (time.perf_counter() - begun) / samples
