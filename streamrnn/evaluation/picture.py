"""The picture of the demo's run. Importing this needs matplotlib."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import dates
from matplotlib.figure import Figure

from streamrnn.evaluation.baselines import HOUR
from streamrnn.evaluation.verdict import KNOWN, STEPS, Verdict
from streamrnn.messages import Floats

INK, BLUE, RED, GREY = "#1c2733", "#2f7fc1", "#d1443c", "#f0c36d"
DAY = 86_400.0
DETAIL = 10  # days shown closely


def draw(path: Path, result: Verdict) -> None:
    """Write a PNG: the whole run, its last days closely, those a day ahead, and the anomaly score. Times are UTC."""
    figure = Figure(figsize=(14, 11), dpi=110, layout="constrained")
    axes = figure.subplots(4, 1, height_ratios=[3, 3, 3, 1.3])
    whole, close, ahead, score = axes
    figure.suptitle(
        "streamrnn on WaterFlow: one pass, every forecast made before its answer",
        fontsize=14,
        color=INK,
        x=0.01,
        ha="left",
    )
    _band(whole, result, 0)
    whole.set_title("the whole run, 1 hour ahead", loc="left", fontsize=10)
    _band(close, result, 0)
    close.set_title(f"the last {DETAIL} days, 1 hour ahead (holes: the sensor sent nothing)", loc="left", fontsize=10)
    _band(ahead, result, len(STEPS) - 1)
    ahead.set_title(f"the last {DETAIL} days, {STEPS[-1]} hours ahead", loc="left", fontsize=10)
    for axis in (close, ahead):
        _zoom(axis, result)
    _score(score, result)
    for axis in axes:
        _dress(axis)
    for axis in (whole, score):
        axis.set_xlim(result.times[0] / DAY, result.times[-1] / DAY)
    whole.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=5, frameon=False, fontsize=9)
    figure.savefig(path, format="png")


def _band(axis: Any, result: Verdict, k: int) -> None:
    """Actual values, the forecast and its interval at the time they are about, anomalies."""
    about, low, high, forecast = _broken(result.times + HOUR * STEPS[k], *result.band[:, k, [1, 2, 0]].T)
    axis.fill_between(about, low, high, color=BLUE, alpha=0.25, lw=0, label=f"{result.level:.0%} interval")
    axis.plot(about, forecast, color=BLUE, lw=1.2, label="forecast")
    axis.plot(*_broken(result.times, result.values), color=INK, lw=1.0, label="actual")
    hot = result.score >= 0.5
    axis.plot(result.times[hot] / DAY, result.values[hot], "o", color=RED, ms=4, label="anomaly", zorder=3)
    for i, stretch in enumerate(KNOWN):
        axis.axvspan(
            stretch.start / DAY,
            stretch.end / DAY,
            color=GREY,
            alpha=0.45,
            lw=0,
            label="known stretch" if i == 0 else None,
            zorder=0,
        )
    spread = np.ptp(result.values)
    axis.set_ylim(result.values.min() - 0.15 * spread, result.values.max() + 0.15 * spread)
    axis.set_ylabel("l/s")


def _zoom(axis: Any, result: Verdict) -> None:
    """Show the last days only, scaled to what happened in them."""
    last = result.times[-1]
    shown = result.values[result.times > last - DETAIL * DAY]
    room = max(np.ptp(shown), 1e-9)
    axis.set_xlim(last / DAY - DETAIL, last / DAY)
    axis.set_ylim(shown.min() - 0.6 * room, shown.max() + 0.6 * room)


def _score(axis: Any, result: Verdict) -> None:
    axis.vlines(result.times / DAY, 0, np.nan_to_num(result.score), color=RED, lw=0.9)
    axis.axhline(0.5, color=INK, lw=0.7, ls=":")
    axis.set_ylim(0, 1.02)
    axis.set_title("anomaly score, an anomaly from 0.5", loc="left", fontsize=10)


def _dress(axis: Any) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_axisbelow(True)
    axis.grid(axis="y", color="#e3e8ed", lw=0.6)
    locator = dates.AutoDateLocator()
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(dates.DateFormatter("%-d %b"))
    axis.tick_params(labelsize=9, color="#9aa5b1")


def _broken(times: Floats, *series: Floats) -> list[Floats]:
    """Times in days and the series, with a hole where hours are missing, so that no line is drawn across."""
    gaps = np.flatnonzero(np.diff(times) > 1.5 * HOUR) + 1
    return [np.insert(times / DAY, gaps, np.nan), *(np.insert(each, gaps, np.nan) for each in series)]
