"""Faults of a water loop with eight sensors: SKAB (v0.9), the experiments that are there.

Protocol: every CSV under --data with the columns `anomaly` and `changepoint` is a stream of its own with the settings
as they are shipped, all sensors as features, rows once and in order. A row is called while an event is open. The first
400 rows of an experiment, and all of anomaly-free.csv, are clean.

    skab.files, skab.told       experiments, and those with an event that opens inside a labelled fault
    skab.false_clean            events that open in the clean stretches, all together
    skab.false                  events that open outside faults, in experiments
    skab.delay                  seconds from the first row of a fault to the event, mean
    skab.f1, .missed            by row, rows 400 to the end, learning all the time; .called is the share of the ordinary
                                rows there that is called
    skab.frozen.f1, .false, .missed   the same, learning only from rows 0 to 399; shares of ordinary and faulty rows
    skab.cpd.nab                change points: rows at which an event opens or closes; score of the NAB standard profile
                                with windows of 60 s to the right of each labelled one. skab.frozen.cpd.nab is without
                                learning
    skab.time                   microseconds a row

Published on all 34 experiments, outliers, F1 / false / missed (offline, trained on the first 400 rows): Conv-AE .78 /
13.6 % / 28.0 %, MSET .78 / 39.7 / 14.1, T-squared + Q .76 / 26.6 / 24.9.
Change points: MSCRED 32.4, T-squared + Q 25.4.
"""

import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure, figure
from streamrnn.messages import Batch
from tests.benchmarks.command import finish, reader, recorded
from tests.benchmarks.series import seconds

Flags = NDArray[np.bool_]
CLEAN = 400
WINDOW = 60.0  # seconds to the right of a change point
FALSE, MISSED = -0.11, -1.0  # what a false and a missed one earn
PUBLISHED = {
    "skab.frozen.f1@conv_ae": 0.78,
    "skab.frozen.f1@mset": 0.78,
    "skab.frozen.f1@t2_q": 0.76,
    "skab.cpd.nab@mscred": 32.4,
    "skab.cpd.nab@t2_q": 25.4,
}
GOALS = {
    "skab.told": ">= 15 of 16",
    "skab.false_clean": "<= 4",
    "skab.frozen.f1": ">= .80",
    "skab.frozen.false": "<= .15",
    "skab.cpd.nab": ">= 36",
}


class Experiment(NamedTuple):
    """One file: seconds, values (n, F), and what is known of the rows."""

    name: str
    sensors: tuple[str, ...]
    time: NDArray[np.float64]
    values: NDArray[np.float64]
    fault: Flags
    change: Flags


class Told(NamedTuple):
    """What was said of an experiment, row by row."""

    opened: Flags
    called: Flags
    changed: Flags


def read(path: Path, name: str) -> Experiment:
    """A file of the benchmark; without labels nothing in it is a fault."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    sensors = tuple(column for column in rows[0] if column not in ("datetime", "anomaly", "changepoint"))
    moments = np.array([seconds(row["datetime"]) for row in rows])
    values = np.array([[float(row[sensor]) for sensor in sensors] for row in rows])
    labels = [np.array([float(row.get(column) or 0.0) > 0.0 for row in rows]) for column in ("anomaly", "changepoint")]
    return Experiment(name, sensors, moments, values, *labels)


def experiments(directory: Path) -> Iterator[Experiment]:
    """All labelled files in any subfolder, in order of their names."""
    for path in sorted(directory.rglob("*.csv")):
        with path.open(encoding="utf-8") as file:
            head = file.readline().strip().split(";")
        if {"anomaly", "changepoint"} <= set(head):
            yield read(path, str(path.relative_to(directory)))


def judge(one: Experiment, learn: int | None = None) -> tuple[Told, float]:
    """The engine over one experiment, frozen after `learn` rows; also the microseconds a row took."""
    engine = Engine(spec.Model(features=one.sensors), 1)
    row, bits, spent = engine.admit([one.name]), [], 0.0
    cut = len(one.time) if learn is None else learn
    for part in (slice(0, cut), slice(cut, len(one.time))):
        n = len(one.time[part])
        if n == 0:
            continue
        engine.frozen = part.start > 0
        none = np.zeros(n, np.int64)
        batch = Batch([one.name], np.array([n]), [True], one.time[part], one.values[part], np.full(n, np.nan), none,
                      none - 1, none)  # fmt: skip
        begun = time.perf_counter()
        bits.append(engine.step(batch, row).bits)
        spent += time.perf_counter() - begun
    return _told(np.concatenate(bits)), 1e6 * spent / len(one.time)


def _told(bits: Any) -> Told:
    opened, ended = (bits & m.OPENED) != 0, (bits & (m.CLOSED | m.REGIME)) != 0
    state, called = False, np.zeros(len(bits), np.bool_)
    for t in range(len(bits)):
        state = (state or bool(opened[t])) and not ended[t]
        called[t] = state
    return Told(opened, called, np.diff(called.astype(int), prepend=0) != 0)


def shares(all_: Sequence[Experiment], told: Sequence[Told]) -> tuple[float, float, float]:
    """F1 by row, share of ordinary rows called, share of faulty rows not called; rows CLEAN and later."""
    fault = np.concatenate([one.fault[CLEAN:] for one in all_])
    called = np.concatenate([one.called[CLEAN:] for one in told])
    right, wrong, missed = (fault & called).sum(), (~fault & called).sum(), (fault & ~called).sum()
    return float(2 * right / max(2 * right + wrong + missed, 1)), float(wrong / (~fault).sum()), float(
        missed / fault.sum()
    )  # fmt: skip


def change_points(all_: Sequence[Experiment], told: Sequence[Told]) -> float:
    """The benchmark's score of change points: 0 for silence, 100 for each one at its first row and nothing else."""
    earned, best = 0.0, 0
    for one, said in zip(all_, told, strict=True):
        rows, free = one.time[said.changed], np.ones(int(said.changed.sum()), np.bool_)
        for moment in one.time[one.change]:
            inside = (rows >= moment) & (rows <= moment + WINDOW)
            free &= ~inside
            best += 1
            earned += _worth((rows[inside][0] - moment) / WINDOW) if inside.any() else MISSED
        earned += FALSE * int(free.sum())
    return 100.0 * (earned - MISSED * best) / (best - MISSED * best) if best else float("nan")


