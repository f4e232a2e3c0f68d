"""The ZeroMQ sockets: any number of inputs, one XPUB output. `router` inputs can be answered.

Nothing here blocks but `poll`. Every socket states its limits: what is queued is bounded in messages a peer, a frame
above its limit ends the connection, a silent peer is dropped, closing waits at most a second.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog
import zmq
from zmq.backend import Socket as BareSocket

from streamrnn.config.keys import Grant
from streamrnn.config.schema import Input, Limits, Output
from streamrnn.config.validate import IPC_BYTES
from streamrnn.errors import StreamrnnError
from streamrnn.service.ingest import bind
from streamrnn.service.ingest.authentication import Authenticator
from streamrnn.service.ingest.connections import Connections, Sent
from streamrnn.service.ingest.ports import (
    COMMON,
    ROUTER,
    Port,
    Wanted,
    kept_of,
    last_endpoint,
    open_port,
    tcp_options,
    wanted_of,
)
from streamrnn.service.ingest.receive import Receiver
from streamrnn.service.ingest.subscriptions import Answer, Message, Subscriptions
from streamrnn.wire.frames import Frame, Refusal

MOST_LEFT = 1 << 20, 1 << 40  # frames and bytes taken out of an input at a change, should its senders never rest
TURN_BYTES = 256 * 1024  # taken a turn, or a frame an input: some 10 ms of reading what is refused in the end
WAITING_BYTES = 64 * 1024 * 1024  # for one subscriber: one that does not read is ended
CROWD = 2  # connections, as multiples of those that may have greeted

_NOBLOCK = int(zmq.NOBLOCK)  # plain integers: an enum costs pyzmq a conversion a call
_MORE = int(zmq.SNDMORE | zmq.NOBLOCK)
_log = structlog.get_logger("streamrnn")


class LostError(RuntimeError):
    """An endpoint that was ours cannot be had back: only a start can bind it."""


@dataclass(frozen=True, slots=True, eq=False)
class Auxiliary:
    """One open socket that has to do with no input."""

    socket: zmq.Socket[bytes]
    peers: Connections
    serve: Callable[[zmq.Socket[bytes]], None]
    guarded: bool  # by keys

    def close(self) -> None:
        self.peers.close()
        self.socket.close()


class Sockets:
    """All sockets of a daemon. `answer` tells what a new subscriber is sent at once. Nothing is open before `open`."""

    def __init__(self, answer: Answer, authenticator: Authenticator | None = None) -> None:
        self.ended: Counter[str] = Counter()  # connections, by connections.REASONS
        self.left: list[Frame] = []  # taken out of inputs by `change`; the origin is the input as it was before
        self.authenticator = authenticator or Authenticator()
        self._receiver = Receiver(self.authenticator)
        self._subscriptions = Subscriptions(self.authenticator, answer)
        self._max_batch = self._most = 0
        self._paused = False
        self._sent = self._sent_bytes = 0  # published
        self._ports: list[Port] = []  # the inputs in order, then the output
        self._auxiliary: list[Auxiliary] = []

    def open(self, inputs: Sequence[Input], output: Output, limits: Limits) -> None:
        """Bind or connect all of them. Raises ConfigError or StreamrnnError for an endpoint that cannot be opened."""
        self._context = zmq.Context()
        self._keep_to(limits)
        self._zap = self.authenticator.open(self._context)
        try:
            self._arrange(wanted_of(inputs, output, limits))
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

    def take_ended(self) -> Counter[str]:
        """`ended`, which begins anew."""
        taken = self.ended.copy()
        self.ended.clear()  # every socket's connections count in it
        if taken["cut"]:
            _log.warning("peers cut off", count=taken["cut"], hint="see limits.max_frame_bytes")
        return +taken

    @property
    def laden(self) -> bool:
        """Whether the latest poll has taken as many bytes as it may."""
        return self._receiver.laden

    @property
    def malformed(self) -> list[tuple[int, Refusal]]:
        """Input and refusal of messages with too many parts."""
        return self._receiver.malformed

    def take_malformed(self) -> list[tuple[int, Refusal]]:
        """`malformed`, which is empty from then on."""
        return self._receiver.take_malformed()

    @property
    def subscribed(self) -> int:
        """Subscriptions read so far."""
        return self._subscriptions.read

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
        self._receiver.begin()
        for socket, _ in self._poller.poll(int(timeout * 1000)):
            self._serve[socket](frames)
        return frames

    def answer(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for subscribers, and answer those that come."""
        if self._output.poll(int(timeout * 1000)):
            self._subscriptions.serve(self._ports[-1])

    def send(self, messages: Iterable[Message]) -> None:
        """Publish. A subscriber whose queue is full loses the message, which it can tell by its topic_seq."""
        send, count, size = self._send, 0, 0
        for topic, body in messages:
            send(topic, _MORE)
            send(body, _NOBLOCK)
            count, size = count + 1, size + len(body)
        self._sent, self._sent_bytes = self._sent + count, self._sent_bytes + size

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
        for option, value in {**COMMON, **tcp_options(endpoint), **ROUTER, **options}.items():
            socket.setsockopt(option, value)
        peers = Connections(socket, self.ended, (lambda: False) if always else self._crowded)
        made = Auxiliary(socket, peers, serve, bool(options.get(zmq.CURVE_SERVER)))
        try:
            bind.bind(socket, endpoint)
        except (zmq.ZMQError, OSError) as error:
            made.close()
            hint = f"stop who listens there, or choose another one (a path has at most {IPC_BYTES} bytes)"
            raise StreamrnnError(f"cannot open {endpoint}: {error.strerror}", hint) from None
        self._auxiliary.append(made)
        self._listen()
        return last_endpoint(socket)

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
        was taken on the way is in `left` none the less. LostError: an endpoint that we held is lost.
        """
        self._arrange(wanted_of(inputs, output, limits))
        self._keep_to(limits)
        self._listen()

    def change_grants(self, grants: Mapping[str, Grant]) -> int:
        """Other keys from now on; connections of keys that may do less than before are ended. Returns how many.

        So are those that have shown no key yet, as they may be of such a key; others come back at once.
        """
        gone = self.authenticator.change_grants(grants)
        guarded = [port.peers for port in self._ports if self.authenticator.guards(port.wanted[0])]
        guarded += [each.peers for each in self._auxiliary if each.guarded]
        return sum(peers.end(gone) for peers in guarded) if gone else 0

    def end_slow(self) -> None:
        """End the subscribers for which more waits than memory should hold."""
        spec = self._subscribers.wanted[0]
        high_water = spec.high_water if isinstance(spec, Output) else 0
        self._subscribers.peers.end_slow(Sent(self._sent, self._sent_bytes), high_water, WAITING_BYTES)

    def close(self) -> None:
        """Close all; what was published is still sent to subscribers that take it within a second."""
        for port in self._ports:
            port.close()
        for each in self._auxiliary:
            each.close()
        self._ports, self._auxiliary = [], []
        self._zap.close()
        self._context.term()

    def _keep_to(self, limits: Limits) -> None:
        self._max_batch, self._most = limits.max_batch, limits.max_connections
        self.authenticator.follow(limits.max_subscriptions, self._full)

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
        before, kept = self._ports, kept_of(self._ports, wanted)
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
                ports[place] = open_port(self._context, want, self.ended, self._crowded, self.authenticator)
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
                self._receiver.plain(port, origin, MOST_LEFT, self.left)

    def _put_back(self, closed: Sequence[Port]) -> None:
        """Open again what was closed, in its old place."""
        before = self._ports
        self._ports = [port for port in before if port not in closed]
        try:
            again = self._open({place: port.wanted for place, port in enumerate(before) if port in closed})
        except StreamrnnError as error:
            raise LostError(f"an endpoint that was ours is lost: {error}") from error
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
            if port.socket.type == zmq.ROUTER or not self._paused:
                self._serve[port.socket] = self._receiver.of(port, origin, share)
        self._serve[output.socket] = lambda _: self._subscriptions.serve(output)
        self._serve[self._zap] = lambda _: self.authenticator.serve(self._zap)
        for peers in self._peers():
            self._serve[peers.monitor] = _listener(peers)
        for each in self._auxiliary:
            self._serve[each.socket] = _server(each.serve, each.socket)
        for socket in self._serve:
            self._poller.register(socket, zmq.POLLIN)
        self._output, self._subscribers = output.socket, output
        self._send = partial(BareSocket.send, output.socket)  # pyzmq's Python layer costs 0.3 us a part


def _listener(peers: Connections) -> Callable[[list[Frame]], None]:
    return lambda _: peers.serve()


def _server(serve: Callable[[zmq.Socket[bytes]], None], socket: zmq.Socket[bytes]) -> Callable[[list[Frame]], None]:
    return lambda _: serve(socket)
