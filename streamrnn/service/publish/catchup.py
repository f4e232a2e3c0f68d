"""What a subscriber missed: the last value of every stream under a prefix, and the latest messages of a topic again.

A subscriber that comes late subscribes first and asks for a snapshot then; one that sees a gap in `topic_seq` asks for
what lies in it. The daemon keeps the latest messages of each kind for that, bounded in number and in bytes; last values
are asked of the engine. Answers come in pages of a bounded size, so that nobody holds up a turn, and nothing about who
asked is remembered between them: a peer that does not read loses its answer and asks again.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Protocol

import msgspec
import structlog
import zmq
from msgspec import Struct

from streamrnn.service.ingest.subscriptions import Message
from streamrnn.wire.topics import topic_of

MOST, BYTES = 10_000, 64 * 1024 * 1024  # kept of a kind: the lesser of the two
REQUESTS = 4  # served a turn
STREAMS, PAGE, PAGE_BYTES = 2048, 128, 1024 * 1024  # streams looked at, messages and bytes of an answer
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


class Head(Struct, omit_defaults=True):
    """What stands before the messages of an answer."""

    id: int
    lsn: int = 0
    at: dict[str, int] = {}  # snapshot: topic -> topic_seq of its last message
    next: int | None = None  # snapshot: there is another page, from here
    more: bool = False  # replay: there are more
    error: str = ""


class Streams(Protocol):
    """What the daemon knows of its streams."""

    def names(self) -> list[str]: ...  # "" where there is none

    def counts(self, name: str) -> tuple[int, int]: ...  # predictions and anomalies published

    def last(self, name: str) -> Message | None: ...  # the last prediction again


class _Place(Struct):
    topic_seq: int = 0
    lsn: int | None = None


class Catchup:
    """`lsn`: how far the journal is. `may_hear`: whether who sent a frame may hear everything under a topic prefix."""

    def __init__(self, streams: Streams, lsn: Callable[[], int], may_hear: Callable[[zmq.Frame, str], bool]) -> None:
        self._streams, self._lsn, self._may_hear = streams, lsn, may_hear
        self._kept: defaultdict[bytes, deque[Message]] = defaultdict(deque)  # by the first letter of the topic
        self._bytes: defaultdict[bytes, int] = defaultdict(int)

    def keep(self, messages: Iterable[Message]) -> None:
        """Remember what is published."""
        for message in messages:
            kind = message[0][:1]
            kept = self._kept[kind]
            kept.append(message)
            self._bytes[kind] += len(message[1])
            while len(kept) > MOST or self._bytes[kind] > BYTES:
                self._bytes[kind] -= len(kept.popleft()[1])

    def serve(self, socket: zmq.Socket[bytes]) -> None:
        """Answer what is waiting."""
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
        at, following, size = dict[str, int](), None, 0
        messages: list[Message] = []
        names, latest = self._streams.names(), {**dict(self._kept[b"a"]), **dict(self._kept[b"d"])}
        for row in range(max(0, asked.start), len(names)):
            if row >= asked.start + STREAMS or len(messages) >= PAGE or size > PAGE_BYTES:
                following = row
                break
            for topic, number, last in self._topics(names[row], prefix.encode(), latest):
                at[topic.decode()] = number
                if last is not None:
                    messages.append((topic, last))
                    size += len(last)
        return Head(asked.id, self._lsn(), at, following), messages

    def _topics(
        self, name: str, prefix: bytes, latest: dict[bytes, bytes]
    ) -> Iterator[tuple[bytes, int, bytes | None]]:
        """The topics of a stream under a prefix: how far they are, and their last message."""
        predictions, anomalies, drifts = (topic_of(kind, name) for kind in ("prediction", "anomaly", "drift"))
        if not name or not any(topic.startswith(prefix) for topic in (predictions, anomalies, drifts)):
            return
        counts = self._streams.counts(name)
        if predictions.startswith(prefix):
            last = self._streams.last(name)
            yield predictions, counts[0], last and last[1]
        if anomalies.startswith(prefix) and counts[1]:
            yield anomalies, counts[1], latest.get(anomalies)
        if drifts.startswith(prefix) and drifts in latest:  # rare, and numbered by the stream itself
            yield drifts, _place(latest[drifts]).topic_seq, latest[drifts]

    def _replay(self, asked: Request, topic: bytes) -> tuple[Head, list[Message]]:
        """The messages of a topic behind a number, oldest first, as far as they are kept."""
        more, size = False, 0
        messages: list[Message] = []
        for message in self._kept.get(topic[:1], ()):
            if message[0] == topic and _behind(message[1], asked):
                if len(messages) >= PAGE or size > PAGE_BYTES:
                    more = True
                    break
                messages.append(message)
                size += len(message[1])
        return Head(asked.id, self._lsn(), more=more), messages


def _place(body: bytes) -> _Place:
    """Where a message stands, in whatever format it was published."""
    read = msgspec.json.decode if body[:1] == b"{" else msgspec.msgpack.decode
    return read(body, type=_Place)


def _behind(body: bytes, asked: Request) -> bool:
    """Whether a message is one that was asked for."""
    place = _place(body)
    return place.topic_seq > asked.after and (place.lsn is None or place.lsn >= asked.since)
