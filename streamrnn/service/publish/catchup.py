"""What a subscriber missed: the last value of every stream under a prefix, and the latest messages of a topic again.

A subscriber that comes late subscribes first and asks for a snapshot then; one that sees a gap in `topic_seq` asks for
what lies in it. The daemon keeps the latest messages of each kind for that, bounded in number and in bytes; last values
are asked of the engine. Answers come in pages of a bounded size, and all askers share a budget of time a turn, so that
nobody holds up a turn; nothing about who asked is remembered between them: a peer that does not read loses its answer
and asks again.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Protocol

import msgspec
import structlog
import zmq
from msgspec import Struct

from streamrnn.service.ingest.subscriptions import Message
from streamrnn.service.publish.ring import Ring
from streamrnn.service.storage.incarnation import Incarnation
from streamrnn.wire.topics import topic_of

MOST, BYTES = 10_000, 64 * 1024 * 1024  # kept of a kind: the lesser of the two
REQUESTS, SECONDS = 4, 0.002  # served a turn: the lesser of the two; one is served in any case
STREAMS, PAGE, PAGE_BYTES = 2048, 128, 1024 * 1024  # streams looked at, messages and bytes of an answer
KINDS = (b"prediction", b"anomaly", b"drift", b"status", b"deadletter")
OPTIONS: dict[int, int] = {zmq.MAXMSGSIZE: 2048, zmq.RCVHWM: 10, zmq.SNDHWM: 10, zmq.LINGER: 0}


_log = structlog.get_logger("streamrnn")


class Request(Struct, forbid_unknown_fields=True):
    """One of `snapshot` (a prefix of topics) and `replay` (a topic)."""

    snapshot: str | None = None
    start: int = 0  # of a snapshot's page: the `next` of the one before
    replay: str | None = None
    after: int = 0  # topic_seq
    since: int = 0  # lsn: older ones are not meant, whatever their number
    id: int = 0  # comes back in the answer


class Head(Struct, omit_defaults=True, rename={"begun": "from"}):
    """What stands before the messages of an answer."""

    id: int
    incarnation: str = ""  # of the state: numbers of another one say nothing about these
    session: str = ""  # new at every start
    began: int = 0  # the lsn behind which the incarnation began
    lsn: int = 0
    at: dict[str, int] = {}  # snapshot: topic -> topic_seq of its last message
    begun: dict[str, int] = {}  # snapshot: topic -> its number when the incarnation began, where that is not 0
    next: int | None = None  # snapshot: there is another page, from here
    more: bool = False  # replay: there are more
    error: str = ""


class Streams(Protocol):
    """What the daemon knows of its streams."""

    def names(self) -> list[str]: ...  # "" where there is none

    def counts(self, name: str) -> tuple[int, int]: ...  # predictions and anomalies published

    def last(self, name: str) -> Message | None: ...  # the last prediction again


class Catchup:
    """`lsn`: how far the journal is. `may_hear`: whether who sent a frame may hear everything under a topic prefix."""

    def __init__(
        self,
        streams: Streams,
        lsn: Callable[[], int],
        may_hear: Callable[[zmq.Frame, str], bool],
        incarnation: Incarnation,
    ) -> None:
        self._streams, self._lsn, self._may_hear, self._incarnation = streams, lsn, may_hear, incarnation
        self._rings: dict[bytes, Ring] = {}  # by the first part of the topic

    def keep(self, messages: Iterable[Message]) -> None:
        """Remember what is published."""
        for topic, body in messages:
            self._ring(topic).keep(topic, body, MOST, BYTES)

    def serve(self, socket: zmq.Socket[bytes]) -> None:
        """Answer what is waiting."""
        until = time.perf_counter() + SECONDS
        for _ in range(REQUESTS):
            try:
                *route, frame = socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            try:
                head, messages = self._answer(frame)
            except Exception as error:
                _log.error("a question could not be answered", question=frame.bytes[:200], exc_info=True)
                head, messages = Head(0, error=f"{type(error).__name__}: {error}"), []
            parts = [part for message in messages for part in message]
            with suppress(zmq.ZMQError):  # who asked has gone, or does not read
                socket.send_multipart([*route, msgspec.json.encode(head), *parts], zmq.NOBLOCK)
            if time.perf_counter() > until:
                return

    def _answer(self, frame: zmq.Frame) -> tuple[Head, list[Message]]:
        try:
            asked = msgspec.json.decode(frame.bytes, type=Request)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Head(0, error=f"not a request: {error}"), []
        wanted = asked.snapshot if asked.replay is None else asked.replay
        if wanted is None:
            return Head(asked.id, error="neither `snapshot` nor `replay`"), []
        if not self._may_hear(frame, wanted):
            return Head(asked.id, error=f"the key may not hear {wanted!r}"), []
        return self._snapshot(asked, wanted) if asked.replay is None else self._replay(asked, wanted.encode())

    def _snapshot(self, asked: Request, prefix: str) -> tuple[Head, list[Message]]:
        """Where each topic under a prefix is, and its last message if there is one."""
        at, begun, following, size = dict[str, int](), dict[str, int](), None, 0
        messages: list[Message] = []
        names, until = self._streams.names(), time.perf_counter() + SECONDS
        for row in range(max(0, asked.start), len(names)):
            late = row % 16 == 0 and row > asked.start and time.perf_counter() > until
            if late or row >= asked.start + STREAMS or len(messages) >= PAGE or size > PAGE_BYTES:
                following = row
                break
            for topic, number, last in self._topics(names[row], prefix.encode()):
                at[topic.decode()] = number
                if first := self._first(names[row], topic):
                    begun[topic.decode()] = first
                if last is not None:
                    messages.append((topic, last))
                    size += len(last)
        return self._head(asked.id, at=at, begun=begun, next=following), messages

    def _topics(self, name: str, prefix: bytes) -> Iterator[tuple[bytes, int, bytes | None]]:
        """The topics of a stream under a prefix: how far they are, and their last message."""
        predictions, anomalies, drifts = (topic_of(kind, name) for kind in ("prediction", "anomaly", "drift"))
        if not name or not any(topic.startswith(prefix) for topic in (predictions, anomalies, drifts)):
            return
        counts = self._streams.counts(name)
        if predictions.startswith(prefix):
            prediction = self._streams.last(name)
            yield predictions, counts[0], prediction and prediction[1]
        if anomalies.startswith(prefix) and counts[1]:
            last = self._ring(anomalies).last(anomalies)
            yield anomalies, counts[1], last and last.body
        if drifts.startswith(prefix) and (last := self._ring(drifts).last(drifts)):
            yield drifts, last.number, last.body  # rare, and numbered by the stream itself

    def _replay(self, asked: Request, topic: bytes) -> tuple[Head, list[Message]]:
        """The messages of a topic behind a number, oldest first, as far as they are kept."""
        more, size = False, 0
        messages: list[Message] = []
        for body in self._ring(topic).behind(topic, asked.after, asked.since):
            if len(messages) >= PAGE or size > PAGE_BYTES:
                more = True
                break
            messages.append((topic, body))
            size += len(body)
        return self._head(asked.id, more=more), messages

    def _first(self, name: str, topic: bytes) -> int:
        """The number that a topic had when the incarnation began."""
        predictions, anomalies = self._incarnation.counts.get(name, (0, 0))
        return {b"p": predictions, b"a": anomalies}.get(topic[:1], 0)

    def _head(self, number: int, **more: Any) -> Head:
        return Head(number, lsn=self._lsn(), **self._incarnation.told(), **more)

    def _ring(self, topic: bytes) -> Ring:
        """Where the messages of a topic's kind are kept."""
        kind = topic.partition(b"/")[0]
        found = self._rings.get(kind)
        if found is None:
            found = Ring()
            if kind in KINDS:
                self._rings[kind] = found
        return found
