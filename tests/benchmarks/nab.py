"""Anomalies in 58 labelled series: the Numenta Anomaly Benchmark (v1.1), on the files that are there.

Protocol: every file is a stream of the engine with the defaults of the preset `standard`; its rows come once, in order,
with their time, and the published `anomaly_score` is the score. Nothing is set per file; neither minimum, maximum nor
length of a file is known in advance; labels are never seen. One threshold, frozen: 0.5. Scored by the rules of the
benchmark (`nab_score`), three profiles; probation is not scored.

    nab.standard, .lowfp, .lowfn   at the frozen threshold
    nab.threshold                  that threshold
    nab.cross.standard             each category at the threshold that was best on all the others
    nab.norange.standard           without a rule about leaving the range seen so far; there is none in the detector, so
                                   this is nab.standard again
    nab.inrange.standard           alarms where such a rule would fire too are taken away: more than range breaks
    nab.without.MONITOR.standard   without one of the monitors; nab.light.standard is the preset `light`
    nab.alerts.N.standard          with other alert rates, and nab.at.T.standard other thresholds: how flat the curve is
    nab.halves.standard            mean over 100 random halves, stratified by category: threshold, alert rate and
                                   monitors are chosen on one half and scored on the other
    NAME@minmax                    anchor: 1 where a value leaves the range seen so far by 5 % of it
    NAME@halfspacetrees            anchor: river's HalfSpaceTrees; both with the threshold that suits them best here

Published, all 58 files, each with its best threshold (standard / low FP / low FN): ARTime 74.9 / 65.2 / 80.4, HTM 70.1
/ 63.2 / 74.3, CAD OSE 69.9 / 67.0 / 73.2. The scores are written in the benchmark's own form, the file
DIRECTORY/CATEGORY/streamrnn_FILE with the columns timestamp, value, anomaly_score, label.
"""

import csv
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure, figure
from streamrnn.evaluation.show import table
from streamrnn.messages import Batch
from streamrnn.model.sizes import resolve
from tests.benchmarks.command import finish, reader, recorded
from tests.benchmarks.nab_score import PROFILES, Series, Tally, corpus, score, tally, total

Floats = NDArray[np.float64]
THRESHOLD = 0.5
THRESHOLDS = (0.45, 0.475, 0.49, 0.5, 0.51, 0.525, 0.55, 0.6)
ALERTS = (0.25, 0.5, 2.0, 4.0)
HALVES = 100
PART = 512  # rows in a batch
GOALS = {
    "nab.standard": ">= 77",
    "nab.halves.standard": ">= 73",
    "nab.standard@minmax": "52.5 on the half",
}


def detect(files: Sequence[Series], model: spec.Model) -> tuple[list[Floats], float]:
    """The anomaly scores of every file, 0 where there was none, and the microseconds a row took."""
    engine = Engine(model, len(files))
    found, seconds, rows = [], 0.0, 0
    for series in files:
        scores = []
        for start in range(0, len(series.value), PART):
            batch = _batch(series, slice(start, start + PART))
            began = time.perf_counter()
            scores.append(engine.step(batch, engine.admit(batch.names)).score)
            seconds += time.perf_counter() - began
            rows += len(batch)
        found.append(np.nan_to_num(np.concatenate(scores)))
    return found, 1e6 * seconds / rows


def _batch(series: Series, part: slice) -> Batch:
    moments, n = series.time[part], len(series.time[part])
    none = np.zeros(n, np.int64)
    return Batch(
        names=[series.name],
        lengths=np.array([n]),
        columnar=[True],
        time=moments,
        values=series.value[part].reshape(n, 1),
        label=np.full(n, np.nan),
        ident=none,
        seq=none - 1,
        bits=none,
    )


def leaves_range(series: Series) -> NDArray[np.bool_]:
    """Where a value leaves the range seen so far by more than 5 % of it."""
    high, low = np.maximum.accumulate(series.value)[:-1], np.minimum.accumulate(series.value)[:-1]
    margin, later = 0.05 * (high - low), series.value[1:]
    return np.concatenate([[False], (later > high + margin) | (later < low - margin)])


