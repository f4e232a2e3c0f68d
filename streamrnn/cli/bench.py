"""`bench`: what the service can do on this machine, through real sockets."""

import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
import zmq
from rich.console import Console

from streamrnn.bench import durable, engine
from streamrnn.bench.child import Child, daemon, fetch, free_ports, samples
from streamrnn.bench.load import Load, Rate
from streamrnn.evaluation.figures import Figure, figure, write
from streamrnn.evaluation.show import refuse_unwritable, table

HELP = """\
Measure what this machine can do.

\b
Examples:
  streamrnn bench service --json service.json
  streamrnn bench engine
  streamrnn bench durable
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

MODEL = """\
[model]
features = ["x"]
preset = "light"
layers = [{ kind = "gru", size = 32 }]
rule = { kind = "tbptt", window = 16, stride = 16 }
"""
SETTINGS = '[state]\npath = "{path}"\ndurability = "off"\n[log]\nlevel = "warning"\n'
STREAMS = 16
ROUNDS = 3  # ours and the bare loop in turn
FRAME = 64  # observations in a columnar frame
WINDOW, FRAME_WINDOW = 1000, 64  # messages in flight
VALUES = [math.sin(i / 20) + 0.1 * math.sin(i * 1.7) for i in range(4096)]
TEXTS = [b"%.6f" % value for value in VALUES]
START = 1_700_000_000


@app.callback()
def _group() -> None:
    """A group, so that further benches become `bench NAME`."""


app.command("engine")(engine.command)
app.command("durable")(durable.command)


@app.command("service")
def service(
    as_json: Annotated[Path | None, typer.Option("--json", help="Write every figure as JSON.")] = None,
    seconds: Annotated[float, typer.Option(min=0.2, help="Length of each of about ten measurements.")] = 3.0,
) -> None:
    """Observations a second and latency of the daemon through real sockets, beside a bare receive-decode-encode-send
    loop on the same core in the same run.

    The daemon has one core, the client the others. Preset light with GRU(32), window 16, stride 16, one horizon, one
    subscriber, durability off, intervals and anomalies on. Rates are the most that is served with a window in
    flight; latencies are at half of that rate, counted from the time a message should have been sent.

    \b
    Examples:
      streamrnn bench service
      streamrnn bench service --json service.json --seconds 10
    """
    refuse_unwritable(as_json)
    rows = measure(seconds)
    made = table("bench service", "figure", "value", "unit")
    for row in rows:
        made.add_row(
            row.name,
            "-" if row.value is None else f"{row.value:,.3g}" if row.value < 100 else f"{row.value:,.0f}",
            row.unit,
        )
    Console().print(made)
    if as_json is not None:
        write(as_json, rows)


def measure(seconds: float) -> list[Figure]:
    """All figures; about ten measurements of `seconds` each."""
    cores = sorted(os.sched_getaffinity(0))
    served = {cores[0]}
    os.sched_setaffinity(0, set(cores[1:]) or served)
    try:
        with tempfile.TemporaryDirectory(prefix="streamrnn-") as name, zmq.Context() as context:
            directory = Path(name)
            settings = SETTINGS.format(path=directory / "state")
            with daemon(MODEL, directory, settings, served) as child:
                return _measure(context, child, directory, served, seconds)
    finally:
        os.sched_setaffinity(0, cores)


def _measure(
    context: zmq.Context[zmq.Socket[bytes]], child: Child, directory: Path, served: set[int], seconds: float
) -> list[Figure]:
    with client(context, child.input, child.output, single) as load:
        first = load.closed(min(seconds, 1.0), WINDOW)  # also fills the windows of what is learned
        with bare(directory, first.body, served) as (entry, out), client(context, entry, out, single) as other:
            pairs = [(load.closed(seconds, WINDOW), other.closed(seconds, WINDOW)) for _ in range(ROUNDS)]
        ours, theirs = _middle([a for a, _ in pairs]), _middle([b for _, b in pairs])
        before = fetch(f"{child.metrics}/metrics")
        delay = load.open(seconds, ours.per_s / 2)
        after = fetch(f"{child.metrics}/metrics")
    frames = {}
    for name, make in (("frame64", columnar("msgpack")), ("frame64_json", columnar("json"))):
        with client(context, child.input, child.output, make) as load:
            frames[name] = _middle([load.closed(seconds, FRAME_WINDOW) for _ in range(ROUNDS)])
    inside = quantiles(before, after)
    return [
        figure("service.json.obs_per_s", ours.per_s, "1/s"),
        figure("service.json.bare_obs_per_s", theirs.per_s, "1/s"),
        figure("service.json.bare_fraction", ours.per_s / theirs.per_s, "1"),
        figure("service.json.client_busy", ours.client, "1"),
        figure("service.json.bare_client_busy", theirs.client, "1"),
        figure("service.json.bytes_in", len(single(0)), "B"),
        figure("service.json.bytes_out", len(ours.body), "B"),
        *(figure(f"service.{name}.obs_per_s", FRAME * rate.per_s, "1/s") for name, rate in frames.items()),
        *(figure(f"service.{name}.client_busy", rate.client, "1") for name, rate in frames.items()),
        figure("service.latency.rate", ours.per_s / 2, "1/s"),
        *(figure(f"service.latency.{name}_ms", 1e3 * value, "ms") for name, value in inside.items()),
        *(
            figure(f"service.latency.roundtrip_{name}_ms", 1e3 * float(np.quantile(delay, q)), "ms")
            for name, q in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
        ),
    ]


def single(i: int) -> bytes:
    """Observation number i as one JSON message; the streams take turns."""
    return b'{"stream":"stream-%02d","time":%d,"values":{"x":%s}}' % (
        i % STREAMS,
        START + i // STREAMS,
        TEXTS[i // STREAMS % len(TEXTS)],
    )


def columnar(form: str) -> Callable[[int], bytes]:
    """Frame number i, "json" or "msgpack": FRAME observations of one stream as columns; each form has its streams."""
    encode = msgspec.json.encode if form == "json" else msgspec.msgpack.encode
    values = [VALUES[k : k + FRAME] for k in range(0, len(VALUES), FRAME)]

    def make(i: int) -> bytes:
        number = i // STREAMS
        first = START + FRAME * number
        columns = {"x": values[number % len(values)]}
        time = list(range(first, first + FRAME))
        return encode({"stream": f"{form}-{i % STREAMS:02d}", "time": time, "values": columns})

    return make


@contextmanager
def client(
    context: zmq.Context[zmq.Socket[bytes]], entry: str, out: str, make: Callable[[int], bytes]
) -> Iterator[Load]:
    """A client that has met its server."""
    load = Load(context, entry, out, make)
    try:
        load.meet()
        yield load
    finally:
        load.close()


@contextmanager
def bare(directory: Path, template: bytes, cpus: set[int]) -> Iterator[tuple[str, str]]:
    """The bare loop as a process of its own on the same core."""
    path = directory / "template.json"
    path.write_bytes(template)
    entry, out = (f"tcp://127.0.0.1:{port}" for port in free_ports(2))
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        process = subprocess.Popen([sys.executable, "-m", "streamrnn.bench.bare", entry, out, str(path)])
    finally:
        os.sched_setaffinity(0, own)
    try:
        yield entry, out
    finally:
        process.kill()
        process.wait()


def quantiles(before: str, after: str) -> dict[str, float]:
    """p50 and p99 of the daemon's own latency, received to published, in seconds, between two scrapes."""
    name = "streamrnn_latency_seconds_bucket"
    counts = [
        {float(dict(labels)["le"]): value for (key, labels), value in samples(text).items() if key == name}
        for text in (before, after)
    ]
    edges = sorted(counts[1])
    total = np.array([counts[1][edge] - counts[0].get(edge, 0.0) for edge in edges])
    finite = np.array([edge for edge in edges if edge < math.inf])
    return {f"p{100 * q:.0f}": _interpolate(finite, total, q) for q in (0.5, 0.99)}


def _interpolate(edges: np.ndarray, total: np.ndarray, q: float) -> float:
    """The quantile of a cumulative histogram, linear within a bucket as Prometheus has it."""
    wanted = q * total[-1]
    k = int(np.searchsorted(total, wanted))
    if k >= len(edges) or not total[-1]:
        return math.inf if total[-1] else math.nan
    low, under = (edges[k - 1], total[k - 1]) if k else (0.0, 0.0)
    return float(low + (edges[k] - low) * (wanted - under) / (total[k] - under))


def _middle(rates: list[Rate]) -> Rate:
    """The median one."""
    middle = statistics.median_low(rate.per_s for rate in rates)
    return next(rate for rate in rates if rate.per_s == middle)
