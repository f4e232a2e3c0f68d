"""`demo`: the real daemon on a real stream, end to end, beside what others would have predicted."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer
import zmq
from rich.console import Console

from streamrnn.bench.child import Child, daemon, fetch, samples
from streamrnn.evaluation import figures, verdict
from streamrnn.evaluation.show import progress, refuse_unwritable
from streamrnn.messages import Floats

MODEL = """\
[model]
features = ["flow"]
horizons = [1, 3, 6, 24]
"""
STREAM = "waterflow"
WINDOW = 32  # observations on their way at once
RESEND = 2000  # ms without any answer until what is unanswered is sent again


@dataclass
class Heard:
    """What the daemon said."""

    predictions: dict[float, dict[str, Any]]  # by the time of the observation
    anomalies: list[dict[str, Any]]
    seconds: float


def command(
    as_json: Annotated[Path | None, typer.Option("--json", help="Write every figure as JSON.")] = None,
    plot: Annotated[Path, typer.Option(help="Where to write the picture (PNG).")] = Path("streamrnn-demo.png"),
) -> None:
    """Start the real daemon, send it two months of a real sensor through real sockets, and show what it made of it.

    The stream is river's WaterFlow: 1,268 hourly values with four known anomalous stretches. Everything is learned
    in one pass, with default settings. The picture needs matplotlib: pip install "streamrnn[plot]".

    \b
    Examples:
      streamrnn demo
      streamrnn demo --json figures.json --plot run.png
    """
    begin = time.perf_counter()
    refuse_unwritable(as_json, plot)
    console = Console()
    times, values = water_flow()
    with tempfile.TemporaryDirectory(prefix="streamrnn-") as name:
        console.print("Starting the daemon as its own process (the first time it compiles) ...")
        directory = Path(name)
        state = f'[state]\npath = "{directory / "state"}"'
        with daemon(MODEL, directory, state) as child:
            console.print(
                f"ready after {child.ready_seconds:.1f} s, metrics at {child.metrics}/metrics", highlight=False
            )
            heard = stream(child, times, values)
            metrics = fetch(f"{child.metrics}/metrics")
    console.print(f"{len(times)} observations answered in {heard.seconds:.1f} s; the daemon has stopped cleanly\n")
    result = verdict.judge(times, values, heard.predictions, heard.anomalies)
    verdict.show(console, result, samples(metrics), f"{child.metrics}/metrics")
    draw(console, plot, result)
    seconds = time.perf_counter() - begin
    console.print(f"done in {seconds:.0f} s", highlight=False)
    if as_json is not None:
        spent = {"seconds": seconds, "ready_seconds": child.ready_seconds, "stream_seconds": heard.seconds}
        more = [figures.figure(f"demo.{name}", value, "s") for name, value in spent.items()]
        figures.write(as_json, [*verdict.rows(result), *more])


def water_flow() -> tuple[Floats, Floats]:
    """river's bundled series: seconds since the epoch, litres a second."""
    from river import datasets

    pairs = [(x["Time"].timestamp(), y) for x, y in datasets.WaterFlow()]
    return np.array([time for time, _ in pairs]), np.array([value for _, value in pairs])


def stream(child: Child, times: Floats, values: Floats) -> Heard:
    """Send every observation and hear every answer: a window in flight, and what stays unanswered is sent again."""
    bodies = [
        msgspec.json.encode({"stream": STREAM, "time": time, "values": {"flow": value}, "seq": i})
        for i, (time, value) in enumerate(zip(times.tolist(), values.tolist(), strict=True), start=1)
    ]
    heard, begin = Heard({}, [], 0.0), time.perf_counter()
    with zmq.Context() as context, context.socket(zmq.SUB) as sub, context.socket(zmq.PUSH) as push:
        for socket in (sub, push):
            socket.setsockopt(zmq.LINGER, 0)
        sub.setsockopt(zmq.RCVHWM, 0)
        for topic in ("prediction/", "anomaly/"):
            sub.setsockopt_string(zmq.SUBSCRIBE, topic)
        sub.connect(child.output)
        push.connect(child.input)
        with progress("streaming", len(bodies)) as advance:
            _exchange(child, push, sub, dict(zip(times.tolist(), bodies, strict=True)), heard, advance)
    heard.seconds = time.perf_counter() - begin
    return heard


def _exchange(child: Child, push: Any, sub: Any, bodies: dict[float, bytes], heard: Heard, advance: Any) -> None:
    order, sent = list(bodies), 0
    while len(heard.predictions) < len(order):
        window = WINDOW if heard.predictions else 1  # the first answer proves that the subscription stands
        while sent < len(order) and sent - len(heard.predictions) < window:
            push.send(bodies[order[sent]])
            sent += 1
        if sub.poll(RESEND if heard.predictions else 100):
            _hear(sub, heard)
            advance(len(heard.predictions))
            continue
        child.check()
        for moment in order[:sent]:
            if moment not in heard.predictions:
                push.send(bodies[moment])
    while sub.poll(100):  # the last anomaly event, if one is open or closing
        _hear(sub, heard)


def _hear(sub: Any, heard: Heard) -> None:
    topic, body = sub.recv_multipart()
    message = msgspec.json.decode(body)
    if topic.startswith(b"anomaly/"):
        heard.anomalies.append(message)
    else:
        heard.predictions.setdefault(message["time"], message)


def draw(console: Console, path: Path, result: verdict.Verdict) -> None:
    """Write the picture, or say what it needs."""
    try:
        from streamrnn.evaluation import picture
    except ImportError:
        console.print('no picture: matplotlib is not installed; pip install "streamrnn[plot]"', markup=False)
        return
    picture.draw(path, result)
    print(f"picture: {path}")
