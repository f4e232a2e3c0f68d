"""Somebody who sends observations of streams that nobody knows, at a rate: a process of its own.

    python flood.py ENDPOINT NAMES RATE NAMES_A_FRAME

It ends when all have been taken, and prints the seconds from the first to the last.
"""

import json
import sys
import time

import zmq

TICK = 0.002  # seconds ahead of time that it may be
LATE = 0.1  # seconds behind that it makes up for


def frame(first: int, count: int) -> bytes:
    """Observations of `count` invented streams, each of its own name."""
    made = [{"stream": f"invented-{k:07d}", "values": {"x": 1.0}} for k in range(first, first + count)]
    return json.dumps(made if count > 1 else made[0]).encode()


def flood(endpoint: str, names: int, rate: float, size: int) -> float:
    """Send, and return the seconds that it took."""
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.setsockopt(zmq.SNDHWM, 1000)
        socket.connect(endpoint)
        started = at = time.monotonic()
        for first in range(0, names, size):
            socket.send(frame(first, min(size, names - first)))
            now = time.monotonic()
            at = max(at + size / rate, now - LATE)
            if at - now > TICK:
                time.sleep(at - now)
        return time.monotonic() - started


if __name__ == "__main__":
    print(flood(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
