"""A client that measures: it sends what it is told through real sockets and counts what comes back.

It must never be the slower side: bodies are made by one `%` or come ready, received ones are counted and not read,
all but a few. `closed` keeps a window in flight and finds the most that can be served; `open` sends at intended times
whatever comes back, and counts a message's delay from the time it should have been sent, so that a stall is paid for
by every message that it delays.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
import zmq

from streamrnn.errors import StreamrnnError
from streamrnn.messages import Floats

PATIENCE = 20.0  # seconds without any answer until it has failed
SAMPLE = 100  # one in so many answers is read, at most
NOBLOCK = int(zmq.NOBLOCK)


@dataclass(frozen=True)
class Rate:
    """What a closed loop found."""

    per_s: float  # messages a second
    client: float  # share of the time that the client itself was at work
    body: bytes  # of an answer


class Load:
    """A client of one server. `make` gives the body of message number i; every message has one answer, in order."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], entry: str, out: str, make: Callable[[int], bytes]
    ) -> None:
        self._push, self._sub = context.socket(zmq.PUSH), context.socket(zmq.SUB)
        for socket in (self._push, self._sub):
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.SNDHWM, 0)
            socket.setsockopt(zmq.RCVHWM, 0)
        self._sub.setsockopt(zmq.SUBSCRIBE, b"prediction/")
        self._sub.connect(out)
        self._push.connect(entry)
        self._make = make
        self._next = 0
        self._heard = 0
        self._last = b""

    def close(self) -> None:
        """Close the sockets."""
        self._push.close()
        self._sub.close()

    def meet(self) -> None:
        """Send until an answer comes: both sockets are connected then. Raises StreamrnnError."""
        deadline = time.monotonic() + PATIENCE
        while not self._sub.poll(100):
            self._send(1)
            if time.monotonic() > deadline:
                raise StreamrnnError("no answer from the server that is measured", "is the machine very busy?")
        while self._sub.poll(200):
            self._take()

    def closed(self, seconds: float, window: int) -> Rate:
        """The most that is served with `window` messages in flight."""
        begin, busy = time.perf_counter(), time.process_time()
        sent = got = 0
        while time.perf_counter() - begin < seconds:
            self._send(window - (sent - got))
            sent = got + window
            got += self._wait()
        while got < sent:
            got += self._wait()
        took = time.perf_counter() - begin
        return Rate(got / took, (time.process_time() - busy) / took, self._last)

    def open(self, seconds: float, rate: float) -> Floats:
        """Seconds from the intended time of sending to the answer, for every message sent at `rate` a second."""
        count = int(seconds * rate)
        delay, sent, got = np.empty(count), 0, 0
        start = time.perf_counter() + 0.05
        heard = start
        while got < count:
            now = time.perf_counter()
            due = min(count, int((now - start) * rate) + 1) if now >= start else 0
            self._send(due - sent)
            sent = max(sent, due)
            arrived = self._take()
            now = time.perf_counter()
            if arrived:
                delay[got : got + arrived] = now - (start + np.arange(got, got + arrived) / rate)
                got, heard = got + arrived, now
            elif now - heard < PATIENCE:
                os.sched_yield()  # to the thread that moves our bytes
            else:
                raise StreamrnnError(f"{sent - got} messages were not answered", "the server lost them or died")
        return delay

    def _send(self, count: int) -> None:
        send, make, first = self._push.send, self._make, self._next
        for i in range(first, first + max(count, 0)):
            send(make(i))
        self._next += max(count, 0)

    def _wait(self) -> int:
        if not self._sub.poll(int(PATIENCE * 1000)):
            raise StreamrnnError("messages were not answered", "the server lost them or died")
        return self._take()

    def _take(self) -> int:
        """Take what is there: how many answers."""
        receive, taken = self._sub.recv, 0
        try:
            while True:
                receive(NOBLOCK)
                self._last = receive()
                taken += 1
        except zmq.Again:
            before, self._heard = self._heard, self._heard + taken
            if self._heard // SAMPLE > before // SAMPLE:
                verify(self._last)
            return taken


def verify(body: bytes) -> None:
    """Raise StreamrnnError unless an answer is a prediction that was learned from."""
    answer = msgspec.json.decode(body) if body[:1] == b"{" else msgspec.msgpack.decode(body)
    if not answer.get("forecasts") or answer.get("late") or answer.get("duplicate"):
        raise StreamrnnError(f"not the answer that is measured: {body[:200]!r}")
