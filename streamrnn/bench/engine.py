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

from streamrnn.bench import peers
from streamrnn.evaluation.figures import Figure, figure, write
from streamrnn.evaluation.show import table

GATES = {"gru": 3, "lstm": 4}
SIZES = (16, 32, 64, 128)
PRESETS = ("light", "standard", "full")
WINDOW = 16
BATCH = 256  # observations in a call
CROWD = 4096  # the same with many streams
INPUTS = 9  # of two features and one target
MATRIX = 1024  # of the product that the core's rate is measured with
START = """
import time
begin = time.perf_counter()
from streamrnn import spec
from streamrnn.engine.engine import Engine
Engine(spec.Model(features=("a",), preset="light"), 1)
print(time.perf_counter() - begin)
"""
PRODUCT = f"""
import time
import numpy as np
a = np.random.default_rng(0).standard_normal(({MATRIX}, {MATRIX})).astype(np.float32)
spent = []
for _ in range(12):
    begin = time.perf_counter()
    a @ a
    spent.append(time.perf_counter() - begin)
print({2 * MATRIX**3} / min(spent) / 1e9)
"""
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def command(
    as_json: Annotated[Path | None, typer.Option("--json", help="Write every figure as JSON.")] = None,
    seconds: Annotated[float, typer.Option(min=0.02, help="Length of each measurement.")] = 0.5,
    streams: Annotated[int, typer.Option(min=1, help="Streams of the largest bank.")] = 50_000,
    against: Annotated[list[str] | None, typer.Option(help="torch, deep-river: the same job there, in turns.")] = None,
) -> None:
    """Microseconds an observation for cells and sizes, on one core, beside that core's own matrix product in the same
    run.

    `us` is the learner alone: 9 inputs, cell, readout, likelihood, gradient over the window, clipping, Adam.
    `engine.us` is an observation with everything on: two features, one target, one horizon, preset light, one stream.
    `light.us`, `standard.us` and `full.us` are that of the presets, `streams1000.us` with 1,000 streams at random.

    \b
    Examples:
      streamrnn bench engine
      streamrnn bench engine --json engine.json --streams 10000
      streamrnn bench engine --against torch --against deep-river
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        rows = measure(seconds, streams)
        for name in against or ():
            rows += peers.against(name, lambda stride: _alone(_engine("gru", 32, stride, 1), seconds / 2), seconds)
    finally:
        os.sched_setaffinity(0, cores)
    rows += (_threads(seconds) if len(cores) > 1 else []) + _starts()
    made = table("bench engine", "figure", "value", "unit")
    for row in rows:
        made.add_row(row.name, "-" if row.value is None else f"{row.value:,.4g}", row.unit)
    Console().print(made)
    if as_json is not None:
        write(as_json, rows)


def measure(seconds: float, streams: int) -> list[Figure]:
    """All figures; about forty measurements of `seconds` each."""
    rows: list[Figure] = [figure("sgemm.gflops", sgemm(), "GFLOP/s")]
    for kind in GATES:
        for size in SIZES:
            for stride in (16, 1):
                rows += _cell(kind, size, stride, seconds, rows[0].value or np.nan)
    rows.append(figure("gru32.one_call.us", 1e6 * _observation(_engine("gru", 32, 16, 1), 1, 1, seconds), "us"))
    for preset in PRESETS:
        rows += _preset(preset, seconds)
    for many in sorted({1, 1000, streams}):
        spent = _observation(_engine("gru", 16, 16, many), many, BATCH if many == 1 else CROWD, seconds)
        rows.append(figure(f"gru16.streams{many}.obs_per_s", 1 / spent, "1/s"))
    return rows


def sgemm() -> float:
    """GFLOP/s of numpy's float32 matrix product on one core, in a process of its own: this one's pool of threads is
    already there and would take every core."""
    run = subprocess.run([sys.executable, "-c", PRODUCT], env={**os.environ, **ONE_THREAD}, check=True, stdout=-1)
    return float(run.stdout)


def _cell(kind: str, size: int, stride: int, seconds: float, rate: float) -> list[Figure]:
    """Time of an observation, and the multiply-adds of the cell alone: forward; a row back, which is twice as many less
    those for a gradient at the inputs, which nobody asks for."""
    engine = _engine(kind, size, stride, 1)
    learner = _alone(engine, seconds)
    forward, unasked = 2 * GATES[kind] * size * (INPUTS + size), 2 * GATES[kind] * size * INPUTS
    flops = forward + (2 * forward - unasked) * max(WINDOW, stride) / stride
    name = f"{kind}{size}.stride{stride}"
    return [
        figure(f"{name}.us", 1e6 * learner, "us"),
        figure(f"{name}.engine.us", 1e6 * _observation(engine, 1, BATCH, seconds), "us"),
        figure(f"{name}.gflops", flops / learner / 1e9, "GFLOP/s"),
        figure(f"{name}.sgemm_fraction", flops / learner / 1e9 / rate, "1"),
        figure(f"{name}.bytes_per_stream", engine.bytes_per_stream, "B"),
    ]


def _alone(engine: Any, seconds: float) -> float:
    """Seconds an observation takes the learner: the median call of 64 observations."""
    from streamrnn.kernels.step import network_only

    n = 64
    inputs = np.sin(np.arange(n)[:, None] / 7 + np.arange(INPUTS)).astype(np.float32)
    targets, none = np.sin(np.arange(n) / 7 + 0.5), np.empty(0, np.int64)
    places, real = engine.places
    return _median(lambda: network_only.run(places, real, inputs, targets, none), seconds) / n


def _engine(kind: str, size: int, stride: int, streams: int, threads: int = 1) -> Any:
    from streamrnn import spec
    from streamrnn.engine.engine import Engine

    layer = spec.Gru(size) if kind == "gru" else spec.Lstm(size)
    rule = spec.Tbptt(WINDOW, stride)
    model = spec.Model(features=("a", "b"), targets=("a",), preset="light", layers=(layer,), rule=rule)
    engine = Engine(model, streams, threads=threads)
    engine.admit([f"stream-{number}" for number in range(streams)])
    return engine


def _preset(preset: Any, seconds: float) -> list[Figure]:
    """Time of an observation with everything on, of one stream and of 1,000 touched at random; bytes of a stream."""
    from streamrnn import spec
    from streamrnn.engine.engine import Engine

    engine = Engine(spec.Model(features=("a", "b"), targets=("a",), preset=preset), 1000)
    engine.admit([f"stream-{number}" for number in range(1000)])
    rows = [figure(f"{preset}.bytes_per_stream", engine.bytes_per_stream, "B")]
    for many, name in ((1, "us"), (1000, "streams1000.us")):
        spent = _observation(engine, many, BATCH if many == 1 else CROWD, seconds)
        rows.append(figure(f"{preset}.{name}", 1e6 * spent, "us"))
    return rows


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


def _median(work: Callable[[], object], seconds: float) -> float:
    """The median of many runs, the first quarter left out."""
    spent: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(spent) < 40:
        begin = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begin)
    return statistics.median(spent[len(spent) // 4 :])


def _threads(seconds: float) -> list[Figure]:
    """How much quicker two threads are than one on 1,000 streams of GRU(32), in alternation on two cores."""
    pair = [_engine("gru", 32, 16, 1000, threads) for threads in (1, 2)]
    ratios = []
    for _ in range(5):
        one, two = (_observation(engine, 1000, CROWD, seconds / 3) for engine in pair)
        ratios.append(one / two)
    return [figure("gru32.threads2.speedup", statistics.median(ratios), "1")]


def _starts() -> list[Figure]:
    """Seconds from the import to an engine that can answer: compiling, then from the cache."""
    with tempfile.TemporaryDirectory(prefix="streamrnn-") as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        told = [
            subprocess.run([sys.executable, "-c", START], env=environment, check=True, capture_output=True).stdout
            for _ in range(2)
        ]
    return [figure(f"start.{name}.s", float(out), "s") for name, out in zip(("cold", "cached"), told, strict=True)]
