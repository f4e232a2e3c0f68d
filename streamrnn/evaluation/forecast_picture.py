"""The picture of a replay: values, forecasts with their interval, anomalies. Importing this needs matplotlib."""

from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import dates
from matplotlib.figure import Figure

from streamrnn.messages import ANOMALY, DUPLICATE, LATE, SETTLED, UNMATCHED, Floats, Outcomes

KEPT = 1500  # observations of a stream that are drawn
PANELS = 6
STREAMS = 4  # of which the first PANELS targets are drawn
INK, BLUE, RED = "#1c2733", "#2f7fc1", "#d1443c"


class Moment(NamedTuple):
    """What is drawn of one observation."""

    time: float
    interval: float
    actual: Floats  # (T)
    forecast: Floats  # (T, K, 3)
    hot: bool


class Picture:
    """The last observations of the first streams."""

    def __init__(self, targets: tuple[str, ...], horizons: tuple[int, ...]) -> None:
        self._targets, self._horizons = targets, horizons
        self._streams: dict[str, deque[Moment]] = {}

    def add(self, outcomes: Outcomes, names: list[str]) -> None:
        """Remember what a batch brought."""
        late = outcomes.bits & (LATE | DUPLICATE | SETTLED | UNMATCHED) != 0
        hot, forecast = outcomes.bits & ANOMALY != 0, outcomes.forecast
        for i in np.flatnonzero(~late).tolist():
            name = names[int(outcomes.row[i])]
            if name not in self._streams and len(self._streams) >= STREAMS:
                continue
            kept = self._streams.setdefault(name, deque(maxlen=KEPT))
            made = forecast[i].copy()
            kept.append(Moment(outcomes.time[i], outcomes.interval[i], outcomes.actual[i].copy(), made, bool(hot[i])))

    def draw(self, path: Path, title: str) -> None:
        """Write a PNG; times are UTC."""
        panels = [(name, t) for name in self._streams for t in range(len(self._targets))][:PANELS]
        figure = Figure(figsize=(14, 3.2 * max(1, len(panels)) + 0.6), dpi=100, layout="constrained")
        figure.suptitle(f"{title}: every forecast made before its answer", x=0.01, ha="left", color=INK)
        axes = np.atleast_1d(figure.subplots(max(1, len(panels)), 1))
        for axis, (name, t) in zip(axes, panels, strict=False):
            _panel(axis, list(self._streams[name]), t, self._horizons)
            axis.set_title(f"{name}: {self._targets[t]}", loc="left", fontsize=10)
        if panels:
            axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=5, frameon=False, fontsize=9)
        figure.savefig(path, format="png")


def _panel(axis: Any, moments: list[Moment], t: int, horizons: tuple[int, ...]) -> None:
    """The shortest horizon at the times it is about, and all horizons from the last observation on."""
    times = np.array([each.time for each in moments])
    values = np.array([each.actual[t] for each in moments])
    band = np.array([each.forecast[t, 0] for each in moments])
    about = times + horizons[0] * np.array([each.interval for each in moments])
    axis.fill_between(_days(about), band[:, 1], band[:, 2], color=BLUE, alpha=0.2, lw=0, label="interval")
    axis.plot(_days(about), band[:, 0], color=BLUE, lw=1.0, label="forecast")
    axis.plot(_days(times), values, color=INK, lw=0.9, label="actual")
    hot = np.array([each.hot for each in moments])
    axis.plot(_days(times[hot]), values[hot], "o", color=RED, ms=4, label="anomaly", zorder=3)
    last = moments[-1]
    ahead = last.time + last.interval * np.array(horizons)
    errors = np.abs(last.forecast[t, :, 1:].T - last.forecast[t, :, 0])
    axis.errorbar(_days(ahead), last.forecast[t, :, 0], errors, fmt="o", color=BLUE, ms=3, capsize=2, label="to come")
    known = values[np.isfinite(values)]
    if len(known):
        room = 0.2 * max(float(np.ptp(known)), 1e-9)
        axis.set_ylim(known.min() - room, known.max() + room)
    axis.spines[["top", "right"]].set_visible(False)
    axis.xaxis.set_major_formatter(dates.ConciseDateFormatter(dates.AutoDateLocator()))


def _days(seconds: Floats) -> Any:
    return dates.date2num([datetime.fromtimestamp(x, UTC) for x in seconds.tolist()])
