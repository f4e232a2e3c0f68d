"""The ZeroMQ sockets: any number of inputs, one XPUB output. `router` inputs can be answered.

Nothing here blocks but `poll`. Every socket states its limits: what is queued is bounded in messages a peer, a frame
above its limit ends the connection, a silent peer is dropped, closing waits at most a second.
"""

import errno
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import zmq
from msgspec import structs
from zmq.backend import Socket as BareSocket

from streamrnn.config.keys import Grant
from streamrnn.config.schema import Input, Limits, Output
from streamrnn.config.validate import IPC_BYTES, binds
from streamrnn.errors import ConfigError, StreamrnnError
from streamrnn.service.ingest import bind
from streamrnn.service.ingest.authentication import Authenticator
from streamrnn.service.ingest.connections import Connections
from streamrnn.wire.frames import OFFENDER_BYTES, Frame, Refusal

Message = tuple[bytes, bytes]  # topic, body
Wanted = tuple[Input | Output, int]  # what to open, and its limit in bytes of a frame
Share = tuple[int, int]  # of a turn: frames, bytes
Answer = Callable[[bytes], Message]  # subscribed topic -> what that peer alone is sent

SUBSCRIPTION_BYTES = 512
SUBSCRIPTIONS = 100  # served a turn, so that a flood of them does not hold up the inputs
MOST_LEFT = 1 << 20, 1 << 40  # frames and bytes taken out of an input at a change, should its senders never rest
TURN_BYTES = 256 * 1024  # taken a turn, or a frame an input: some 10 ms of reading what is refused in the end
QUEUED_FRAMES, QUEUED_BYTES = 1000, 64 * 1024 * 1024  # waiting for us, a peer: the lesser of the two
CROWD = 2  # connections, as multiples of those that may have greeted
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

_NOBLOCK = int(zmq.NOBLOCK)  # plain integers: an enum costs pyzmq a conversion a call
_MORE = int(zmq.SNDMORE | zmq.NOBLOCK)


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


@dataclass(frozen=True, slots=True, eq=False)
class Auxiliary:
    """One open socket that has to do with no input."""

    socket: zmq.Socket[bytes]
    peers: Connections
    serve: Callable[[zmq.Socket[bytes]], None]

    def close(self) -> None:
        self.peers.close()
        self.socket.close()


