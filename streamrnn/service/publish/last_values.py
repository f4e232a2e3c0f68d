"""Last values: what a new subscriber is sent at once, the last prediction of the stream it names or the last status."""

from typing import Any
from urllib.parse import unquote

from streamrnn.engine.engine import Engine
from streamrnn.service.ingest.subscriptions import Message
from streamrnn.wire import Encoder
from streamrnn.wire.formats import FORMATS
from streamrnn.wire.topics import topic_of

_KIND = "prediction"


class LastValues:
    """The last value of every topic that has one; predictions are asked of the engine when somebody wants them."""

    def __init__(self, engine: Engine, encoder: Encoder, format: str) -> None:
        self._status: Message = (b"", b"")
        self.follow(engine, encoder, format)

    def follow(self, engine: Engine, encoder: Encoder, format: str) -> None:
        """Answer from these from now on."""
        self._engine = engine
        self._encoder = encoder
        self._codec = FORMATS[format].codec

    def status(self, fields: dict[str, Any]) -> Message:
        """A status to publish; it is kept for who comes later."""
        topic, body = self._encoder.status(fields)
        self._status = topic, self._codec.encode({**self._codec.decode(body), "retained": True})
        return topic, body

    def answer(self, topic: bytes) -> Message:
        """The one message for a peer that subscribed to `topic`. Where its topic has none it is the status, which
        libzmq then sends only if the peer subscribed to that too."""
        name = _stream(topic)
        outcomes = None if name is None else self._engine.outlook(name)
        return self._status if name is None or outcomes is None else self._encoder.retained(name, outcomes)


def _stream(topic: bytes) -> str | None:
    """The stream whose predictions a topic names exactly."""
    kind, _, rest = topic.decode(errors="replace").partition("/")
    if kind != _KIND or not rest.endswith("/"):
        return None
    name = unquote(rest[:-1], errors="replace")
    return name if topic_of(_KIND, name) == topic else None
