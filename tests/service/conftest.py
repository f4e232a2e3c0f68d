"""A daemon that a test turns by hand, over ipc sockets in its own directory, and plain ZeroMQ peers."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import fake
import pytest
import zmq

from streamrnn import spec
from streamrnn.config import schema
from streamrnn.engine.engine import Engine
from streamrnn.service import build, startup
from streamrnn.service import daemon as module

PATIENCE = 10.0  # seconds

CONFIG = """
[model]
features = ["flow"]
[[input]]
endpoint = "ipc://{path}/in"
[output]
endpoint = "ipc://{path}/out"
[metrics]
port = 0
[state]
path = "{path}/state"
"""


class Peers:
    """A PUSH and any number of SUBs, as somebody without streamrnn would write them."""

    def __init__(self, endpoints: list[str]) -> None:
        self.context = zmq.Context()
        self.endpoints = endpoints
        self.push = self.pushing()

    def pushing(self) -> zmq.Socket[bytes]:
        socket = self.context.socket(zmq.PUSH)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.connect(self.endpoints[0])
        return socket

    def subscribing(self, *topics: bytes) -> zmq.Socket[bytes]:
        socket = self.context.socket(zmq.SUB)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(self.endpoints[-1])
        for topic in topics:
            socket.subscribe(topic)
        return socket

    def close(self) -> None:
        self.context.destroy(linger=0)


class Turned:
    """A daemon, turned until something has come true."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.file = path / "config.toml"
        self.file.write_text(text)
        self.start()

    def start(self) -> None:
        self.daemon = module.Daemon(startup.start(schema.load(self.file), self.file))
        self.daemon.announce()
        self.peers = Peers(self.daemon.endpoints)

    def until(self, true: Callable[[], Any]) -> Any:
        """Turn until `true()` is; its value."""
        deadline = time.monotonic() + PATIENCE
        while not (value := true()):
            assert time.monotonic() < deadline, "it never came true"
            self.daemon.turn(0.01)
        return value

    def received(self, socket: zmq.Socket[bytes]) -> tuple[str, dict[str, Any]]:
        """The next message of a SUB."""
        self.until(lambda: socket.poll(0))
        topic, body = socket.recv_multipart()
        return topic.decode(), json.loads(body)

    def subscribed(self, *topics: bytes) -> zmq.Socket[bytes]:
        """A SUB whose subscriptions have arrived; what it was sent at once is still in it."""
        before = self.daemon.parts.sockets.subscribed
        socket = self.peers.subscribing(*topics)
        self.until(lambda: self.daemon.parts.sockets.subscribed == before + len(topics))
        return socket

    def send(self, flow: Any, **more: Any) -> None:
        self.peers.push.send_json({"stream": "a", "values": {"flow": flow}, **more})

    def value(self, name: str, *labels: str) -> float:
        return self.daemon.parts.telemetry.value(name, *labels)

    def stop(self) -> None:
        """A clean stop."""
        self.daemon.stop()
        self.daemon.run()
        self.peers.close()

    def kill(self) -> None:
        """An end without goodbye: what is not in the journal is gone."""
        self.daemon.started.opened.close()
        self.peers.close()


def engine_of(model: spec.Model, *given: Any, **named: Any) -> Any:
    """The fake engine for numbers, the real one for events."""
    return (Engine if model.task == "events" else fake.Engine)(model, *given, **named)


@pytest.fixture
def turned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Turned]]:
    """Makes a daemon with the fake engine; `text` is more TOML."""
    monkeypatch.setattr(build, "Engine", engine_of)
    monkeypatch.setattr(startup, "SUBSCRIBERS", 0.05)
    with ExitStack() as made:

        def make(text: str = "") -> Turned:
            one = Turned(tmp_path, CONFIG.format(path=tmp_path) + text)
            made.callback(lambda: (one.daemon.started.opened.close(), one.peers.close()))
            return one

        yield make