def _worth(late: float) -> float:
    """1 at the left end of a window, FALSE at its right end, along a hyperbolic tangent."""
    steep = np.tanh((late - 0.5) * np.pi) / np.tanh(0.5 * np.pi)
    return float((1.0 - FALSE) * 0.5 * (1.0 - steep) + FALSE)


def delay(all_: Sequence[Experiment], told: Sequence[Told]) -> tuple[int, float]:
    """Experiments told, and the mean seconds until they were."""
    found = []
    for one, said in zip(all_, told, strict=True):
        inside = np.flatnonzero(said.opened & one.fault)
        if len(inside):
            first = inside[0] - np.argmin(one.fault[inside[0] :: -1]) + 1
            found.append(one.time[inside[0]] - one.time[first])
    return len(found), float(np.mean(found)) if found else float("nan")


def measure(all_: Sequence[Experiment], clean: Sequence[Experiment]) -> list[Figure]:
    """All figures."""
    runs = [judge(one) for one in all_]
    told, frozen = [one for one, _ in runs], [judge(one, CLEAN)[0] for one in all_]
    false_clean = sum(int(judge(one)[0].opened.sum()) for one in clean)
    false_clean += sum(int(one.opened[:CLEAN].sum()) for one in told)
    number, late = delay(all_, told)
    f1, false, missed = shares(all_, told)
    frozen_f1, frozen_false, frozen_missed = shares(all_, frozen)
    outside = sum(int((said.opened & ~one.fault).sum()) for one, said in zip(all_, told, strict=True))
    return [
        figure("skab.files", len(all_), "1"),
        figure("skab.told", number, "1"),
        figure("skab.false_clean", false_clean, "events"),
        figure("skab.false", outside, "events"),
        figure("skab.delay", late, "s"),
        figure("skab.f1", f1, "1"),
        figure("skab.called", false, "1"),
        figure("skab.missed", missed, "1"),
        figure("skab.frozen.f1", frozen_f1, "1"),
        figure("skab.frozen.false", frozen_false, "1"),
        figure("skab.frozen.missed", frozen_missed, "1"),
        figure("skab.cpd.nab", change_points(all_, told), "points"),
        figure("skab.frozen.cpd.nab", change_points(all_, frozen), "points"),
        figure("skab.time", float(np.mean([spent for _, spent in runs])), "us/row"),
        *(figure(name, value, "published") for name, value in PUBLISHED.items()),
    ]


def main() -> None:
    given = reader(__doc__, "skab").parse_args()
    recorded(given.data)
    (directory,) = recorded(given.data.parent, given.data.name)
    path = directory / "anomaly-free.csv"
    clean = [read(path, path.name)] if path.exists() else []
    finish("SKAB", measure(list(experiments(directory)), clean), given.json, GOALS)


if __name__ == "__main__":
    main()
