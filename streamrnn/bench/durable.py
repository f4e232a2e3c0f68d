"""`bench durable`: the acked input, from a producer's send to the ack that says it is on the disk."""

import math
import os
import shutil
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
import zmq
from rich.console import Console

from streamrnn.bench.child import Child, daemon, free_ports
from streamrnn.client import Producer
from streamrnn.errors import StreamrnnError
from streamrnn.evaluation.figures import Figure, figure, write
from streamrnn.evaluation.show import refuse_unwritable, table
from streamrnn.messages import Floats

MODEL = """\
[model]
features = ["x"]
preset = "light"
layers = [{{ kind = "gru", size = 32 }}]
rule = {{ kind = "tbptt", window = 16, stride = 16 }}
[[input]]
kind = "router"
endpoint = "{endpoint}"
"""
SETTINGS = '[limits]\nthreads = {threads}\n[state]\npath = "{path}"\ndurability = "commit"\n[log]\nlevel = "warning"\n'
STREAMS = 16
FRAME = 64  # observations in a columnar frame
WINDOW, FRAME_WINDOW, SLOW_WINDOW = 512, 32, 1024  # messages under way
OFFERED = 20_000  # messages a second at which latencies are taken, if the machine can
SLOW_OFFERED = 10_000
DELAY_MS = 10  # of the slow disk
ROUNDS = 3
START = 1_700_000_000
VALUES = [math.sin(i / 20) + 0.1 * math.sin(i * 1.7) for i in range(4096)]
PATIENCE = 60.0
QUANTILES: dict[str, dict[str, float]] = {
    "single": {"p50": 0.5, "p99": 0.99, "p999": 0.999},
    "frame64": {},
    "slow_disk": {"p50": 0.5, "p99": 0.99},
}


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    name: str
    policy: str
    per_s: float  # observations acknowledged a second
    offered: float  # messages a second while latencies were taken; 0: they were not
    delay: Floats  # seconds from the intended time of sending to the ack

    def quantile(self, q: float) -> float | None:
        """In milliseconds."""
        return 1e3 * float(np.quantile(self.delay, q)) if len(self.delay) else None


@dataclass
class Tally:
    """What was acknowledged, and what the daemon had learned of it in the end."""

    acked: int = 0
    lost: int = 0
    twice: int = 0


def command(
    as_json: Annotated[Path | None, typer.Option("--json", help="Write every figure as JSON.")] = None,
    seconds: Annotated[float, typer.Option(min=0.2, help="Length of each of about ten measurements.")] = 5.0,
) -> None:
    """Durable observations a second and the time to their ack, with the fsync policy and the loss beside them.

    A producer and the daemon, with limits.threads as many, share all cores. Every ack follows an fdatasync. Preset
    light with GRU(32), window 16, stride 16, one horizon, intervals and anomalies on, 16 streams, no subscriber. Rates
    are the most with a window under way, the median of three; times to the ack are at 20,000 messages a second (slow
    disk: 10,000), or three quarters of the most if that is less, counted from the time a message should have been sent.
    Each daemon is killed with SIGKILL under load, started again and fed the rest: lost and twice say what became of the
    acknowledged. The slow disk (10 ms more for every fdatasync) needs strace.

    \b
    Examples:
      streamrnn bench durable
      streamrnn bench durable --json durable.json --seconds 20
    """
    refuse_unwritable(as_json)
    tally, lines = Tally(), []
    for name, under, make, size, window, offered in (
        ("single", [], single, 1, WINDOW, OFFERED),
        ("frame64", [], frame, FRAME, FRAME_WINDOW, 0),
        ("slow_disk", slow(), single, 1, SLOW_WINDOW, SLOW_OFFERED),
    ):
        if under is not None:
            with tempfile.TemporaryDirectory(prefix="streamrnn-") as directory:
                bench = Bench(Path(directory), under, make, size, window)
                lines.append(bench.run(name, seconds, offered, tally))
    show(lines, tally)
    if as_json is not None:
        write(as_json, figures(lines, tally))


def slow() -> list[str] | None:
    """What makes a disk slow; None without strace."""
    tracer = shutil.which("strace")
    if tracer is None:
        return None
    options = ["-D", "-f", "-qqq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync"]
    return [tracer, *options, "-e", f"inject=fdatasync:delay_enter={1000 * DELAY_MS}"]