def half_space_trees(series: Series) -> Floats:
    """river's HalfSpaceTrees behind its running MinMaxScaler, scored before it learns."""
    from river import anomaly, compose, preprocessing

    model = compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=1))
    found = []
    for value in series.value.tolist():
        row = {"value": value}
        model["MinMaxScaler"].learn_one(row)
        found.append(model.score_one(row))
        model.learn_one(row)
    return np.array(found)


def tallies(files: Sequence[Series], scores: Sequence[Floats], threshold: float) -> list[Tally]:
    return [tally(series, found >= threshold) for series, found in zip(files, scores, strict=True)]


def best(files: Sequence[Series], scores: Sequence[Floats], choices: Sequence[float], name: str = "standard") -> float:
    """The threshold among the choices that scores best on these files."""
    return max(choices, key=lambda threshold: score(tallies(files, scores, threshold), PROFILES[name]))


def crossed(files: Sequence[Series], scores: Sequence[Floats]) -> float:
    """Standard score with, for each category, the threshold that is best on the others."""
    told: list[Tally] = []
    for category in sorted({series.category for series in files}):
        inside = [i for i, series in enumerate(files) if series.category == category]
        outside = [i for i in range(len(files)) if i not in inside]
        threshold = best([files[i] for i in outside], [scores[i] for i in outside], THRESHOLDS)
        told += tallies([files[i] for i in inside], [scores[i] for i in inside], threshold)
    return score(told, PROFILES["standard"])


def halves(files: Sequence[Series], runs: Sequence[Sequence[Floats]]) -> tuple[float, float]:
    """Mean and spread of the standard score on far halves: run and threshold are chosen on the near half."""
    ledger = [[tallies(files, run, threshold) for threshold in THRESHOLDS] for run in runs]
    random = np.random.default_rng(1)
    found = []
    for _ in range(HALVES):
        near, far = _halve(files, random)
        table_ = [(score([told[i] for i in near], PROFILES["standard"]), told) for run in ledger for told in run]
        _, told = max(table_, key=lambda entry: entry[0])
        found.append(score([told[i] for i in far], PROFILES["standard"]))
    return float(np.mean(found)), float(np.std(found))


def _halve(files: Sequence[Series], random: np.random.Generator) -> tuple[list[int], list[int]]:
    near, far = [], []
    for category in sorted({series.category for series in files}):
        inside = random.permutation([i for i, series in enumerate(files) if series.category == category]).tolist()
        middle = len(inside) // 2 + int(random.integers(2)) * (len(inside) % 2)
        near += inside[:middle]
        far += inside[middle:]
    return near, far


def variants() -> dict[str, spec.Model]:
    """The configurations beside the default one."""
    settings = {f"alerts.{alerts:g}": (spec.Anomaly(alerts_per_week=alerts),) for alerts in ALERTS}
    made = {name: _model(monitors=monitors) for name, monitors in settings.items()}
    monitors = resolve(_model()).watching
    for number, monitor in enumerate(monitors):
        name = monitor.__struct_config__.tag + (f"_{monitor.rate:g}" if isinstance(monitor, spec.Mean) else "")
        made[f"without.{name}"] = _model(monitors=monitors[:number] + monitors[number + 1 :])
    return {**made, "light": _model(preset="light")}


def _model(**changes: Any) -> spec.Model:
    return spec.Model(features=("value",), **changes)


def keep(directory: Path, files: Sequence[Series], scores: Sequence[Floats]) -> None:
    """Write the scores in the benchmark's form."""
    for series, found in zip(files, scores, strict=True):
        path = directory / series.category / f"streamrnn_{series.name.split('/')[1]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["timestamp", "value", "anomaly_score", "label"])
            labels = (series.window >= 0).astype(int).tolist()
            writer.writerows(zip(series.stamps, series.value.tolist(), found.tolist(), labels, strict=True))


