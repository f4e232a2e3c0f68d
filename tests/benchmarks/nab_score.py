"""The score of the Numenta Anomaly Benchmark (v1.1), from its rules. Checked: the min-max rule gets 52.52 on the half
that the project has.

Of a file's rows, the first min(15 %, 750) are not scored. In each window the best detection counts, by how early it is;
a window without one costs; every detection outside costs the more the farther it is behind the last window.
"""

import csv
import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Profile(NamedTuple):
    """What a false alarm and a missed window cost; a detection is worth 1."""

    false: float
    missed: float


PROFILES = {"standard": Profile(0.11, 1.0), "lowfp": Profile(0.22, 1.0), "lowfn": Profile(0.11, 2.0)}


class Series(NamedTuple):
    """One file; `credit` is what a detection at each row is worth, `window` its window or -1."""

    name: str  # category/file.csv
    stamps: list[str]
    time: Floats  # seconds since the epoch
    value: Floats
    windows: list[tuple[int, int]]  # first and last row
    window: NDArray[np.int64]
    credit: Floats

    @property
    def category(self) -> str:
        return self.name.split("/", maxsplit=1)[0]

    @property
    def probation(self) -> int:
        return min(int(0.15 * len(self.value)), 750)


class Tally(NamedTuple):
    """What a detector did on one file, or on several."""

    earned: float  # credit of the best detections
    found: int  # windows
    missed: int
    false: float  # credit of the detections outside, not above 0
    alarms: int


def sigmoid(x: float) -> float:
    return 2.0 / (1.0 + math.exp(5.0 * x)) - 1.0


def credits(n: int, windows: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], Floats]:
    """Window and worth of a detection at each of n rows."""
    window, credit = np.full(n, -1), np.full(n, -1.0)
    for number, (first, last) in enumerate(sorted(windows)):
        width = last - first + 1
        window[first : last + 1] = number
        credit[first : last + 1] = [sigmoid(-(last - i + 1) / width) / sigmoid(-1.0) for i in range(first, last + 1)]
        for i in range(last + 1, n):
            behind = (i - last) / (width - 1) if width > 1 else math.inf
            credit[i] = sigmoid(behind) if behind <= 3.0 else -1.0
    return window, credit


def corpus(directory: Path) -> Iterator[Series]:
    """The files that have labels, in order of their names."""
    labels: dict[str, Any] = json.loads((directory / "labels" / "combined_windows.json").read_text())
    for name in sorted(labels):
        with (directory / "data" / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
        stamps = [row["timestamp"] for row in rows]
        time = np.array([_seconds(stamp) for stamp in stamps])
        windows = []
        for start, end in labels[name]:
            inside = np.flatnonzero((time >= _seconds(start)) & (time <= _seconds(end)))
            windows.append((int(inside[0]), int(inside[-1])))
        window, credit = credits(len(rows), windows)
        yield Series(name, stamps, time, np.array([float(row["value"]) for row in rows]), windows, window, credit)


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()


def tally(series: Series, alarm: NDArray[np.bool_]) -> Tally:
    """What the alarms of one file come to."""
    rows = np.flatnonzero(alarm)
    rows = rows[rows >= series.probation]
    best = [
        series.credit[rows[series.window[rows] == number]].max(initial=-np.inf) for number in range(len(series.windows))
    ]
    found = [credit for credit in best if credit > -np.inf]
    false = series.credit[rows[series.window[rows] < 0]].sum()
    return Tally(float(sum(found)), len(found), len(best) - len(found), float(false), len(rows))


def total(tallies: Sequence[Tally]) -> Tally:
    """All of them together."""
    return Tally(*(sum(column) for column in zip(*tallies, strict=True))) if tallies else Tally(0.0, 0, 0, 0.0, 0)


def score(tallies: Sequence[Tally], profile: Profile) -> float:
    """0 for a detector that says nothing, 100 for one that finds every window at its first row and no more."""
    sum_ = total(tallies)
    windows = sum_.found + sum_.missed
    null = -profile.missed * windows
    raw = sum_.earned - profile.missed * sum_.missed + profile.false * sum_.false
    return 100.0 * (raw - null) / (windows - null) if windows else math.nan
