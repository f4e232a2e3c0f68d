"""A flood of invented stream names: memory stays within what was stated, and the streams that are known are served.

It tells the p99 of a known producer, from its send to the ack that its observation is on the disk, before the flood and
while it lasts. STREAMRNN_FLOOD_NAMES is how many names (1,000,000: a minute's worth); 20,000 take two seconds.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from streamrnn.bench.child import Child, daemon, fetch, free_ports, samples
from streamrnn.client import Producer

NAMES = int(os.environ.get("STREAMRNN_FLOOD_NAMES", "1000000"))
RATE = 17_000.0  # names a second
KNOWN, STREAMS = 500.0, 10  # observations a second of the producer that is known, and its streams
CALM = 20.0  # seconds before the flood, with the same producer
HELD = 0.5  # seconds in which we did not run
ROOM = 200  # streams
MIB = 1024 * 1024
PATIENCE = 120.0  # seconds
SLACK = 16 * MIB  # bytes of queues and of what the allocator keeps, beside the rows of the streams
MODEL = """[model]
features = ["x"]
preset = "light"
layers = [{{kind = "gru", size = 32}}]
[[input]]
kind = "router"
endpoint = "{router}"
"""
MORE = """[limits]
max_streams = {room}
new_streams_per_second = 50.0
[log]
level = "warning"
[state]
path = "{path}/state"
"""


def body(k: int) -> bytes:
    return json.dumps({"stream": f"known-{k % STREAMS}", "time": k, "values": {"x": float(k % 17)}}).encode()


class Known:
    """A producer at a steady rate. What is on its way while we are not run ourselves is not counted."""

    def __init__(self, endpoint: str) -> None:
        self.producer = Producer(endpoint, "known", epoch=1, window=4096, patience=PATIENCE)
        self._sent: list[float] = []
        self.delays: list[float] = []  # seconds from the send to the ack, one an observation; NaN: not counted
        self._due = self._ran = time.monotonic()

    @property
    def sent(self) -> int:
        """Observations."""
        return len(self._sent)

    def turn(self) -> None:
        """Send what is due, and wait a moment for answers."""
        now = time.monotonic()
        if now - self._ran > HELD:
            self._sent[len(self.delays) :] = [np.nan] * (self.sent - len(self.delays))
            self._due = now
        while self._due <= now:
            self.producer.send(body(self.sent))
            self._sent.append(time.monotonic())
            self._due += 1.0 / KNOWN
        self.producer.serve(0.001)
        self._ran = time.monotonic()
        self.delays += [self._ran - at for at in self._sent[len(self.delays) : self.producer.accepted]]


@dataclass(frozen=True)
class Look:
    """One look at the daemon."""

    memory: int  # bytes that are resident
    rows: float  # bytes of those that the rows of streams take, as stated
    refused: dict[str, int]  # observations, by reason


def look(child: Child) -> Look:
    memory = int(Path(f"/proc/{child.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    found = samples(fetch(f"{child.metrics}/metrics", PATIENCE))
    name = "streamrnn_observations_refused_total"
    refused = {dict(labels)["reason"]: int(value) for (each, labels), value in found.items() if each == name and value}
    return Look(memory, found["streamrnn_state_bytes", ()], refused)


@contextmanager
def flooding(endpoint: str, size: int) -> Iterator[subprocess.Popen[bytes]]:
    """The process that floods; killed if it is still there in the end."""
    command = [sys.executable, str(Path(__file__).with_name("flood.py")), endpoint, str(NAMES), str(RATE), str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def flooded(child: Child, known: Known, size: int) -> tuple[float, Look]:
    """Seconds that the flood lasted, and a look at the end, once all of it has been refused."""
    with flooding(child.input, size) as process:
        while process.poll() is None:
            known.turn()
        assert process.stdout is not None
        seconds = float(process.stdout.read())
    end, began = look(child), time.monotonic()
    while sum(end.refused.values()) < NAMES - ROOM:
        assert time.monotonic() - began < PATIENCE, end
        known.turn()
        end = look(child)
    return seconds, end


@pytest.mark.long
@pytest.mark.parametrize("size", [1, 400])
def test_a_flood_of_invented_names_is_refused_and_known_streams_are_served(tmp_path: Path, size: int) -> None:
    router = f"tcp://127.0.0.1:{free_ports(1)[0]}"
    with daemon(MODEL.format(router=router), tmp_path, MORE.format(room=ROOM, path=tmp_path)) as child:
        known = Known(router)
        try:
            began = time.monotonic()
            while time.monotonic() - began < CALM:
                known.turn()
            before, calm = look(child), len(known.delays)
            seconds, after = flooded(child, known, size)
            known.producer.flush()
        finally:
            known.producer.leave()
    quiet, loud = (1e3 * np.nanquantile(part, (0.5, 0.99)) for part in (known.delays[:calm], known.delays[calm:]))
    grown = after.memory - before.memory - (after.rows - before.rows)
    print(
        f"\n{NAMES} names, {size} a frame, in {seconds:.1f} s: memory {before.memory / MIB:.1f} then "
        f"{after.memory / MIB:.1f} MiB, {grown / MIB:+.1f} beside the rows; to the ack p50 {quiet[0]:.2f} then "
        f"{loud[0]:.2f} ms, p99 {quiet[1]:.2f} then {loud[1]:.2f} ms; refused {after.refused}"
    )
    assert grown < SLACK
    assert known.producer.accepted == known.sent
    assert not known.producer.refused
