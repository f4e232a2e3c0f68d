"""The ZeroMQ sockets: any number of inputs, one XPUB output.

Nothing here blocks but `poll`. Every socket states its limits: what is queued is bounded in messages a peer, a frame
above its limit ends the connection, a silent peer is dropped, closing waits at most a second.
"""

import errno
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import zmq
from zmq.backend import Socket as BareSocket

from streamrnn.config import Input, Limits, Output
from streamrnn.errors import ConfigError, StreamrnnError
from streamrnn.service.peers import Peers
from streamrnn.wire.frames import OFFENDER_BYTES, Frame, Refusal

Message = tuple[bytes, bytes]  # topic, body
Wanted = tuple[Input | Output, int]  # what to open, and its limit in bytes of a frame
Answer = Callable[[bytes], Message]  # subscribed topic ("" for an unsubscription) -> what that peer alone is sent

SUBSCRIPTION_BYTES = 512
SUBSCRIPTIONS = 100  # served a turn, so that a flood of them does not hold up the inputs
QUEUED_FRAMES, QUEUED_BYTES = 1000, 64 * 1024 * 1024  # waiting for us, a peer: the lesser of the two

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

_NOBLOCK = int(zmq.NOBLOCK)  # plain integers: an enum costs pyzmq a conversion a call
_MORE = int(zmq.SNDMORE | zmq.NOBLOCK)


@dataclass(frozen=True, slots=True)
class Port:
    """One open socket, as it was asked for."""

    wanted: Wanted
    socket: zmq.Socket[bytes]
    peers: Peers
    endpoint: str  # with the port number that was chosen

    def close(self) -> None:
        self.peers.close()
        self.socket.close()


