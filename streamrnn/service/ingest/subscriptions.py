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
    """Serves one output; `answer` tells what a new subscriber is sent at once."""

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
                    self._authenticator.unsubscribed(request[1:])
        except zmq.Again:
            pass

    def _subscribe(self, port: Port, part: zmq.Frame, topic: bytes) -> None:
        port.peers.serve()  # its connection is known from here on, so what follows is not thought unheard
        if self._authenticator.guards(port.wanted[0]) and not self._authenticator.may_subscribe(
            self._authenticator.shown(port.peers, part), topic
        ):
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
