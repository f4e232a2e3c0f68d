"""Twenty thousand broken frames: none stops the daemon, every one is counted, and the next good one is answered."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Turned

from streamrnn.service import turn
from streamrnn.wire import Frame
from tests.broken import ONE, broken

FRAMES = 20_000
BATCH = 500
GROWTH = 16 * 1024 * 1024  # bytes of memory that the second half of them may take
PAGE = 4096


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


@pytest.mark.parametrize("seed", [1])
def test_no_frame_stops_it_and_all_are_counted(turned: Callable[..., Turned], seed: int) -> None:
    served = turned("[limits]\nmax_streams = 100\n")
    frames, middle = broken(random.Random(seed)), 0
    for start in range(0, FRAMES, BATCH):
        if start == FRAMES // 2:
            middle = resident()
        turn.serve(served.daemon.parts, [Frame(0, 1e9 + start, b"", next(frames)) for _ in range(BATCH)])
    assert resident() - middle < GROWTH
    values = served.daemon.parts.telemetry._values
    received = sum(values["streamrnn_observations_received_total"].values())
    refused = values["streamrnn_observations_refused_total"]
    assert received == served.value("streamrnn_observations_applied_total") + sum(refused.values())
    assert sum(values["streamrnn_frames_received_total"].values()) == FRAMES
    assert sum(refused.values()) > FRAMES / 2
    assert sum(1 for count in refused.values() if count) >= 8
    listener = served.subscribed(b"prediction/a/")
    served.received(listener)
    served.peers.push.send(json.dumps({**ONE, "seq": 2**40, "time": 3e9}).encode())
    assert served.received(listener)[1]["time"] == 3e9
