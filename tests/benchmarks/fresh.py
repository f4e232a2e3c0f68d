"""Series of many kinds that nothing was chosen on: every preset with its defaults beside naive forecasts and peers.

The data directory has series.json (name -> rows, season in observations, kind) and name.csv (time, value; an empty
value is missing); any directory laid out the same way is taken. One pass over each series; horizons are one step, half
a season and a season, asked together (1, 2 and 4 without a season). Scored are all rows from one season on whose answer
exists, and those of the second half by themselves. "naive" is the best in hindsight of the last value, the value a
season ago, and the value a week ago where a day is the season.

Skill is the mean absolute error over that of naive: above 1 is worse. `worse2` counts the series that are worse by more
than 2 %. Beside it: plain recursive least squares, river's SNARIMAX and HoltWinters, and for series up to 600 rows
statsforecast's AutoETS, AutoARIMA and AutoTheta refitted 15 times in the second half (with the interpreter of --peers;
without one these rows have no value). `--without network gate echo ...` leaves parts of the presets out.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from streamrnn.evaluation.figures import Figure, figure
from streamrnn.evaluation.show import table
from tests.benchmarks import members, series
from tests.benchmarks.command import finish, reader

WEEK, SHORT, LONG = 7, 600, 300
GOALS = {
    "fresh.standard.h1.worse2": "<= 1",
    "fresh.standard.h2.worse2": "<= 3",
    "fresh.standard.h3.worse2": "<= 1",
    "fresh.standard.h1.worse25": "0",
    "fresh.standard.h2.worse25": "0",
    "fresh.standard.h3.worse25": "0",
    "fresh.standard.h1.half.worse2": "0",
    "fresh.standard.h2.half.worse2": "<= 1",
    "fresh.standard.h3.half.worse2": "<= 1",
    "fresh.full.h1.short.over_naive": "<= .74 (best of ETS, ARIMA, Theta .70)",
    "fresh.full.h2.short.over_naive": "<= .84 (.77)",
    "fresh.full.h3.short.over_naive": "<= .85 (.81)",
    "fresh.standard.h1.short.over_naive": "<= .78",
    "fresh.standard.h2.short.over_naive": "<= .88",
    "fresh.standard.h3.short.over_naive": "<= .87",
}
WITHOUT = ("network", "gate", "echo", "smooth", "features", "linear", "seasonal", "profile", "feedback")


class Series(NamedTuple):
    """One recorded series; a missing value is NaN."""

    name: str
    times: series.Array
    values: series.Array
    season: int
    steps: tuple[int, ...]


class Result(NamedTuple):
    """What one preset did on one series, each (K)."""

    skill: series.Array  # over all scored rows
    half: series.Array  # over those of the second half
    coverage: series.Array
    predicted: float  # share of the scored answers that had a forecast one step ahead
    over_best: series.Array  # mixed over the best single expert after 200 answers
    events: int
    us: float


def horizons(season: int) -> tuple[int, ...]:
    """One step, half a season, a season."""
    return (1, max(2, season // 2), season) if season > 3 else (1, 2, 4)


def load(directory: Path, names: Sequence[str] | None = None) -> list[Series]:
    """Every series of a directory, or those that are named; ends the program with one sentence when there is none."""
    index = directory / "series.json"
    if not index.exists():
        sys.exit(f"{index} is not there: give the directory that holds it with --data")
    found = []
    for name, about in sorted(json.loads(index.read_text(encoding="utf-8")).items()):
        if names and not any(name.startswith(part) for part in names):
            continue
        _, rows = series.columns(directory / f"{name}.csv")
        times = np.array([series.seconds(row[0].replace("Z", "")) for row in rows])
        values = np.array([float(row[1]) if row[1] else np.nan for row in rows])
        found.append(Series(name, times, values, about["season"], horizons(about["season"])))
    return found


def filled(values: series.Array) -> series.Array:
    """Every missing value as the last one known."""
    place = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), 0))
    return values[place]


def scored(one: Series, k: int) -> Any:
    """Rows (m) whose forecast at horizon k is scored: from one season on, where an answer exists."""
    rows = np.arange(one.season, len(one.values) - one.steps[k])
    return rows[np.isfinite(one.values[rows + one.steps[k]])]


def errors(one: Series, forecasts: series.Array, k: int) -> series.Array:
    """Absolute errors at horizon k of the scored rows; NaN where there was no forecast."""
    rows = scored(one, k)
    return np.abs(forecasts[rows, k] - one.values[rows + one.steps[k]])


def naive(one: Series) -> dict[str, series.Array]:
    """The naive forecasts (n, K); what is not known yet is the last value."""
    known = filled(one.values)
    last = series.persistence(known, one.steps)
    found = {"last": last}
    if one.season > 1:
        seasonal = series.seasonal(known, one.steps, one.season)
        found["seasonal"] = np.where(np.isfinite(seasonal), seasonal, last)
    if one.season in (24, 48, 96):
        weekly = series.seasonal(known, one.steps, WEEK * one.season)
        found["weekly"] = np.where(np.isfinite(weekly), weekly, found["seasonal"])
    return found


def best_naive(one: Series, k: int, mask: Any) -> float:
    """The least mean absolute error of a naive forecast on the scored rows of a mask; tiny where it is zero."""
    return max(min(float(np.mean(errors(one, each, k)[mask])) for each in naive(one).values()), 1e-12)


def skills(one: Series, forecasts: series.Array) -> tuple[series.Array, series.Array]:
    """Error over that of naive (K): on all scored rows, and on those of the second half; NaN without any forecast."""
    whole, half = np.full(len(one.steps), np.nan), np.full(len(one.steps), np.nan)
    for k in range(len(one.steps)):
        miss = errors(one, forecasts, k)
        made = np.isfinite(miss)
        late = made & (scored(one, k) >= len(one.values) // 2)
        for into, mask in ((whole, made), (half, late)):
            if mask.any():
                into[k] = float(np.mean(miss[mask])) / best_naive(one, k, mask)
    return whole, half


def ours(one: Series, preset: str, without: Sequence[str], seed: int) -> Result:
    """One pass of a preset over a series."""
    model = members.model(preset, one.steps, without, seed)
    told = members.watch(model, one.times, one.values, one.name)
    whole, half = skills(one, told.yhat)
    coverage = np.full(len(one.steps), np.nan)
    for k, h in enumerate(one.steps):
        rows = scored(one, k)
        rows = rows[np.isfinite(told.lower[rows, k])]
        inside = (told.lower[rows, k] <= one.values[rows + h]) & (one.values[rows + h] <= told.upper[rows, k])
        coverage[k] = float(np.mean(inside)) if len(rows) else np.nan
    share = float(np.mean(np.isfinite(errors(one, told.yhat, 0))))
    over = members.over_best(told, one.values, one.steps)
    return Result(whole, half, coverage, share, over, told.events, told.us)


def rivers(one: Series) -> dict[str, series.Array]:
    """river's SNARIMAX and HoltWinters with the textbook's seasonal settings: forecasts (n, K)."""
    from river import time_series

    season = max(one.season, 2)
    seasonal = {"m": season, "sp": 1, "sd": 1, "sq": 1} if one.season > 1 else {}
    models: dict[str, Any] = {
        "snarimax": time_series.SNARIMAX(p=1, d=1, q=1, **seasonal),
        "holtwinters": time_series.HoltWinters(0.3, 0.1, 0.3 if one.season > 1 else None, season),
    }
    found = {}
    for name, model in models.items():
        forecasts = np.full((len(one.values), len(one.steps)), np.nan)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for t, value in enumerate(filled(one.values).tolist()):
                try:
                    model.learn_one(value)
                    ahead = model.forecast(horizon=max(one.steps))
                    forecasts[t] = [ahead[h - 1] for h in one.steps]
                except (IndexError, ValueError, ZeroDivisionError, OverflowError):
                    continue
        found[name] = forecasts
    return found


def classical(every: Sequence[Series], python: str | None) -> dict[str, dict[str, series.Array]]:
    """statsforecast's forecasts of the short series, name -> model -> (n, K); empty where it is not installed."""
    if python is None:
        python = sys.executable if importlib.util.find_spec("statsforecast") else None
    short = [one for one in every if len(one.values) <= SHORT]
    if python is None or not short:
        return {}
    asked = [
        {"name": one.name, "values": filled(one.values).tolist(), "season": one.season, "steps": one.steps}
        for one in short
    ]
    script = str(Path(__file__).with_name("classical.py"))
    made = subprocess.run([python, "-P", script], input=json.dumps(asked), capture_output=True, text=True, check=True)
    return {
        name: {model: np.array(rows, np.float64) for model, rows in models.items()}
        for name, models in json.loads(made.stdout).items()
    }


