"""How messages are taken from the inputs: a few at a time, and no more than one look at a message's parts."""

import time
from collections.abc import Callable

import zmq

from streamrnn.service.ingest.authentication import Authenticator
from streamrnn.service.ingest.ports import Port
from streamrnn.wire.frames import OFFENDER_BYTES, Frame, Refusal

Share = tuple[int, int]  # of a turn: frames, bytes

_NOBLOCK = int(zmq.NOBLOCK)  # plain integers: an enum costs pyzmq a conversion a call


class Receiver:
    """Takes what waits in an input; `authenticator` knows who may send."""

    def __init__(self, authenticator: Authenticator) -> None:
        self.malformed: list[tuple[int, Refusal]] = []  # input and refusal of messages with too many parts
        self.laden = False  # an input had more bytes than its share, since `begin`
        self._authenticator = authenticator

    def begin(self) -> None:
        """A poll begins."""
        self.laden = False

    def take_malformed(self) -> list[tuple[int, Refusal]]:
        """`malformed`, which is empty from then on."""
        taken, self.malformed = self.malformed, []
        return taken

    def of(self, port: Port, origin: int, share: Share) -> Callable[[list[Frame]], None]:
        """What takes the share of one input, the one with this index, into a list."""
        take = self.routed if port.socket.type == zmq.ROUTER else self.plain
        return lambda frames: take(port, origin, share, frames)

    def plain(self, port: Port, origin: int, share: Share, frames: list[Frame]) -> None:
        """Take messages until there are no more, or its share. One look at a message's parts is all that is made."""
        socket, (most, room) = port.socket, share
        receive, now, add = socket.recv, time.time(), frames.append
        with_topic, guarded, user = socket.type == zmq.SUB, self._authenticator.guards(port.wanted[0]), ""
        try:
            for _ in range(most):
                part = receive(_NOBLOCK, False, False)  # a Frame tells whether there is more without asking the socket
                if guarded and not (user := self._authenticator.shown(port.peers, part)):
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

    def routed(self, port: Port, origin: int, share: Share, frames: list[Frame]) -> None:
        """Take messages of producers: the peer's routing id, and one part."""
        socket, (most, room) = port.socket, share
        receive, now, add = socket.recv, time.time(), frames.append
        guarded, user = self._authenticator.guards(port.wanted[0]), ""
        try:
            for _ in range(most):
                route = receive(_NOBLOCK)
                part = receive(_NOBLOCK, False, False)
                if guarded and not (user := self._authenticator.shown(port.peers, part)):
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

    def _refuse(self, socket: zmq.Socket[bytes], origin: int, first: bytes, more: bool, now: float) -> None:
        parts = 2 + _rest(socket, more)
        detail = f"a message of {parts} parts; one is expected, or a topic and one where the input is `sub`"
        refusal = Refusal(0, "malformed", detail, first[:OFFENDER_BYTES], len(first), now)
        self.malformed.append((origin, refusal))


def _rest(socket: zmq.Socket[bytes], more: bool) -> int:
    """Take the other parts of a message; how many there were."""
    parts = 0
    while more:
        more = socket.recv(_NOBLOCK, False, False).more
        parts += 1
    return parts
