"""A client's socket: it comes back by itself, notices a peer that is silent, and shows its key where it has to."""

from pathlib import Path
from typing import NamedTuple

import zmq

from streamrnn.config.keys import read_pair
from streamrnn.errors import StreamrnnError


class Keys(NamedTuple):
    """What a daemon behind doors asks for: its own public key, and the file of ours (both from `streamrnn keys`)."""

    server: str
    secret: str | Path


def connected(
    kind: int, endpoint: str, keys: Keys | None, fault: type[StreamrnnError], options: dict[int, int]
) -> zmq.Socket[bytes]:
    """A socket that connects. Raises `fault` for an endpoint that is none, ConfigError for a key that is none."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(kind)
    common = {
        zmq.LINGER: 0,
        zmq.RECONNECT_IVL: 100,
        zmq.RECONNECT_IVL_MAX: 300,  # a daemon that starts waits half a second for its subscribers
        zmq.HEARTBEAT_IVL: 5_000,
        zmq.HEARTBEAT_TIMEOUT: 15_000,
    }
    try:
        for option, value in (common | options).items():
            socket.setsockopt(option, value)
        if keys:
            pair = read_pair(Path(keys.secret))
            socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server.encode())
            socket.setsockopt(zmq.CURVE_PUBLICKEY, pair.public.encode())
            socket.setsockopt(zmq.CURVE_SECRETKEY, pair.secret.encode())
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        socket.close(0)
        raise fault(f"cannot connect to {endpoint}: {error}", "like tcp://127.0.0.1:5555") from None
    except StreamrnnError:
        socket.close(0)
        raise
    return socket


def greetings(socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
    """A socket that has one message for each new connection, before anything that came over it can be read."""
    made: zmq.Socket[bytes] = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    return made