def geometric(values: Sequence[float]) -> float:
    """Geometric mean of what is finite."""
    given = np.array(values)
    given = given[np.isfinite(given)]
    return float(np.exp(np.mean(np.log(given)))) if len(given) else float("nan")


def summarise(preset: str, every: Sequence[Series], results: Sequence[Result]) -> list[Figure]:
    """The figures of one preset over all series."""
    rows: list[Figure] = []
    lengths = np.array([int(np.isfinite(one.values).sum()) for one in every])
    for k in range(3):
        name, skill = f"fresh.{preset}.h{k + 1}", np.array([result.skill[k] for result in results])
        half = np.array([result.half[k] for result in results])
        for percent in (2, 10, 25, 50):
            rows.append(figure(f"{name}.worse{percent}", float(np.sum(skill > 1 + percent / 100)), "series"))
            rows.append(figure(f"{name}.half.worse{percent}", float(np.sum(half > 1 + percent / 100)), "series"))
        quantiles = {share: float(np.nanquantile(skill, share / 100)) for share in (10, 50, 90, 100)}
        rows += [figure(f"{name}.skill.q{share}", value, "1") for share, value in quantiles.items()]
        rows.append(figure(f"{name}.short.over_naive", geometric(half[lengths <= SHORT].tolist()), "1"))
        rows.append(figure(f"{name}.over_naive", geometric(skill.tolist()), "1"))
        covered = np.array([result.coverage[k] for result in results])[lengths >= 200]
        if len(covered):
            rows.append(figure(f"fresh.{preset}.coverage.h{k + 1}.min", float(np.nanmin(covered)), "1"))
            rows.append(figure(f"fresh.{preset}.coverage.h{k + 1}.max", float(np.nanmax(covered)), "1"))
        over = np.array([result.over_best[k] for result in results])[lengths > LONG]
        if np.isfinite(over).any():
            rows.append(figure(f"{name}.mixed_over_best", float(np.nanmax(over)), "1"))
    rows.append(figure(f"fresh.{preset}.predicted.min", min(result.predicted for result in results), "1"))
    rows.append(figure(f"fresh.{preset}.events", float(sum(result.events for result in results)), "events"))
    weights = [len(one.values) for one in every]
    rows.append(figure(f"fresh.{preset}.us", float(np.average([r.us for r in results], weights=weights)), "us"))
    return rows


