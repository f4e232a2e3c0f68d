"""`bench engine`: what a compiled step costs on this machine, without sockets."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from streamrnn.cli.figures import Figure, figure, write
from streamrnn.cli.show import table

GATES = {"gru": 3, "lstm": 4}
SIZES = (16, 32, 64, 128)
WINDOW = 16
BATCH = 256  # observations in a call
INPUTS = 9  # of two features and one target
MATRIX = 1024  # of the product that the core's rate is measured with
START = """
import time
begin = time.perf_counter()
from streamrnn import spec
from streamrnn.engine import Engine
Engine(spec.Model(features=("a",), preset="light"), 1)
print(time.perf_counter() - begin)
"""


def command(
    as_json: Annotated[Path | None, typer.Option("--json", help="Write every figure as JSON.")] = None,
    seconds: Annotated[float, typer.Option(min=0.02, help="Length of each measurement.")] = 0.5,
    streams: Annotated[int, typer.Option(min=1, help="Streams of the largest bank.")] = 50_000,
) -> None:
    """Microseconds an observation for cells and sizes, everything on (two features, one target, one horizon, preset
    light: experts, intervals, anomaly score), on one core, beside that core's own matrix product in the same run.

    \b
    Examples:
      streamrnn bench engine
      streamrnn bench engine --json engine.json --streams 10000
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        rows = measure(seconds, streams)
    finally:
        os.sched_setaffinity(0, cores)
    made = table("bench engine", "figure", "value", "unit")
    for row in rows:
        made.add_row(row.name, "-" if row.value is None else f"{row.value:,.4g}", row.unit)
    Console().print(made)
    if as_json is not None:
        write(as_json, rows)


def measure(seconds: float, streams: int) -> list[Figure]:
    """All figures; about twenty measurements of `seconds` each."""
    rows = [figure("sgemm.gflops", sgemm(seconds), "GFLOP/s")]
    for kind in GATES:
        for size in SIZES:
            for stride in (16, 1):
                rows += _cell(kind, size, stride, seconds, rows[0].value or np.nan)
    rows.append(figure("gru32.one_call.us", 1e6 * _observation(_engine("gru", 32, 16, 1), 1, 1, seconds), "us"))
    for many in sorted({1, 1000, streams}):
        spent = _observation(_engine("gru", 16, 16, many), many, BATCH, seconds)
        rows.append(figure(f"gru16.streams{many}.obs_per_s", 1 / spent, "1/s"))
    return rows + _starts()


def sgemm(seconds: float) -> float:
    """GFLOP/s of numpy's float32 matrix product on the cores we have."""
    a = np.random.default_rng(0).standard_normal((MATRIX, MATRIX)).astype(np.float32)
    return 2 * MATRIX**3 / _shortest(lambda: a @ a, seconds) / 1e9


def _cell(kind: str, size: int, stride: int, seconds: float, rate: float) -> list[Figure]:
    """Time of an observation, and the multiply-adds of the cell alone (forward, and twice as many a row back)."""
    engine = _engine(kind, size, stride, 1)
    spent = _observation(engine, 1, BATCH, seconds)
    forward = 2 * GATES[kind] * size * (INPUTS + size)
    flops = forward * (1 + 2 * max(WINDOW, stride) / stride)
    name = f"{kind}{size}.stride{stride}"
    return [
        figure(f"{name}.us", 1e6 * spent, "us"),
        figure(f"{name}.gflops", flops / spent / 1e9, "GFLOP/s"),
        figure(f"{name}.sgemm_fraction", flops / spent / 1e9 / rate, "1"),
        figure(f"{name}.bytes_per_stream", engine.bytes_per_stream, "B"),
    ]


def _engine(kind: str, size: int, stride: int, streams: int) -> Any:
    from streamrnn import spec
    from streamrnn.engine import Engine

    layer = spec.Gru(size) if kind == "gru" else spec.Lstm(size)
    rule = spec.Tbptt(WINDOW, stride)
    model = spec.Model(features=("a", "b"), targets=("a",), preset="light", layers=(layer,), rule=rule)
    engine = Engine(model, streams)
    engine.admit([f"stream-{number}" for number in range(streams)])
    return engine


def _observation(engine: Any, streams: int, size: int, seconds: float) -> float:
    """Seconds an observation takes in calls of `size`, the streams touched at random: the median call."""
    from streamrnn.messages import Batch

    random = np.random.default_rng(1)
    clock = 1_700_000_000.0

    def batch() -> tuple[Batch, Any]:
        nonlocal clock
        clock += 60.0 * size
        times = clock + 60.0 * np.arange(size, dtype=np.float64)
        values = np.stack([np.sin(times / 900), random.standard_normal(size)], 1)
        rows = random.integers(streams, size=size)
        none, zeros = np.full(size, np.nan), np.zeros(size, np.int64)
        names = [engine.names[row] for row in rows.tolist()]
        ones = np.ones(size, np.int64)
        return Batch(names, ones, [False] * size, times, values, none, zeros, zeros - 1, zeros), rows

    spent: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(spent) < 40:
        made, rows = batch()
        begin = time.perf_counter()
        engine.step(made, rows)
        spent.append(time.perf_counter() - begin)
    return statistics.median(spent[len(spent) // 4 :]) / size  # the first quarter warms up


def _shortest(work: Callable[[], object], seconds: float) -> float:
    """The shortest of many runs."""
    spent: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(spent) < 3:
        begin = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begin)
    return min(spent)


def _starts() -> list[Figure]:
    """Seconds from the import to an engine that can answer: compiling, then from the cache."""
    with tempfile.TemporaryDirectory(prefix="streamrnn-") as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        told = [
            subprocess.run([sys.executable, "-c", START], env=environment, check=True, capture_output=True).stdout
            for _ in range(2)
        ]
    return [figure(f"start.{name}.s", float(out), "s") for name, out in zip(("cold", "cached"), told, strict=True)]
