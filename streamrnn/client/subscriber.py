"""The subscriber: joins late without a hole, sees every gap by `topic_seq`, and closes it or says how many are lost.

It subscribes first. The status that the daemon sends to whoever subscribes to `status/` tells that the subscriptions
before it are in force; only then the snapshot is asked for, so nothing falls between the two. A reconnection brings
that status again, and what was published meanwhile is asked for then, also of topics that have fallen silent.

Numbers of a topic go on over restarts. They begin again at 1 when a stream was forgotten and comes anew, and those of
`status/` and `deadletter/` at every start of the daemon. A message that is newer than the last one (by its place in the
journal, or its time) and has no higher number tells of that; one that is not newer is a repetition.

Without `catchup` gaps are seen all the same, and everything in them is lost. What is held in memory is a number pair a
topic and what one page of an answer brings.
"""

import json
import math
import time
from collections import Counter, deque
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec
import zmq

from streamrnn.client.connect import Keys, connected
from streamrnn.errors import StreamrnnError

HIGH_WATER = 10_000  # messages that wait for the program
LONGEST = 511  # bytes of a topic that the daemon takes
ANSWER = 2.0  # seconds that an answer may take
STATUS = "status/"
RESTARTING = {STATUS: "time", "deadletter/": "received"}  # numbered since the daemon's start; what tells their age
_NOBLOCK = int(zmq.NOBLOCK)


class SubscriberError(StreamrnnError):
    """The endpoint or a topic is none."""


class Message(NamedTuple):
    """One message; `lost` of its topic, right before it, are gone for good."""

    topic: str
    fields: dict[str, Any]
    lost: int = 0


class _Mark(NamedTuple):
    """Where a topic is: number of its last message, and how new this one is at most."""

    seq: int
    age: float