def single(i: int) -> bytes:
    """Observation number i as one JSON message; the streams take turns."""
    value, moment = VALUES[i // STREAMS % len(VALUES)], START + i // STREAMS
    return b'{"stream":"stream-%02d","time":%d,"values":{"x":%.6f}}' % (i % STREAMS, moment, value)


def frame(i: int) -> bytes:
    """Frame number i: FRAME observations of one stream as MessagePack columns."""
    number = i // STREAMS
    first = FRAME * number
    time = list(range(START + first, START + first + FRAME))
    values = [VALUES[(first + k) % len(VALUES)] for k in range(FRAME)]
    return msgspec.msgpack.encode({"stream": f"stream-{i % STREAMS:02d}", "time": time, "values": {"x": values}})


class Bench:
    """One state directory, measured, killed, and counted."""

    def __init__(self, directory: Path, under: list[str], make: Callable[[int], bytes], size: int, window: int) -> None:
        self._directory = directory
        self._under = under
        self._make = make
        self._size = size
        self._window = window
        self._bodies: deque[bytes] = deque()
        self._made = 0

    def run(self, name: str, seconds: float, offered: float, tally: Tally) -> Line:
        """Measure, then kill, restart and count."""
        with self._serving() as (child, producer):
            self._closed(producer, min(seconds, 1.0))  # fills the windows of what is learned
            rate = statistics.median(self._closed(producer, seconds) for _ in range(ROUNDS))
            delay = np.empty(0)
            if offered:
                offered = min(offered, 0.75 * rate)
                delay = self._open(producer, offered, seconds)
            self._feed(producer, 4 * self._window)
            child.process.kill()  # with messages under way
            child.process.wait()
            acked = producer.accepted
        with self._serving() as (child, producer):
            tally.lost += max(0, acked - producer.accepted)
            self._made = producer.accepted // self._size
            self._bodies.clear()
            self._feed(producer, 4 * self._window)
            producer.flush()
            learned = sum(self._learned(child, producer.accepted))
            tally.acked += producer.accepted
            tally.lost += max(0, producer.accepted - learned)
            tally.twice += max(0, learned - producer.accepted)
        policy = "each ack" if not self._under else f"each ack, +{DELAY_MS} ms"
        return Line(name, policy, self._size * rate, offered, delay)

    @contextmanager
    def _serving(self) -> Iterator[tuple[Child, Producer]]:
        """A daemon on the state as it is, and a producer that goes on where it was."""
        endpoint = f"tcp://127.0.0.1:{free_ports(1)[0]}"
        settings = SETTINGS.format(path=self._directory / "state", threads=len(os.sched_getaffinity(0)))
        with daemon(MODEL.format(endpoint=endpoint), self._directory, settings, under=self._under) as child:
            producer = Producer(endpoint, "bench", epoch=1, window=self._window, patience=PATIENCE)
            try:
                yield child, producer
            finally:
                producer.leave()

    def _body(self) -> bytes:
        """The next one; made beforehand by the thousand, so that making them is not measured as sending."""
        if not self._bodies:
            self._bodies.extend(self._make(i) for i in range(self._made, self._made + 1000))
            self._made += 1000
        return self._bodies.popleft()

    def _feed(self, producer: Producer, messages: int) -> None:
        for _ in range(messages):
            producer.send(self._body(), self._size)

    def _closed(self, producer: Producer, seconds: float) -> float:
        """Messages a second, with a window under way."""
        begin, before = time.perf_counter(), producer.accepted
        while time.perf_counter() - begin < seconds:
            self._feed(producer, 16)
        producer.flush()
        return (producer.accepted - before) / self._size / (time.perf_counter() - begin)

    def _open(self, producer: Producer, rate: float, seconds: float) -> Floats:
        """Seconds from the intended time of sending to the ack, of every message sent at `rate` a second."""
        count, first = int(rate * seconds), producer.accepted
        delay, sent, got = np.empty(count), 0, 0
        start = time.perf_counter()
        while got < count:
            due = min(count, int((time.perf_counter() - start) * rate) + 1)
            while sent < due and producer.pending < self._window:
                producer.send(self._body(), self._size)
                sent += 1
            producer.serve(0.001)  # waiting, not spinning: the daemon needs the core
            settled = (producer.accepted - first) // self._size
            if settled > got:
                delay[got:settled] = time.perf_counter() - (start + np.arange(got, settled) / rate)
                got = settled
        return delay

    def _learned(self, child: Child, observations: int) -> Iterator[int]:
        """How many observations each stream has learned, as its last prediction says."""
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(child.output)
            for stream in range(min(STREAMS, observations)):
                topic = f"prediction/stream-{stream:02d}/"
                socket.setsockopt_string(zmq.SUBSCRIBE, topic)
                if not socket.poll(int(1000 * PATIENCE)):
                    raise StreamrnnError(f"nothing on {topic}", "is the machine very busy?")
                yield int(msgspec.json.decode(socket.recv_multipart()[1])["seq"])


def figures(lines: list[Line], tally: Tally) -> list[Figure]:
    """Every figure; what could not be measured is null."""
    known = {line.name: line for line in lines}
    rows: list[Figure] = []
    for name, quantiles in QUANTILES.items():
        line = known.get(name)
        rows.append(figure(f"durable.{name}.obs_per_s", line.per_s if line else None, "1/s"))
        if quantiles:
            rows.append(figure(f"durable.{name}.offered", line.offered if line else None, "1/s"))
        rows += [figure(f"durable.{name}.ack_{key}_ms", _of(line, q), "ms") for key, q in quantiles.items()]
    counts = {"acked": tally.acked, "lost": tally.lost, "twice": tally.twice}
    return rows + [figure(f"durable.{name}", count, "1") for name, count in counts.items()]


def _of(line: Line | None, q: float) -> float | None:
    return line.quantile(q) if line else None


def show(lines: list[Line], tally: Tally) -> None:
    """The table."""
    made = table("bench durable", "what", "obs/s", "at /s", "ack p50 ms", "p99", "p99.9", "fsync")
    for line in lines:
        cells = [line.quantile(q) for q in (0.5, 0.99, 0.999)]
        shown = ["-" if cell is None else f"{cell:.1f}" for cell in cells]
        offered = f"{line.offered:,.0f}" if line.offered else "-"
        made.add_row(line.name, f"{line.per_s:,.0f}", offered, *shown, line.policy)
    console = Console()
    console.print(made)
    console.print(f"{tally.acked:,} acknowledged, {tally.lost} lost, {tally.twice} applied twice, each after a kill -9")