def categories(files: Sequence[Series], scores: Sequence[Floats], threshold: float) -> None:
    """Print what was found in each category."""
    heads = ("category", "files", "windows", "found", "false alarms", "score")
    made = table(f"By category, threshold {threshold:g}", *heads)
    for category in sorted({series.category for series in files}):
        chosen = [i for i, series in enumerate(files) if series.category == category]
        told = tallies([files[i] for i in chosen], [scores[i] for i in chosen], threshold)
        sum_ = total(told)
        outside = sum(int((files[i].window[_alarms(files[i], scores[i], threshold)] < 0).sum()) for i in chosen)
        windows, value = sum_.found + sum_.missed, score(told, PROFILES["standard"])
        made.add_row(category, f"{len(chosen)}", f"{windows}", f"{sum_.found}", f"{outside}", f"{value:.1f}")
    _print(made)


def _alarms(series: Series, found: Floats, threshold: float) -> NDArray[np.int64]:
    rows = np.flatnonzero(found >= threshold)
    return rows[rows >= series.probation]


def _print(made: Any) -> None:
    from rich.console import Console

    Console(width=120).print(made)


def anchors(files: Sequence[Series]) -> list[Figure]:
    """The rows of the anchors, each with its best threshold."""
    detectors: dict[str, Callable[[Series], Floats]] = {
        "minmax": lambda series: leaves_range(series).astype(np.float64),
        "halfspacetrees": half_space_trees,
    }
    rows = []
    for anchor, detector in detectors.items():
        began = time.perf_counter()
        scores = [detector(series) for series in files]
        micros = 1e6 * (time.perf_counter() - began) / sum(len(found) for found in scores)
        choices = [0.5] if anchor == "minmax" else np.quantile(np.concatenate(scores), 1 - np.geomspace(1e-4, 0.1, 25))
        for name, profile in PROFILES.items():
            threshold = best(files, scores, list(choices), name)
            rows.append(figure(f"nab.{name}@{anchor}", score(tallies(files, scores, threshold), profile), "points"))
            if name == "standard":
                rows.append(figure(f"nab.threshold@{anchor}", threshold, "1"))
        rows.append(figure(f"nab.time@{anchor}", micros, "us/row"))
    return rows


def measure(files: Sequence[Series], scores: Sequence[Floats], threshold: float) -> list[Figure]:
    """The rows of one run at one threshold."""
    told = tallies(files, scores, threshold)
    rows = [figure(f"nab.{name}", score(told, profile), "points") for name, profile in PROFILES.items()]
    strict = [
        tally(series, (found >= threshold) & ~leaves_range(series)) for series, found in zip(files, scores, strict=True)
    ]
    return [
        *rows,
        figure("nab.threshold", threshold, "1"),
        figure("nab.cross.standard", crossed(files, scores), "points"),
        figure("nab.norange.standard", rows[0].value, "points"),
        figure("nab.inrange.standard", score(strict, PROFILES["standard"]), "points"),
        figure("nab.found", total(told).found, "windows"),
        figure("nab.alarms", total(told).alarms, "alarms"),
    ]


def main() -> None:
    arguments = reader(__doc__, "nab")
    arguments.add_argument("--threshold", type=float, default=THRESHOLD, help=f"of the score (default {THRESHOLD})")
    arguments.add_argument("--scores", type=Path, default=Path("nab_scores"), help="where the scores of every row go")
    arguments.add_argument("--quick", action="store_true", help="the default configuration alone, without anchors")
    given = arguments.parse_args()
    recorded(given.data, "labels/combined_windows.json", "data")
    files = list(corpus(given.data))
    scores, micros = detect(files, _model())
    keep(given.scores, files, scores)
    rows = [*measure(files, scores, given.threshold), figure("nab.time", micros, "us/row")]
    categories(files, scores, given.threshold)
    if not given.quick:
        runs = [scores]
        for name, model in variants().items():
            run, _ = detect(files, model)
            runs.append(run)
            value = score(tallies(files, run, given.threshold), PROFILES["standard"])
            rows.append(figure(f"nab.{name}.standard", value, "points"))
        for threshold in THRESHOLDS:
            value = score(tallies(files, scores, threshold), PROFILES["standard"])
            rows.append(figure(f"nab.at.{threshold:g}.standard", value, "points"))
        mean, spread = halves(files, runs)
        rows += [figure("nab.halves.standard", mean, "points"), figure("nab.halves.spread", spread, "points")]
        rows += anchors(files)
    finish("Numenta Anomaly Benchmark", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
