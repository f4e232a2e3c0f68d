"""How soon a daemon is there again after a kill under all the load it bears, and how soon it stops.

Times are printed, not asserted; asserted is that nothing of it is lost.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec
import pytest

from streamrnn.bench.child import daemon, free_ports
from streamrnn.client import Producer
from streamrnn.service import inspect

SECONDS = float(os.environ.get("STREAMRNN_READY_SECONDS", "30"))  # of load before a kill, and before a stop half
FRAME = 64  # observations
CASES = {
    "heavy": (16, 'preset = "full"\nlayers = [{kind = "gru", size = 64}]\nrule = {kind = "tbptt", window = 32}'),
    "usual": (2000, 'preset = "standard"'),
    "many": (50_000, 'preset = "light"\nlayers = [{kind = "gru", size = 16}]\nrule = {kind = "tbptt", window = 16}'),
}
MODEL = '[model]\nfeatures = ["x"]\n{model}\n[[input]]\nkind = "router"\nendpoint = "{endpoint}"\n'
MORE = '[state]\npath = "{path}"\n[limits]\nmax_streams = {streams}\nthreads = {threads}\n[log]\nlevel = "warning"\n'


def frames(streams: int) -> Iterator[bytes]:
    """Every stream once, then streams at random."""
    chance, number = random.Random(1), count()
    while True:
        rows = [(k if (k := next(number)) < streams else chance.randrange(streams), k) for _ in range(FRAME)]
        yield msgspec.msgpack.encode(
            [{"stream": f"s{s}", "time": k, "values": {"x": chance.gauss(0, 1)}} for s, k in rows]
        )


def feed(producer: Producer, bodies: Iterator[bytes], seconds: float, least: int = 0) -> float:
    """Observations a second, with a window under way."""
    began, before = time.monotonic(), producer.accepted
    while time.monotonic() - began < seconds or producer.accepted < least:
        producer.send(next(bodies), FRAME)
    return (producer.accepted - before) / (time.monotonic() - began)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_ready_again_and_stopped(tmp_path: Path, case: str) -> None:
    streams, model = CASES[case]
    endpoint, state = f"tcp://127.0.0.1:{free_ports(1)[0]}", tmp_path / "state"
    settings = MODEL.format(model=model, endpoint=endpoint)
    more = MORE.format(path=state, streams=streams, threads=len(os.sched_getaffinity(0)))
    bodies = frames(streams)
    with daemon(settings, tmp_path, more) as child:
        producer = Producer(endpoint, "gate", epoch=1, window=FRAME, patience=300.0)
        feed(producer, bodies, 0.0, streams)
        rate = feed(producer, bodies, SECONDS)
        child.process.send_signal(signal.SIGKILL)
        child.process.wait()
    with daemon(settings, tmp_path, more) as child:
        again = child.ready_seconds
        feed(producer, bodies, SECONDS / 2)
        child.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        while child.process.poll() is None:
            producer.serve(0.01)
        stopped, code, accepted = time.monotonic() - began, child.process.returncode, producer.accepted
        producer.leave()
    assert code == 0
    with daemon(settings, tmp_path, more) as child:
        warm = child.ready_seconds
    with inspect.opened(state) as store:
        *_, mark, end = inspect.dump(store)
    assert int(mark["seq"]) >= accepted
    assert end["waiting"] == 0 or case == "many"  # which may be more than a stop has the time to write
    print(f"\n{case}: {streams} streams at {rate:,.0f} observations a second, {size(state) / 1e6:,.0f} MB of state")
    print(f"ready {again:.1f} s after kill -9, stopped in {stopped:.1f} s, ready {warm:.1f} s after that")


def size(state: Path) -> int:
    return sum(file.stat().st_size for file in state.glob("streamrnn.sqlite*"))