class Sockets:
    """All sockets of a daemon, bound or connected when this returns.

    `answer` tells what a new subscriber is sent at once. Raises ConfigError or StreamrnnError for an endpoint that
    cannot be opened.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        output: Output,
        limits: Limits,
        answer: Answer,
        authenticator: Authenticator | None = None,
    ) -> None:
        self.ended: Counter[str] = Counter()  # connections, by peers.REASONS
        self.malformed: list[tuple[int, Refusal]] = []  # input and refusal of messages with too many parts
        self.left: list[Frame] = []  # taken out of inputs by `change`; the origin is the input as it was before
        self.subscribed = 0  # subscriptions read so far
        self.laden = False  # the latest poll has taken as many bytes as it may
        self._answer = answer
        self._max_batch = limits.max_batch
        self._paused = False
        self._context = zmq.Context()
        self._ports: list[Port] = []  # the inputs in order, then the output
        self._auxiliary: list[Auxiliary] = []
        self.authenticator = authenticator or Authenticator()
        self._most = limits.max_connections
        self.authenticator.follow(limits.max_subscriptions, self._full)
        self._zap = self.authenticator.open(self._context)
        try:
            self._arrange(_wanted(inputs, output, limits))
            self._listen()
        except StreamrnnError:
            self.close()
            raise

    @property
    def endpoints(self) -> list[str]:
        """Where each input listens or connects to, and last the output."""
        return [port.endpoint for port in self._ports]

    @property
    def heard(self) -> bool:
        """Whether anybody may have subscribed."""
        return self._subscribers.peers.any

    @property
    def connections(self) -> int:
        """How many there are, greeted or not."""
        return sum(len(peers) for peers in self._peers())

    @property
    def auxiliary(self) -> list[Auxiliary]:
        """What has been opened beside them."""
        return list(self._auxiliary)

    @property
    def ports(self) -> list[Port]:
        """The inputs in order, then the output."""
        return list(self._ports)

    def poll(self, timeout: float) -> list[Frame]:
        """Wait at most `timeout` seconds for something to do, and take what is there: at most `max_batch` frames, and
        not many bytes.

        Subscriptions are answered and ended connections counted on the way.
        """
        frames: list[Frame] = []
        self.laden = False
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

    def reply(self, origin: int, route: bytes, frame: bytes) -> None:
        """Answer a peer of a `router`. One that is gone, or does not read, asks again when it is back."""
        if origin >= len(self._ports) or self._ports[origin].socket.type != zmq.ROUTER:
            return  # the inputs have changed meanwhile
        socket = self._ports[origin].socket
        with suppress(zmq.ZMQError):
            socket.send(route, _MORE)
            socket.send(frame, _NOBLOCK)

    def open_auxiliary(
        self,
        endpoint: str,
        options: Mapping[int, Any],
        serve: Callable[[zmq.Socket[bytes]], None],
        always: bool = False,
    ) -> str:
        """A ROUTER that has to do with no input: `serve` is called when it has something. Returns where it listens.

        `always`: its peers are let in however many connections there are. Raises StreamrnnError.
        """
        socket = self._context.socket(zmq.ROUTER)
        for option, value in {**COMMON, **_tcp(endpoint), **ROUTER, **options}.items():
            socket.setsockopt(option, value)
        made = Auxiliary(socket, Connections(socket, self.ended, (lambda: False) if always else self._crowded), serve)
        try:
            bind.bind(socket, endpoint)
        except (zmq.ZMQError, OSError) as error:
            made.close()
            hint = f"stop who listens there, or choose another one (a path has at most {IPC_BYTES} bytes)"
            raise StreamrnnError(f"cannot open {endpoint}: {error.strerror}", hint) from None
        self._auxiliary.append(made)
        self._listen()
        return _last_endpoint(socket)

    def take_malformed(self) -> list[tuple[int, Refusal]]:
        """`malformed`, which is empty from then on."""
        taken, self.malformed = self.malformed, []
        return taken

    def take_left(self) -> list[Frame]:
        """`left`, which is empty from then on."""
        taken, self.left = self.left, []
        return taken

    def pause(self, paused: bool) -> None:
        """Leave `pull` and `sub` inputs unread, so that their senders wait, or read them again."""
        self._paused = paused
        self._listen()

    def change(self, inputs: Sequence[Input], output: Output, limits: Limits) -> None:
        """Open what is new and close what is no longer wanted; what waited in an input that is closed, or is read
        otherwise from now on, is put into `left`.

        What is new is opened first, and given up again when one endpoint cannot be opened. Only what takes the place of
        an open socket at its own endpoint has to come after that one is closed.

        Raises ConfigError or StreamrnnError when an endpoint cannot be opened; all is then as it was before, and what
        was taken on the way is in `left` none the less. RuntimeError: an endpoint that we held is lost.
        """
        self._arrange(_wanted(inputs, output, limits))
        self._max_batch = limits.max_batch
        self._most = limits.max_connections
        self.authenticator.follow(limits.max_subscriptions, self._full)
        self._listen()

    def change_grants(self, grants: Mapping[str, Grant]) -> int:
        """Other keys from now on; connections of keys that may do less than before are ended. Returns how many."""
        gone = self.authenticator.change_grants(grants)
        return sum(port.peers.end(key) for port in self._ports for key in gone)

    def close(self) -> None:
        """Close all; what was published is still sent to subscribers that take it within a second."""
        for port in self._ports:
            port.close()
        for each in self._auxiliary:
            each.close()
        self._ports, self._auxiliary = [], []
        self._zap.close()
        self._context.term()

    def _full(self) -> bool:
        return sum(peers.greeted for peers in self._peers()) >= self._most

    def _crowded(self) -> bool:
        """Whether there are more connections than may greet, and as many again that have not."""
        return self.connections > CROWD * self._most

    def _peers(self) -> list[Connections]:
        """Those of every socket."""
        return [port.peers for port in self._ports] + [each.peers for each in self._auxiliary]

    def _arrange(self, wanted: Sequence[Wanted]) -> None:
        """Make the ports those that are wanted, in their order."""
        before, kept = self._ports, _kept(self._ports, wanted)
        going = [port for port in before if port not in kept.values()]
        held = {port.wanted[0].endpoint for port in going}
        new = {place: want for place, want in enumerate(wanted) if place not in kept}
        ports = kept | self._open({place: want for place, want in new.items() if want[0].endpoint not in held})
        self._take([port for place, port in kept.items() if port.wanted == wanted[place]])
        for port in going:
            port.close()
        try:
            ports |= self._open({place: want for place, want in new.items() if want[0].endpoint in held})
        except StreamrnnError:
            for port in ports.values():
                if port not in before:
                    port.close()
            self._put_back(going)
            raise
        self._ports = [replace(ports[place], wanted=want) for place, want in enumerate(wanted)]

    def _open(self, wanted: Mapping[int, Wanted]) -> dict[int, Port]:
        """Open all of them, or none and raise."""
        ports: dict[int, Port] = {}
        try:
            for place, want in wanted.items():
                ports[place] = _open(self._context, want, self.ended, self._crowded, self.authenticator)
        except StreamrnnError:
            for port in ports.values():
                port.close()
            raise
        return ports

    def _take(self, same: Sequence[Port]) -> None:
        """Take what waits in the inputs that do not stay the `same`."""
        for origin, port in enumerate(self._ports):
            if port not in same and port.socket.type in (
                zmq.PULL,
                zmq.SUB,
            ):  # a producer keeps its own
                self._receive(port, origin, MOST_LEFT, self.left)

    def _put_back(self, closed: Sequence[Port]) -> None:
        """Open again what was closed, in its old place."""
        before = self._ports
        self._ports = [port for port in before if port not in closed]
        try:
            again = self._open({place: port.wanted for place, port in enumerate(before) if port in closed})
        except StreamrnnError as error:
            raise RuntimeError(f"an endpoint that was ours is lost: {error}") from error
        self._ports = [again.get(place, port) for place, port in enumerate(before)]
        self._listen()

    def _listen(self) -> None:
        """Say what is to be done for each socket that has something."""
        self._poller = zmq.Poller()
        self._serve: dict[zmq.Socket[bytes], Callable[[list[Frame]], None]] = {}
        *inputs, output = self._ports
        count = max(1, len(inputs))
        share = -(-self._max_batch // count), TURN_BYTES // count  # a busy input does not starve the others
        for origin, port in enumerate(inputs):
            routed = port.socket.type == zmq.ROUTER
            if routed or not self._paused:
                receive = self._receive_routed if routed else self._receive
                self._serve[port.socket] = _receiver(receive, port, origin, share)
        self._serve[output.socket] = self._subscriptions
        self._serve[self._zap] = lambda _: self.authenticator.serve(self._zap)
        for peers in self._peers():
            self._serve[peers.monitor] = _listener(peers)
        for each in self._auxiliary:
            self._serve[each.socket] = _server(each.serve, each.socket)
        for socket in self._serve:
            self._poller.register(socket, zmq.POLLIN)
        self._output, self._subscribers = output.socket, output
        self._send = partial(BareSocket.send, output.socket)  # pyzmq's Python layer costs 0.3 us a part

    def _receive(self, port: Port, origin: int, share: Share, frames: list[Frame]) -> None:
        """Take messages until there are no more, or its share. One look at a message's parts is all that is made."""
        socket, (most, room) = port.socket, share
        receive, now, add = socket.recv, time.time(), frames.append
        with_topic, guarded, user = socket.type == zmq.SUB, self.authenticator.guards(port.wanted[0]), ""
        try:
            for _ in range(most):
                part = receive(_NOBLOCK, False, False)  # a Frame tells whether there is more without asking the socket
                if guarded and not (user := self._user(port, part)):
                    _rest(socket, part.more)
                    continue
                first = b""
                if part.more:
                    first, part = part.bytes, receive(_NOBLOCK, False, False)
                    if not with_topic or part.more:
                        self._refuse(socket, origin, first, part.more, now)
                        continue
                body = part.bytes
                add(Frame(origin, now, first, body, b"", user))
                room -= len(body)
                if room <= 0:
                    self.laden = True
                    break
        except zmq.Again:
            pass

    def _receive_routed(self, port: Port, origin: int, share: Share, frames: list[Frame]) -> None:
        """Take messages of producers: the peer's routing id, and one part."""
        socket, (most, room) = port.socket, share
        receive, now, add = socket.recv, time.time(), frames.append
        guarded, user = self.authenticator.guards(port.wanted[0]), ""
        try:
            for _ in range(most):
                route = receive(_NOBLOCK)
                part = receive(_NOBLOCK, False, False)
                if guarded and not (user := self._user(port, part)):
                    _rest(socket, part.more)
                elif part.more:
                    self._refuse(socket, origin, part.bytes, True, now)
                else:
                    body = part.bytes
                    add(Frame(origin, now, b"", body, route, user))
                    room -= len(body)
                    if room <= 0:
                        self.laden = True
                        break
        except zmq.Again:
            pass

    def _user(self, port: Port, part: zmq.Frame) -> str:
        """The key that a guarded message came with; "" and the end of its connection when it is not let in any more."""
        key, descriptor = self.authenticator.key(part), int(part.get(zmq.SRCFD))
        if key:
            port.peers.keys[descriptor] = key
        else:
            port.peers.shut(descriptor)
            self.authenticator.denied["message"] += 1
        return key

    def _refuse(self, socket: zmq.Socket[bytes], origin: int, first: bytes, more: bool, now: float) -> None:
        parts = 2 + _rest(socket, more)
        detail = f"a message of {parts} parts; one is expected, or a topic and one where the input is `sub`"
        refusal = Refusal(0, "malformed", detail, first[:OFFENDER_BYTES], len(first), now)
        self.malformed.append((origin, refusal))

    def _subscriptions(self, _: list[Frame]) -> None:
        """Honour what subscribers asked for, and answer each subscription with one message that reaches it alone."""
        output = self._output
        try:
            for _i in range(SUBSCRIPTIONS):
                part = output.recv(_NOBLOCK, False)
                request = part.bytes
                if request[:1] == b"\x01":
                    self._subscribe(part, request[1:])
                elif request[:1] == b"\x00":
                    output.setsockopt(zmq.UNSUBSCRIBE, request[1:])
                    self.authenticator.unsubscribed(request[1:])
        except zmq.Again:
            pass

    def _subscribe(self, part: zmq.Frame, topic: bytes) -> None:
        port = self._subscribers
        port.peers.serve()  # its connection is known from here on, so what follows is not thought unheard
        if self.authenticator.guards(port.wanted[0]) and not self.authenticator.may_subscribe(
            self._user(port, part), topic
        ):
            return
        self._output.setsockopt(zmq.SUBSCRIBE, topic)
        self.subscribed += 1
        self._send_alone(self._answer(topic))

    def _send_alone(self, message: Message) -> None:
        """Send to the peer whose subscription was read last; only for the time of this does libzmq mind which."""
        self._output.setsockopt(zmq.XPUB_MANUAL_LAST_VALUE, 1)
        self.send([message])
        self._output.setsockopt(zmq.XPUB_MANUAL_LAST_VALUE, 0)  # this ends XPUB_MANUAL too
        self._output.setsockopt(zmq.XPUB_MANUAL, 1)


