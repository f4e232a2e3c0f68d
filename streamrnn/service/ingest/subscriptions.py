"""The subscriptions of an XPUB output: honoured for who may hear, and each answered by one message for that peer."""

from collections.abc import Callable

import structlog
import zmq

from streamrnn.service.ingest.authentication import Authenticator
from streamrnn.service.ingest.ports import Port

Message = tuple[bytes, bytes]  # topic, body
Answer = Callable[[bytes], Message]  # subscribed topic -> what that peer alone is sent

SUBSCRIPTIONS = 100  # served a turn, so that a flood of them does not hold up the inputs

_NOBLOCK = int(zmq.NOBLOCK)
_MORE = int(zmq.SNDMORE | zmq.NOBLOCK)
_log = structlog.get_logger("streamrnn")


class Subscriptions:
    """Serves one output; `answer` tells what a new subscriber is sent at once.

    What a key, or a connection without one, may hold is bounded in number, and what all hold in bytes: libzmq needs
    some 90 bytes for each byte of a topic.
    """

    def __init__(self, authenticator: Authenticator, answer: Answer) -> None:
        self.read = 0  # subscriptions honoured so far
        self._authenticator, self._answer = authenticator, answer

    def serve(self, port: Port) -> None:
        """Honour what subscribers asked for."""
        output = port.socket
        try:
            for _ in range(SUBSCRIPTIONS):
                part = output.recv(_NOBLOCK, False)
                request = part.bytes
                if request[:1] == b"\x01":
                    self._subscribe(port, part, request[1:])
                elif request[:1] == b"\x00":
                    output.setsockopt(zmq.UNSUBSCRIBE, request[1:])
                    port.peers.topics.release(_descriptor(part), request[1:])
        except zmq.Again:
            pass

    def _subscribe(self, port: Port, part: zmq.Frame, topic: bytes) -> None:
        port.peers.serve()  # its connection is known from here on, so what follows is not thought unheard
        guarded = self._authenticator.guards(port.wanted[0])
        if guarded and not self._authenticator.may_subscribe(self._authenticator.shown(port.peers, part), topic):
            return
        descriptor = _descriptor(part)
        owner = port.peers.keys.get(descriptor) or descriptor
        if not port.peers.topics.hold(descriptor, owner, topic, self._authenticator.most):
            self._authenticator.denied["too_many_subscriptions"] += 1
            return
        port.socket.setsockopt(zmq.SUBSCRIBE, topic)
        self.read += 1
        try:
            message = self._answer(topic)
        except Exception:  # a subscriber is no reason to end
            _log.error("a subscription could not be answered", topic=topic[:200], exc_info=True)
            return
        self._send_alone(port.socket, message)

    def _send_alone(self, output: zmq.Socket[bytes], message: Message) -> None:
        """Send to the peer whose subscription was read last; only for the time of this does libzmq mind which."""
        output.setsockopt(zmq.XPUB_MANUAL_LAST_VALUE, 1)
        output.send(message[0], _MORE)
        output.send(message[1], _NOBLOCK)
        output.setsockopt(zmq.XPUB_MANUAL_LAST_VALUE, 0)  # this ends XPUB_MANUAL too
        output.setsockopt(zmq.XPUB_MANUAL, 1)


def _descriptor(part: zmq.Frame) -> int:
    """Of the connection that a subscription came over; -1 where libzmq does not tell."""
    try:
        return int(part.get(zmq.SRCFD))
    except (zmq.ZMQError, ValueError):
        return -1