class Subscriber:
    """Messages of all topics that begin with one of `topics`, each once and in the order of its topic.

    `catchup`: the daemon's `output.catchup`. `counts` has what was `lost`, `recovered`, `repeated` (and passed over)
    and `renumbered`. Raises SubscriberError.
    """

    def __init__(self, endpoint: str, *topics: str, catchup: str = "", keys: Keys | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._topics = topics or ("",)
        if any(len(topic.encode()) > LONGEST for topic in self._topics):
            raise SubscriberError(f"a topic has more than {LONGEST} bytes", "the daemon ends such a connection")
        self._ready: deque[Message] = deque()
        self._at: dict[str, _Mark] = {}
        self._joined = False  # the snapshot has been read: a topic that is new now begins at 1
        self._asked = 0
        self._door = connected(zmq.DEALER, catchup, keys, SubscriberError, {zmq.IMMEDIATE: 1}) if catchup else None
        self._sub = connected(zmq.SUB, endpoint, keys, SubscriberError, {zmq.RCVHWM: HIGH_WATER})
        for topic in (*self._topics, STATUS):
            self._sub.subscribe(topic)
        self._patient = time.monotonic() + ANSWER  # until then the status is waited for

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | TracebackType | BaseException | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Message]:
        while (message := self.receive()) is not None:
            yield message

    def close(self) -> None:
        """Let go of the sockets."""
        self._sub.close(0)
        if self._door:
            self._door.close(0)

    def receive(self, seconds: float | None = None) -> Message | None:
        """The next message, or None when there was none for `seconds`; without `seconds` it waits for ever."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._ready:
            left = 1.0 if deadline is None else deadline - time.monotonic()
            if self._sub.poll(int(1000 * max(0.0, min(left, 1.0)))):
                self._take(*self._sub.recv_multipart())
            elif left <= 0.0:
                return None
            if self._door and time.monotonic() > self._patient:
                self.compare()  # no status came: the key may not hear it
        return self._ready.popleft()

    def compare(self) -> None:
        """Ask where all topics are and fetch what is missing, as is done after every connection."""
        self._patient = math.inf
        for prefix in self._topics:
            start: int | None = 0
            while start is not None:
                answer = self._ask(snapshot=prefix, start=start)
                if answer is None:
                    return
                head, messages = answer
                for topic, seq in head.get("at", {}).items():
                    self._look(topic, _Mark(seq, head["lsn"]), messages.get(topic, []))
                start = head.get("next")
        self._joined = True

    def _look(self, topic: str, there: _Mark, last: list[bytes]) -> None:
        """A topic as the snapshot shows it."""
        here = self._at.get(topic)
        if here is None and not self._joined:
            self._at[topic] = there
            self._ready.extend(Message(topic, _decode(body)) for body in last)
        elif here is None or there.seq != here.seq:
            before = here if here and there.seq > here.seq else _Mark(0, here.age + 1 if here else 0)
            for seq, fields in self._between(topic, before, there.seq + 1):
                if seq == before.seq + 1:  # others may still be on their way; if not, the next one will tell
                    before = self._deliver(topic, before.seq + 1, seq, fields)
                    self.counts["recovered"] += 1

    def _take(self, name: bytes, body: bytes) -> None:
        """One message of the SUB."""
        topic, fields = name.decode(errors="replace"), _decode(body)
        if topic == STATUS:
            if fields.get("retained") and self._door:
                self.compare()
            if not STATUS.startswith(self._topics):
                return
        seq, mark = fields.get("topic_seq", 0), self._at.get(topic)
        again = fields.get("retained") or fields.get("replayed")
        if mark is None:
            expected = 1 if self._joined and not again else seq
        elif seq > mark.seq:
            expected = mark.seq + 1
        elif _age(topic, fields) <= mark.age or (again and topic != STATUS):
            self.counts["repeated"] += 1
            return
        else:
            self.counts["renumbered"] += 1
            expected, mark = 1, _Mark(0, mark.age + 1)
        if seq > expected:
            for between, missed in self._between(topic, mark or _Mark(0, 0), seq):
                expected = self._deliver(topic, expected, between, missed).seq + 1
                self.counts["recovered"] += 1
        self._deliver(topic, expected, seq, fields)

    def _deliver(self, topic: str, expected: int, seq: int, fields: dict[str, Any]) -> _Mark:
        lost = seq - expected
        self.counts["lost"] += lost
        self._ready.append(Message(topic, fields, lost))
        mark = self._at[topic] = _Mark(seq, _age(topic, fields))
        return mark

    def _between(self, topic: str, mark: _Mark, before: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """What the daemon still has of a topic behind a mark and before a number, in order."""
        after, more = mark.seq, self._door is not None
        since = 0 if topic in RESTARTING else int(mark.age)
        while more and after < before - 1:
            answer = self._ask(replay=topic, after=after, since=since)
            if answer is None:
                return
            head, messages = answer
            for fields in map(_decode, messages.get(topic, [])):
                after = fields["topic_seq"]
                if after >= before:
                    return
                yield after, fields
            more = head.get("more", False)

    def _ask(self, **request: Any) -> tuple[dict[str, Any], dict[str, list[bytes]]] | None:
        """Ask, and wait a moment: the head of the answer and its messages by topic."""
        assert self._door
        self._asked += 1
        try:
            if not self._door.poll(int(1000 * ANSWER), zmq.POLLOUT):
                return None
            self._door.send(json.dumps({**request, "id": self._asked}).encode(), _NOBLOCK)
        except zmq.Again:
            return None
        deadline = time.monotonic() + ANSWER
        while self._door.poll(max(0, int(1000 * (deadline - time.monotonic())))):
            first, *parts = self._door.recv_multipart()
            head = json.loads(first)
            if head["id"] == self._asked:
                messages: dict[str, list[bytes]] = {}
                for name, body in zip(parts[::2], parts[1::2], strict=True):
                    messages.setdefault(name.decode(), []).append(body)
                if head.get("error"):
                    self.counts["refused"] += 1
                    return None
                return head, messages
        return None


def _age(topic: str, fields: dict[str, Any]) -> float:
    """How new a message is, by what grows in its topic whatever happens to the numbers."""
    return float(fields.get(RESTARTING.get(topic, "lsn")) or 0)


def _decode(body: bytes) -> dict[str, Any]:
    codec = msgspec.json if body[:1] == b"{" else msgspec.msgpack
    fields: dict[str, Any] = codec.decode(body)
    return fields
