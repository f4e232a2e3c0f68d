"""Twenty thousand broken frames: none stops the daemon, every one is counted, and the next good one is answered."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from conftest import Turned

from streamrnn.wire import Frame

FRAMES = 20_000
BATCH = 500
GROWTH = 16 * 1024 * 1024  # bytes of memory that the second half of them may take
PAGE = 4096
ONE = {"stream": "a", "time": 1e9, "values": {"flow": 1.5}, "seq": 3, "id": "x", "end": False}
CORPUS: list[object] = [
    ONE,
    [ONE, {**ONE, "stream": "b"}],
    {"stream": "a", "time": [1e9, 2e9], "values": {"flow": [1.0, None]}},
    {"stream": "a", "time": "2026-01-01T00:00:00Z", "values": [2.0]},
]
SPLINTERS = [
    b"1e999", b"NaN", b"-Infinity", b"1e31", b"null", b"{}", b"[]", b'""', b"\xff", b"\x00", b'"\\ud800"', b"-1",
    b"9" * 400, b"[" * 2000, b"{" * 2000, b"\x91" * 2000, b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc1",
    b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", b'"flow"', b'"values"', b"\n",
]  # fmt: skip


def broken(chance: random.Random) -> Iterator[bytes]:
    """Frames that were right once, cut, flipped, spliced, or filled with what parsers stumble over."""
    whole = [encode(item) for item in CORPUS for encode in (msgspec.json.encode, msgspec.msgpack.encode)]
    while True:
        frame = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(frame) + 1)
            match chance.randrange(5):
                case 0:
                    del frame[at:]
                case 1 if at < len(frame):
                    frame[at] ^= 1 << chance.randrange(8)
                case 2:
                    frame[at : at + chance.randint(0, 8)] = chance.choice(SPLINTERS)
                case 3:
                    frame[at:at] = chance.choice(whole)[: chance.randrange(40)]
                case _:
                    frame[at:at] = chance.randbytes(chance.randint(1, 8))
        yield bytes(frame)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


@pytest.mark.parametrize("seed", [1])
def test_no_frame_stops_it_and_all_are_counted(turned: Callable[..., Turned], seed: int) -> None:
    served = turned("[limits]\nmax_streams = 100\n")
    frames, middle = broken(random.Random(seed)), 0
    for start in range(0, FRAMES, BATCH):
        if start == FRAMES // 2:
            middle = resident()
        served.daemon._serve([Frame(0, 1e9 + start, b"", next(frames)) for _ in range(BATCH)])
    assert resident() - middle < GROWTH
    values = served.daemon._telemetry._values
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
