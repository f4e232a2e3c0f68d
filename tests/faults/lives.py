"""A daemon that is killed again and again while a producer feeds it, and what is left in the end."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zmq

from streamrnn.bench.child import fetch, free_ports, samples
from streamrnn.client import Producer, ProducerError
from streamrnn.service import inspect

FORECAST = """features = ["flow"]
preset = "light"
layers = [{kind = "gru", size = 8}]
rule = {kind = "tbptt", window = 8, stride = 4}
horizons = [1, 3]"""
EVENTS = """task = "events"
weights = "pooled"
layers = [{kind = "embedding", size = 8}, {kind = "memory", size = 8, slots = 8}, {kind = "gru", size = 8}]
rule = {kind = "tbptt", window = 8, stride = 4}
experts = [{kind = "context", longest = 3, contexts = 256}]
vocabulary = {kind = "vocabulary", symbols = 16}"""
CONFIG = """
[model]
{model}
lateness = {lateness}
[[input]]
kind = "router"
endpoint = "ipc://{path}/in"
[output]
endpoint = "ipc://{path}/out"
[metrics]
port = {port}
[state]
path = "{path}/state"
checkpoint = {checkpoint}
{more}
[log]
level = "warning"
"""
STREAMS = 5
PATIENCE = 300.0  # seconds: the first start compiles
EPOCH = 1
KILL = "signal=SIGKILL"


@dataclass(frozen=True)
class Life:
    """How a daemon is to end: by an injection of strace, or else after so many observations of its own."""

    inject: str = ""
    after: int = 150
    pause: float = 0.0  # seconds more, so that the end comes at any moment of a turn
    ends: signal.Signals = signal.SIGKILL
    halts: bool = False  # halfway it is stopped for a while, and told to read its configuration again


def strace() -> str:
    path = shutil.which("strace")
    if path is None:
        pytest.skip("strace is not installed")
    return path


def event(k: int) -> bytes:
    """Number k, from 1, of cases that take turns at random; some symbols are new, some end a session."""
    chance = random.Random(k)
    stream, symbol, end = chance.randrange(STREAMS), chance.choice("aabbbcd"), chance.random() < 0.1
    symbol = symbol if chance.random() < 0.99 else f"new-{k}"
    return b'{"stream":"s%d","time":%d,"event":"%s","end":%s}' % (
        stream,
        k,
        symbol.encode(),
        b"true" if end else b"false",
    )


def observation(k: int, lateness: int = 0) -> bytes:
    """Number k, from 1; the streams take turns at random, so that batches are mixed."""
    chance = random.Random(k)
    stream, flow, time = chance.randrange(STREAMS), chance.gauss(0, 1), k - chance.randrange(lateness + 1)
    return b'{"stream":"s%d","time":%d,"values":{"flow":%.3f}}' % (stream, time, flow)


@dataclass
class Story:
    """One directory, one daemon after the other, one producer throughout."""

    path: Path
    more: str = ""  # TOML, in [state]
    lateness: int = 0  # seconds by which observations are out of order, and are waited for
    checkpoint: float = 0.05
    events: bool = False
    deaths: list[int] = field(default_factory=list)  # exit codes
    starts: list[float] = field(default_factory=list)  # seconds from the start to the first ack of that life
    told: dict[tuple[str, int], Any] = field(default_factory=dict)  # (stream, seq) -> what was predicted

    def __post_init__(self) -> None:
        self.path.mkdir()
        self.file = self.path / "config.toml"
        (self.port,) = free_ports(1)
        settings = {"port": self.port, "more": self.more, "lateness": self.lateness, "checkpoint": self.checkpoint}
        settings["model"] = EVENTS if self.events else FORECAST
        self.file.write_text(CONFIG.format(path=self.path, **settings))
        self._end = threading.Event()

    def start(self, inject: str = "") -> subprocess.Popen[bytes]:
        """A daemon, under strace if something is to be injected."""
        tracer = []
        if inject:
            calls = inject.partition(":")[0]
            tracer = [strace(), "-f", "-qqq", "--seccomp-bpf", "-o", "/dev/null", "-e", f"trace={calls}"]
            tracer += ["-e", f"inject={inject}"]
        command = [*tracer, sys.executable, "-m", "streamrnn", "run", str(self.file)]
        with (self.path / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def run(self, lives: Sequence[Life], least: int) -> str:
        """Feed daemons that live these lives, and a last one until `least` observations are kept; the digest of what is
        on the disk after a clean stop."""
        listener = threading.Thread(target=self._listen, daemon=True)
        process = self.start(lives[0].inject if lives else "")
        try:
            producer = Producer(f"ipc://{self.path}/in", "gate", epoch=EPOCH, window=32, patience=PATIENCE)
        except ProducerError:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        listener.start()
        try:
            for number, life in enumerate(lives):
                self._live(producer, process, life)
                following = lives[number + 1].inject if number + 1 < len(lives) else ""
                process = self.start(following)
            least = max(least, producer._next + 9)  # so that the last one has come up
            while producer.accepted < least:
                self._feed(producer, least)
            producer.flush()
            began = time.monotonic()
            while not self.lateness and not self.conserved():  # some counts come ten times a second
                assert time.monotonic() - began < PATIENCE, "something is not accounted for"
            os.killpg(process.pid, signal.SIGTERM)
            assert process.wait(PATIENCE) == 0, self.log()
        finally:
            producer.leave()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            self._end.set()
            listener.join()
        return self.digest()

    def _live(self, producer: Producer, process: subprocess.Popen[bytes], life: Life) -> None:
        """Feed a daemon until it is dead, one way or the other."""
        begin, first, mark = time.monotonic(), None, producer.accepted
        halts = life.halts
        while process.poll() is None:
            self._feed(producer, 10**9)
            now = time.monotonic()
            assert now - begin < PATIENCE, self.log()
            if first is None and producer.accepted > mark:
                first = now
                self.starts.append(now - begin)
            if halts and producer.accepted - mark > life.after / 2:
                halts = False
                os.killpg(process.pid, signal.SIGSTOP)
                time.sleep(life.pause)
                os.killpg(process.pid, signal.SIGCONT)
                os.killpg(process.pid, signal.SIGHUP)
            if producer.accepted - mark > life.after:
                time.sleep(life.pause)
                os.killpg(process.pid, life.ends)
                while life.ends != signal.SIGKILL and process.poll() is None:  # it takes and answers to the last
                    self._feed(producer, 10**9)
                    assert time.monotonic() - now < PATIENCE, self.log()
                process.wait()
        self.deaths.append(process.returncode)

    def _feed(self, producer: Producer, most: int) -> None:
        """A handful of observations, if there is room in the window."""
        for _ in range(8):
            if producer.pending < producer.window and producer._next <= most:
                number = producer._next
                producer.send(event(number) if self.events else observation(number, self.lateness))
        producer.serve(0.01)

    def conserved(self) -> bool:
        """Whether what the last life took is refused, passed over or applied, and what is applied learned or not."""
        total: Counter[str] = Counter()
        for (name, _), value in samples(fetch(f"http://127.0.0.1:{self.port}/metrics", PATIENCE)).items():
            total[name.removeprefix("streamrnn_").removesuffix("_total").removeprefix("observations_")] += value
        return (
            total["frames_received"] == total["producer_messages"]
            and total["received"] == total["applied"] + total["refused"]
            and total["applied"] == total["learned"] + total["late"] + total["duplicate"] > 0
        )

    def _listen(self) -> None:
        """Whatever is predicted for an observation is predicted the same every time."""
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.subscribe(b"prediction/")
            socket.connect(f"ipc://{self.path}/out")
            while not self._end.is_set():
                if socket.poll(50):
                    body = json.loads(socket.recv_multipart()[1])
                    key = body["stream"], body["seq"]
                    predicted = body["next" if self.events else "forecasts"]
                    assert self.told.setdefault(key, predicted) == predicted, key

    def log(self) -> str:
        return (self.path / "log").read_text()[-3000:]

    def digest(self) -> str:
        with inspect.opened(self.path / "state") as store:
            lines = list(inspect.dump(store))
        assert lines[-1]["waiting"] == 0
        assert len(lines) == STREAMS + 2 + self.events  # the pool
        return str(lines[-1]["sha256"])


def same(path: Path, lives: Sequence[Life], least: int, more: str = "", **settings: Any) -> Story:
    """The state after these lives is that of a daemon that was never stopped, and so is all that was predicted."""
    killed, calm = Story(path / "killed", more, **settings), Story(path / "calm", more, **settings)
    digest = killed.run(lives, least)
    assert digest == calm.run([], taken(killed.path / "state"))
    both = killed.told.keys() & calm.told.keys()
    assert len(both) > len(calm.told) // 2
    assert all(killed.told[key] == calm.told[key] for key in both)
    return killed


def taken(state: Path) -> int:
    """The number of the last observation that a state holds."""
    with inspect.opened(state) as store:
        return int(list(inspect.dump(store))[-2]["seq"])
