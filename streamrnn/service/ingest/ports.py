"""The sockets of inputs and the output: their options, how they are opened, which stay at a change."""

import errno
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import zmq
from msgspec import structs

from streamrnn.config.schema import Input, Limits, Output
from streamrnn.config.validate import binds
from streamrnn.errors import ConfigError, StreamrnnError
from streamrnn.service.ingest import bind
from streamrnn.service.ingest.authentication import Authenticator
from streamrnn.service.ingest.connections import Connections

Wanted = tuple[Input | Output, int]  # what to open, and its limit in bytes of a frame

SUBSCRIPTION_BYTES = 512
QUEUED_FRAMES, QUEUED_BYTES = 1000, 64 * 1024 * 1024  # waiting for us, a peer: the lesser of the two
ROUTED_FRAMES = 64  # the same for a peer of a `router`, which waits by itself

COMMON: dict[int, int] = {
    zmq.HANDSHAKE_IVL: 5_000,
    zmq.BACKLOG: 256,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 5_000,
}
TCP: dict[int, int] = {
    zmq.HEARTBEAT_IVL: 5_000,
    zmq.HEARTBEAT_TIMEOUT: 15_000,
    zmq.HEARTBEAT_TTL: 20_000,
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 30,
    zmq.TCP_KEEPALIVE_INTVL: 10,
    zmq.TCP_KEEPALIVE_CNT: 3,
}
ROUTER: dict[int, int] = {
    zmq.ROUTER_MANDATORY: 1,  # an answer that cannot be sent is an error, not gone
    zmq.ROUTER_HANDOVER: 1,  # a producer that comes back need not wait until its old connection is found dead
}


@dataclass(frozen=True, slots=True, eq=False)
class Port:
    """One open socket, as it was asked for."""

    wanted: Wanted
    socket: zmq.Socket[bytes]
    peers: Connections
    endpoint: str  # with the port number that was chosen

    def close(self) -> None:
        self.peers.close()
        self.socket.close()


def kept_of(ports: Sequence[Port], wanted: Sequence[Wanted]) -> dict[int, Port]:
    """Which port serves on for which place among the wanted: what a message means is no matter of its socket."""
    free, kept = list(ports), {}
    for place, want in enumerate(wanted):
        port = next((port for port in free if _as_socket(port.wanted) == _as_socket(want)), None)
        if port is not None:
            free.remove(port)
            kept[place] = port
    return kept


def _as_socket(wanted: Wanted) -> Wanted:
    """The same without what only the decoder or the encoder reads."""
    spec, limit = wanted
    if isinstance(spec, Output):
        return structs.replace(spec, format="json"), limit
    return structs.replace(spec, format="auto", stream=None, stream_from_topic=False), limit


def wanted_of(inputs: Sequence[Input], output: Output, limits: Limits) -> list[Wanted]:
    return [*((spec, limits.max_frame_bytes) for spec in inputs), (output, SUBSCRIPTION_BYTES)]


def open_port(
    context: zmq.Context[zmq.Socket[bytes]],
    wanted: Wanted,
    ended: Counter[str],
    crowded: Callable[[], bool],
    authenticator: Authenticator,
) -> Port:
    """One socket with its options, its monitor and its endpoint."""
    spec, limit = wanted
    chosen = options(spec, limit) | authenticator.options(spec)
    socket = context.socket(_kind(spec))
    for option, value in chosen.items():
        socket.setsockopt(option, value)
    peers = Connections(socket, ended, crowded)
    try:
        _attach(socket, spec)
    except (zmq.ZMQError, ConfigError) as error:
        peers.close()
        socket.close()
        if isinstance(error, ConfigError):
            raise
        raise _blame(spec, error) from None
    return Port((spec, limit), socket, peers, last_endpoint(socket))


def last_endpoint(socket: zmq.Socket[bytes]) -> str:
    """Where a socket is bound or connects to, with the port number that was chosen."""
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    return endpoint.rstrip(b"\x00").decode() if isinstance(endpoint, bytes) else ""


def _kind(spec: Input | Output) -> int:
    if isinstance(spec, Output):
        return zmq.XPUB
    return {"pull": zmq.PULL, "sub": zmq.SUB, "router": zmq.ROUTER}[spec.kind]


def queued_frames(limit: int) -> int:
    """How many frames of at most `limit` bytes may wait for us, a peer."""
    return max(2, min(QUEUED_FRAMES, QUEUED_BYTES // limit))


def options(spec: Input | Output, limit: int) -> dict[int, int]:
    common: dict[int, int] = {zmq.MAXMSGSIZE: limit, **COMMON, **tcp_options(spec.endpoint)}
    if isinstance(spec, Output):
        return common | {zmq.SNDHWM: spec.high_water, zmq.LINGER: 1000, zmq.XPUB_MANUAL: 1}
    if spec.kind == "router":
        most = min(ROUTED_FRAMES, queued_frames(limit))
        return common | {zmq.RCVHWM: most, zmq.SNDHWM: 1000, zmq.LINGER: 0, **ROUTER}
    return common | {zmq.RCVHWM: queued_frames(limit), zmq.LINGER: 0}


def tcp_options(endpoint: str) -> dict[int, int]:
    """What finds out that a peer's machine is gone; a local peer cannot go without a word."""
    return TCP if endpoint.startswith("tcp:") else {}


def _attach(socket: zmq.Socket[bytes], spec: Input | Output) -> None:
    if isinstance(spec, Input) and spec.kind == "sub":
        for topic in spec.topics:
            socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
    if not _binds(spec):
        socket.connect(spec.endpoint)
        return
    for _ in range(20):  # an endpoint that was just closed is free again within a moment
        try:
            bind.bind(socket, spec.endpoint)
            return
        except zmq.ZMQError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            time.sleep(0.05)
    bind.bind(socket, spec.endpoint)


def _binds(spec: Input | Output) -> bool:
    return isinstance(spec, Output) or binds(spec)


def _blame(spec: Input | Output, error: zmq.ZMQError) -> StreamrnnError:
    what = f"cannot open {spec.endpoint}: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        return StreamrnnError(what, "stop the program that listens there, or choose another endpoint")
    return ConfigError(what, "write tcp://ADDRESS:PORT, or ipc:///PATH in a directory that exists")