def _receiver(
    receive: Callable[[Port, int, Share, list[Frame]], None], port: Port, origin: int, share: Share
) -> Callable[[list[Frame]], None]:
    return lambda frames: receive(port, origin, share, frames)


def _rest(socket: zmq.Socket[bytes], more: bool) -> int:
    """Take the other parts of a message; how many there were."""
    parts = 0
    while more:
        more = socket.recv(_NOBLOCK, False, False).more
        parts += 1
    return parts


def _listener(peers: Connections) -> Callable[[list[Frame]], None]:
    return lambda _: peers.serve()


def _server(serve: Callable[[zmq.Socket[bytes]], None], socket: zmq.Socket[bytes]) -> Callable[[list[Frame]], None]:
    return lambda _: serve(socket)


def _kept(ports: Sequence[Port], wanted: Sequence[Wanted]) -> dict[int, Port]:
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


def _wanted(inputs: Sequence[Input], output: Output, limits: Limits) -> list[Wanted]:
    return [*((spec, limits.max_frame_bytes) for spec in inputs), (output, SUBSCRIPTION_BYTES)]


def _open(
    context: zmq.Context[zmq.Socket[bytes]],
    wanted: Wanted,
    ended: Counter[str],
    crowded: Callable[[], bool],
    authenticator: Authenticator,
) -> Port:
    """One socket with its options, its monitor and its endpoint."""
    spec, limit = wanted
    options = _options(spec, limit) | authenticator.options(spec)
    socket = context.socket(_kind(spec))
    for option, value in options.items():
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
    return Port((spec, limit), socket, peers, _last_endpoint(socket))


def _last_endpoint(socket: zmq.Socket[bytes]) -> str:
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


def _options(spec: Input | Output, limit: int) -> dict[int, int]:
    options: dict[int, int] = {zmq.MAXMSGSIZE: limit, **COMMON, **_tcp(spec.endpoint)}
    if isinstance(spec, Output):
        return options | {zmq.SNDHWM: spec.high_water, zmq.LINGER: 1000, zmq.XPUB_MANUAL: 1}
    if spec.kind == "router":
        most = min(ROUTED_FRAMES, queued_frames(limit))
        return options | {zmq.RCVHWM: most, zmq.SNDHWM: 1000, zmq.LINGER: 0, **ROUTER}
    return options | {zmq.RCVHWM: queued_frames(limit), zmq.LINGER: 0}


def _tcp(endpoint: str) -> dict[int, int]:
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
