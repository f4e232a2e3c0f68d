"""Garbage on every port of a running daemon, and what follows it: an answer to the next good message."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import zmq
from lives import EPOCH, PATIENCE, Story, observation, taken

from streamrnn.bench.child import free_ports
from streamrnn.client import Producer
from tests.broken import broken, noise

pytestmark = pytest.mark.faults

STRANGERS, FRAMES, GROUP = 400, 24_000, 400
KINDS = ("PUSH", "DEALER", "SUB", "DEALER", "PUSH")  # who speaks at the ports below
GROWTH = 16 * 1024 * 1024  # bytes of memory that the second half may take


class Besieged:
    """A daemon that listens on five ports, and one good producer."""

    def __init__(self, path: Path) -> None:
        self.story = Story(path)
        self.ports = pull, router, out, catchup, _ = [*free_ports(4), self.story.port]
        text = self.story.file.read_text().replace(f"ipc://{path}/in", f"tcp://127.0.0.1:{router}")
        text = text.replace(f'"ipc://{path}/out"', f'"tcp://127.0.0.1:{out}"\ncatchup = "tcp://127.0.0.1:{catchup}"')
        pulled = f'[[input]]\nkind = "pull"\nendpoint = "tcp://127.0.0.1:{pull}"\n[[input]]'
        self.story.file.write_text(text.replace("[[input]]", pulled))
        self.process: subprocess.Popen[bytes] = self.story.start()
        self.producer = Producer(f"tcp://127.0.0.1:{router}", "gate", epoch=EPOCH, window=32, patience=PATIENCE)

    def answered(self) -> float:
        """Seconds to the ack of a good observation."""
        began = time.monotonic()
        self.producer.send(observation(self.producer._next))
        self.producer.flush()
        assert self.process.poll() is None, self.story.log()
        return time.monotonic() - began

    def resident(self) -> int:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def end(self) -> None:
        """It stops well, and holds what the good producer sent of its streams, beside what else could be read."""
        self.producer.leave()
        os.killpg(self.process.pid, signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self.story.log()


def besieged(path: Path, count: int, attack: Callable[[Besieged, int], None]) -> None:
    """Attack `count` times; the memory of the second half, and how long good messages took, are told."""
    one, waits, middle = Besieged(path), [], 0
    try:
        one.answered()
        for number in range(count):
            if number == count // 2:
                middle = one.resident()
            attack(one, number)
            waits.append(one.answered())
        grown = one.resident() - middle
        print(f"an answer within {1e3 * max(waits):.0f} ms, memory {grown / 1024:+.0f} KiB in the second half")
        assert grown < GROWTH
    finally:
        if one.process.poll() is None:
            one.end()
    assert taken(one.story.path / "state") >= len(waits) + 1
    assert "Traceback" not in one.story.log()


def test_what_is_no_zeromq_or_a_bad_one_is_borne(tmp_path: Path) -> None:
    chance, held = random.Random(11), list[socket.socket]()

    def attack(one: Besieged, _: int) -> None:
        for place, kind in enumerate(KINDS):
            raw = socket.create_connection(("127.0.0.1", one.ports[place]))
            raw.settimeout(0.05)
            with suppress(OSError):  # it may be cut off in the middle
                raw.sendall(noise(chance, kind))
            held.append(raw)  # who stays and says no more
        while len(held) > 100:
            held.pop(chance.randrange(len(held))).close()

    try:
        besieged(tmp_path / "one", STRANGERS // len(KINDS), attack)
    finally:
        for each in held:
            each.close()


def test_broken_frames_in_the_real_sockets_are_borne(tmp_path: Path) -> None:
    frames, chance = broken(random.Random(12)), random.Random(13)
    with zmq.Context() as context:
        peers: list[zmq.Socket[bytes]] = []

        def connect(one: Besieged) -> None:
            for port, kind in zip(one.ports, (zmq.PUSH, zmq.DEALER, zmq.XSUB, zmq.DEALER), strict=False):
                peer = context.socket(kind)
                peer.setsockopt(zmq.LINGER, 0)
                peer.setsockopt(zmq.SNDTIMEO, int(1000 * PATIENCE))
                peer.connect(f"tcp://127.0.0.1:{port}")
                peers.append(peer)

        def attack(one: Besieged, _: int) -> None:
            if not peers:
                connect(one)
            for _ in range(GROUP):
                to = chance.choice(peers)
                parts = [next(frames) for _ in range(chance.choice((1, 1, 1, 1, 2, 3)))]
                if to.type == zmq.XSUB:
                    parts = [chance.choice((b"\0", b"\1", b"")) + parts[0][:300]]
                to.send_multipart(parts)
                while to.poll(0):
                    to.recv_multipart()

        try:
            besieged(tmp_path / "one", FRAMES // GROUP, attack)
        finally:
            for peer in peers:
                peer.close(0)