def over_seeds(same: Sequence[Figure]) -> Figure:
    """One figure's mean over seeds."""
    given = [row.value for row in same if row.value is not None]
    return figure(same[0].name, float(np.mean(given)) if given else None, same[0].unit)


def show(preset: str, every: Sequence[Series], results: Sequence[Result]) -> None:
    """Every series of one preset, the worst first."""
    title = f"preset {preset}: error over that of the best naive forecast, and its second half"
    parts = [f"h{k} {part}" for k in (1, 2, 3) for part in ("all", "half", "cover", "/best")]
    made = table(title, "series", "rows", *parts, "events")
    order = np.argsort([-np.nanmax(result.skill) for result in results])
    for place in order:
        one, result = every[place], results[place]
        cells = []
        for k in range(3):
            numbers = (result.skill[k], result.half[k], result.coverage[k], result.over_best[k])
            cells += [f"{number:.3f}" for number in numbers]
        made.add_row(one.name, str(len(one.values)), *cells, str(result.events))
    Console(width=None if sys.stdout.isatty() else 190).print(made)


def anchors(every: Sequence[Series], python: str | None) -> list[Figure]:
    """The anchors' figures: over all series, and over the short ones in their second half."""
    found: dict[str, list[tuple[series.Array, series.Array, bool]]] = {}
    peers, stated = classical(every, python), {}
    for one in every:
        known = filled(one.values)
        lags = range(1, min(max(one.season, 12), 48) + 2)
        models = {"rls": series.least_squares(known, one.steps, lags, 0.9995), **rivers(one)}
        models |= peers.get(one.name, {})
        stated[one.name] = {name: skills(one, forecasts) for name, forecasts in models.items()}
        for name, (whole, half) in stated[one.name].items():
            found.setdefault(name, []).append((whole, half, len(known) <= SHORT))
        rivals = [half for name, (_, half) in stated[one.name].items() if name in ("ets", "arima", "theta")]
        if rivals:
            found.setdefault("classical", []).append((rivals[0], np.nanmin(rivals, axis=0), True))
    rows = []
    for name in ("rls", "snarimax", "holtwinters", "ets", "arima", "theta", "classical"):
        for k in range(3):
            given = found.get(name, [])
            short = geometric([half[k] for _, half, is_short in given if is_short])
            rows.append(figure(f"fresh.h{k + 1}.short.over_naive@{name}", short, "1"))
            if name in ("rls", "snarimax", "holtwinters"):
                skill = np.array([whole[k] for whole, _, _ in given])
                rows.append(figure(f"fresh.h{k + 1}.worse2@{name}", float(np.sum(~(skill <= 1.02))), "series"))
    return rows


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = reader(__doc__, "fresh", seeds=1)
    parser.add_argument("--without", nargs="+", choices=WITHOUT, default=(), help="parts of the presets to leave out")
    parser.add_argument("--presets", nargs="+", choices=series.PRESETS, default=series.PRESETS)
    parser.add_argument("--series", nargs="+", help="only the series whose names begin so")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has statsforecast")
    parser.add_argument("--alone", action="store_true", help="leave the anchors out")
    return parser.parse_args()


def main() -> None:
    """Run and print."""
    given = options()
    every = load(given.data, given.series)
    rows: list[Figure] = []
    for preset in given.presets:
        runs = [[ours(one, preset, given.without, seed) for one in every] for seed in range(1, given.seeds + 1)]
        show(preset, every, runs[0])
        figures = [summarise(preset, every, results) for results in runs]
        rows += [over_seeds(same) for same in zip(*figures, strict=True)]
    if not given.alone:
        rows += anchors(every, given.peers)
    finish("Series of many kinds", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
