"""A peer of another socket type is told once, with the type that fits (trial 20)."""

import time
from collections import Counter

import pytest
import zmq
from structlog.testing import capture_logs

from streamrnn.service.ingest.connections import FITS, Connections

WRONG = [
    (zmq.PULL, zmq.PUB, 'kind = "sub"'),
    (zmq.PULL, zmq.REQ, "takes PUSH"),
    (zmq.PULL, zmq.DEALER, 'kind = "router"'),
    (zmq.PULL, zmq.SUB, "takes PUSH"),
    (zmq.ROUTER, zmq.PUSH, 'kind = "pull"'),
    (zmq.XPUB, zmq.PUSH, "[[input]]"),
    (zmq.XPUB, zmq.PULL, "takes SUB"),
]


def served(connections, ended, seconds):
    """Take events until something has ended, or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not ended:
        connections.monitor.poll(20)
        connections.serve()


@pytest.mark.parametrize(("ours", "theirs", "hint"), WRONG)
def test_a_wrong_socket_is_told_with_what_fits(ours, theirs, hint):
    with zmq.Context() as context, capture_logs() as logs:
        port, ended = context.socket(ours), Counter()
        endpoint = f"tcp://127.0.0.1:{port.bind_to_random_port('tcp://127.0.0.1')}"
        connections = Connections(port, ended, lambda: False)
        peer = context.socket(theirs)
        peer.connect(endpoint)
        served(connections, ended, 10.0)
        peer.close(0)
        connections.close()
        port.close(0)
    assert set(ended) == {"handshake"}
    (told,) = [line for line in logs if "another socket type" in line["event"]]
    assert hint in told["hint"]


@pytest.mark.parametrize(("ours", "theirs"), [(zmq.PULL, zmq.PUSH), (zmq.XPUB, zmq.SUB), (zmq.ROUTER, zmq.DEALER)])
def test_a_right_one_is_not(ours, theirs):
    with zmq.Context() as context, capture_logs() as logs:
        port, ended = context.socket(ours), Counter()
        endpoint = f"tcp://127.0.0.1:{port.bind_to_random_port('tcp://127.0.0.1')}"
        connections = Connections(port, ended, lambda: False)
        peer = context.socket(theirs)
        peer.connect(endpoint)
        deadline = time.monotonic() + 10.0
        while connections.greeted < 1 and time.monotonic() < deadline:
            connections.monitor.poll(20)
            connections.serve()
        peer.close(0)
        served(connections, ended, 10.0)
        connections.close()
        port.close(0)
    assert set(ended) == {"closed"}
    assert logs == []
    assert FITS