class Sockets:
    """All sockets of a daemon, bound or connected when this returns.

    `answer` tells what a new subscriber is sent at once. Raises ConfigError or StreamrnnError for an endpoint that
    cannot be opened.
    """

    def __init__(self, inputs: Sequence[Input], output: Output, limits: Limits, answer: Answer) -> None:
        self.ended: Counter[str] = Counter()  # connections, by peers.REASONS
        self.malformed: list[tuple[int, Refusal]] = []  # input and refusal of messages with too many parts
        self.subscribed = 0  # subscriptions read so far
        self._answer = answer
        self._max_batch = limits.max_batch
        self._context = zmq.Context()
        self._ports: list[Port] = []  # the inputs in order, then the output
        try:
            self._open_all(_wanted(inputs, output, limits))
        except StreamrnnError:
            self.close()
            raise

    @property
    def endpoints(self) -> list[str]:
        """Where each input listens or connects to, and last the output."""
        return [port.endpoint for port in self._ports]

    @property
    def ports(self) -> list[Port]:
        """The inputs in order, then the output."""
        return list(self._ports)

    def poll(self, timeout: float) -> list[Frame]:
        """Wait at most `timeout` seconds for something to do, and take what is there: at most `max_batch` frames.

        Subscriptions are answered and ended connections counted on the way.
        """
        frames: list[Frame] = []
        for socket, _ in self._poller.poll(int(timeout * 1000)):
            self._serve[socket](frames)
        return frames

    def answer(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for subscribers, and answer those that come."""
        if self._output.poll(int(timeout * 1000)):
            self._subscriptions([])

    def send(self, messages: Iterable[Message]) -> None:
        """Publish. A subscriber whose queue is full loses the message, which it can tell by its topic_seq."""
        send = self._send
        for topic, body in messages:
            send(topic, _MORE)
            send(body, _NOBLOCK)

    def change(self, inputs: Sequence[Input], output: Output, limits: Limits) -> list[Frame]:
        """Close what is no longer wanted and open what is new; frames that waited in a closed input are returned.

        Raises ConfigError or StreamrnnError when an endpoint cannot be opened; all is then as it was before.
        """
        wanted, before = _wanted(inputs, output, limits), [port.wanted for port in self._ports]
        left = self._take_unwanted(wanted)
        try:
            self._open_all(wanted)
        except StreamrnnError:
            self._take_unwanted(before)
            self._open_all(before)
            raise
        self._max_batch = limits.max_batch
        return left

    def close(self) -> None:
        """Close all; what was published is still sent to subscribers that take it within a second."""
        for port in self._ports:
            port.close()
        self._ports = []
        self._context.term()

    def _open_all(self, wanted: Sequence[Wanted]) -> None:
        """Make the ports those that are wanted, in their order; what is open already is kept."""
        kept, ports = list(self._ports), []
        try:
            for want in wanted:
                port = next((port for port in kept if port.wanted == want), None)
                if port is None:
                    port = _open(self._context, *want, self.ended)
                else:
                    kept.remove(port)
                ports.append(port)
        finally:
            self._ports = ports + kept  # nothing is forgotten when one cannot be opened
        self._listen()

    def _take_unwanted(self, wanted: Sequence[Wanted]) -> list[Frame]:
        """Close the ports that are not wanted; what waited in them is returned."""
        left: list[Frame] = []
        keep = []
        for origin, port in enumerate(self._ports):
            if port.wanted in wanted:
                keep.append(port)
                continue
            if isinstance(port.wanted[0], Input):
                self._receive(port.socket, origin, 1 << 20, left)
            port.close()
        self._ports = keep
        return left

    def _listen(self) -> None:
        """Say what is to be done for each socket that has something."""
        self._poller = zmq.Poller()
        self._serve: dict[zmq.Socket[bytes], Callable[[list[Frame]], None]] = {}
        *inputs, output = self._ports
        share = -(-self._max_batch // max(1, len(inputs)))  # a busy input does not starve the others
        for origin, port in enumerate(inputs):
            self._serve[port.socket] = _receiver(self._receive, port.socket, origin, share)
        self._serve[output.socket] = self._subscriptions
        for port in self._ports:
            self._serve[port.peers.monitor] = _listener(port.peers)
        for socket in self._serve:
            self._poller.register(socket, zmq.POLLIN)
        self._output = output.socket
        self._send = partial(BareSocket.send, output.socket)  # pyzmq's Python layer costs 0.3 us a part

    def _receive(self, socket: zmq.Socket[bytes], origin: int, most: int, frames: list[Frame]) -> None:
        """Take messages until there are no more, or `most`. One look at a message's parts is all that is made."""
        receive, now, add = socket.recv, time.time(), frames.append
        with_topic = socket.type == zmq.SUB
        try:
            for _ in range(most):
                part = receive(_NOBLOCK, False, False)  # a Frame tells whether there is more without asking the socket
                if not part.more:
                    add(Frame(origin, now, b"", part.bytes))
                    continue
                first, part = part, receive(_NOBLOCK, False, False)
                if with_topic and not part.more:
                    add(Frame(origin, now, first.bytes, part.bytes))
                else:
                    self._refuse(socket, origin, first.bytes, part.more, now)
        except zmq.Again:
            pass

    def _refuse(self, socket: zmq.Socket[bytes], origin: int, first: bytes, more: bool, now: float) -> None:
        parts = 2
        while more:
            more = socket.recv(_NOBLOCK, False, False).more
            parts += 1
        detail = f"a message of {parts} parts; one is expected, or a topic and one where the input is `sub`"
        refusal = Refusal(0, "malformed", detail, first[:OFFENDER_BYTES], len(first), now)
        self.malformed.append((origin, refusal))

    def _subscriptions(self, _: list[Frame]) -> None:
        """Honour what subscribers asked for, and answer each with one message that reaches it alone."""
        output = self._output
        try:
            for _i in range(SUBSCRIPTIONS):
                request = output.recv(_NOBLOCK)
                topic = b""
                if request[:1] == b"\x01":
                    topic = request[1:]
                    output.setsockopt(zmq.SUBSCRIBE, topic)
                    self.subscribed += 1
                elif request[:1] == b"\x00":
                    output.setsockopt(zmq.UNSUBSCRIBE, request[1:])
                self.send([self._answer(topic)])
        except zmq.Again:
            pass


def _receiver(
    receive: Callable[[zmq.Socket[bytes], int, int, list[Frame]], None],
    socket: zmq.Socket[bytes],
    origin: int,
    most: int,
) -> Callable[[list[Frame]], None]:
    return lambda frames: receive(socket, origin, most, frames)


def _listener(peers: Peers) -> Callable[[list[Frame]], None]:
    return lambda _: peers.serve()


def _wanted(inputs: Sequence[Input], output: Output, limits: Limits) -> list[Wanted]:
    return [*((spec, limits.max_frame_bytes) for spec in inputs), (output, SUBSCRIPTION_BYTES)]


def _open(context: zmq.Context[zmq.Socket[bytes]], spec: Input | Output, limit: int, ended: Counter[str]) -> Port:
    """One socket with its options, its monitor and its endpoint."""
    socket = context.socket(_kind(spec))
    for option, value in _options(spec, limit).items():
        socket.setsockopt(option, value)
    peers = Peers(socket, ended)
    try:
        _attach(socket, spec)
    except zmq.ZMQError as error:
        peers.close()
        socket.close()
        raise _blame(spec, error) from None
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    return Port((spec, limit), socket, peers, endpoint.rstrip(b"\x00").decode() if isinstance(endpoint, bytes) else "")


def _kind(spec: Input | Output) -> int:
    if isinstance(spec, Output):
        return zmq.XPUB
    return zmq.PULL if spec.kind == "pull" else zmq.SUB


def _options(spec: Input | Output, limit: int) -> dict[int, int]:
    options: dict[int, int] = {zmq.MAXMSGSIZE: limit, **COMMON}
    if spec.endpoint.startswith("tcp:"):
        options |= TCP
    if isinstance(spec, Output):
        return options | {zmq.SNDHWM: spec.high_water, zmq.LINGER: 1000, zmq.XPUB_MANUAL_LAST_VALUE: 1}
    return options | {zmq.RCVHWM: max(2, min(QUEUED_FRAMES, QUEUED_BYTES // limit)), zmq.LINGER: 0}


def _attach(socket: zmq.Socket[bytes], spec: Input | Output) -> None:
    if isinstance(spec, Input) and spec.kind == "sub":
        for topic in spec.topics:
            socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
    bind = isinstance(spec, Output) or (spec.kind == "pull" if spec.bind is None else spec.bind)
    if not bind:
        socket.connect(spec.endpoint)
        return
    for _ in range(20):  # an endpoint that was just closed is free again within a moment
        try:
            socket.bind(spec.endpoint)
            return
        except zmq.ZMQError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            time.sleep(0.05)
    socket.bind(spec.endpoint)


def _blame(spec: Input | Output, error: zmq.ZMQError) -> StreamrnnError:
    what = f"cannot open {spec.endpoint}: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        return StreamrnnError(what, "stop the program that listens there, or choose another endpoint")
    return ConfigError(what, "write tcp://ADDRESS:PORT, or ipc:///PATH in a directory that exists")
