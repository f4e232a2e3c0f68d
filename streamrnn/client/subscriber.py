"""The subscriber: joins late without a hole, sees every gap by `topic_seq`, and closes it or says how many are lost.

It subscribes first. The status that the daemon sends to whoever subscribes to `status/` tells that the subscriptions
before it are in force; only then the snapshot is asked for, so nothing falls between the two. A reconnection brings
that status again. What comes before it is held back: whether its numbers go on from ours depends on what the status
says. What was published meanwhile is asked for then, also of topics that have fallen silent, and what cannot be had any
more is told at once: by `lost` of the message behind it, or by a message that says nothing else.

Numbers of a topic go on over restarts. They begin again at 1 when a stream was forgotten and comes anew, and those of
`deadletter/` at every start of the daemon. A message that is newer than the last one (by its place in the journal, or
its time) and has no higher number tells of that; one that is not newer is a repetition.

When the daemon's state was replaced (a backup was put back, or it begins anew) its *incarnation* is another one, and
numbers say nothing about those heard before. Then every topic begins anew where the new incarnation began, and the
first message of a topic says so (`anew`).

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
from urllib.parse import unquote

import zmq

from streamrnn.client.connect import Keys, connected, greetings
from streamrnn.errors import StreamrnnError
from streamrnn.wire.formats import read

HIGH_WATER = 10_000  # messages that wait for the program
LONGEST = 511  # bytes of a topic that the daemon takes
ANSWER = 2.0  # seconds that an answer may take
AGAIN = 10.0  # seconds after which the snapshot is asked for again when no answer came
STATUS = "status/"
DEAD_LETTER = "deadletter/"
DATED = {STATUS: "time", DEAD_LETTER: "received"}  # topics without a place in the journal, and what tells their age
_NOBLOCK = int(zmq.NOBLOCK)


class SubscriberError(StreamrnnError):
    """The endpoint or a topic is none."""


class Message(NamedTuple):
    """One message; `lost` of its topic, right before it, are gone for good.

    `anew`: before it the daemon's state was replaced, and how much of what was published until then is missing cannot
    be said. Where nothing has come behind what is lost, `fields` has a `state` of "lost", the number of the last one
    lost as `topic_seq`, and `lost`.
    """

    topic: str
    fields: dict[str, Any]
    lost: int = 0
    anew: bool = False


class _Mark(NamedTuple):
    """Where a topic is: number of its last message, and how new this one is at most."""

    seq: int
    age: float


class _NoAnswerError(Exception):
    """Nobody has answered in time."""


class Subscriber:
    """Messages of all topics that begin with one of `topics`, each once and in the order of its topic.

    `catchup`: the daemon's `output.catchup`. `counts` has what was `lost`, `recovered`, `repeated` (and passed over)
    and `renumbered`, and how many `incarnations` have followed the first. `incarnation` is the daemon's present one.
    Raises SubscriberError.
    """

    def __init__(self, endpoint: str, *topics: str, catchup: str = "", keys: Keys | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.incarnation = ""
        self._topics = topics or ("",)
        if any(len(topic.encode()) > LONGEST for topic in self._topics):
            raise SubscriberError(f"a topic has more than {LONGEST} bytes", "the daemon ends such a connection")
        self._ready: deque[Message] = deque()
        self._at: dict[str, _Mark] = {}
        self._old: set[str] = set()  # topics of an earlier incarnation that have not been heard in this one
        self._began = 0  # the lsn behind which this incarnation began
        self._session = ""  # of the daemon: dead letters are numbered from its start
        self._joined = False  # the snapshot has been read: a topic that is new now begins at 1
        self._asked = 0
        self._early: list[tuple[bytes, bytes]] | None = []  # what came before the status; None once that is there
        self._door = connected(zmq.DEALER, catchup, keys, SubscriberError, {zmq.IMMEDIATE: 1}) if catchup else None
        self._sub = connected(zmq.SUB, endpoint, keys, SubscriberError, {zmq.RCVHWM: HIGH_WATER})
        self._greeted = greetings(self._sub)
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
        self._sub.disable_monitor()
        self._greeted.close(0)
        self._sub.close(0)
        if self._door:
            self._door.close(0)

    def receive(self, seconds: float | None = None) -> Message | None:
        """The next message, or None when there was none for `seconds`; without `seconds` it waits for ever."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._ready:
            left = 1.0 if deadline is None else deadline - time.monotonic()
            if self._sub.poll(int(1000 * max(0.0, min(left, 1.0)))):
                name, body = self._sub.recv_multipart()
                self._look_for_connection()
                self._take(name, body)
            elif left <= 0.0:
                return None
            if time.monotonic() > self._patient:
                self._settle()  # no status came: the key may not hear it
        return self._ready.popleft()

    def compare(self) -> None:
        """Ask where all topics are and fetch what is missing, as is done after every connection."""
        self._patient = math.inf
        if not self._door:
            return
        try:
            for prefix in self._topics:
                start: int | None = 0
                while start is not None:
                    head, messages = self._answer(snapshot=prefix, start=start)
                    self._follow(head)
                    began = head.get("from", {})
                    for topic, seq in head.get("at", {}).items():
                        self._look(topic, _Mark(seq, head["lsn"]), began.get(topic, 0), messages.get(topic, []))
                    start = head.get("next")
        except _NoAnswerError:
            self._patient = time.monotonic() + AGAIN
        else:
            self._joined = True

    def _look_for_connection(self) -> None:
        """Hold back what comes over a new connection, until its status has come."""
        try:
            while True:
                self._greeted.recv_multipart(_NOBLOCK)
                self._early = self._early or []
                self._patient = time.monotonic() + ANSWER
        except zmq.Again:
            return

    def _settle(self) -> None:
        """All subscriptions are in force: see what is missing, then go on with what has come meanwhile."""
        self.compare()
        early, self._early = self._early or [], None
        for name, body in early:
            self._take(name, body)

    def _look(self, topic: str, there: _Mark, began: int, last: list[bytes]) -> None:
        """A topic as the snapshot shows it; its first number of this incarnation is behind `began`."""
        here = self._at.get(topic)
        if here is None and (self._joined or topic in self._old):
            here = _Mark(began, self._began)
        if here is None:
            self._at[topic] = there if topic not in DATED else _Mark(there.seq, 0)
            self._ready.extend(Message(topic, _decode(body)) for body in last)
        elif there.seq != here.seq:
            before = here if there.seq > here.seq else _Mark(0, here.age + 1)
            expected = before.seq + 1
            for seq, fields in self._between(topic, before, there.seq + 1):
                expected = self._deliver(topic, expected, seq, fields).seq + 1
                self.counts["recovered"] += 1
            if expected <= there.seq:
                self._miss(topic, expected, there, last)

    def _miss(self, topic: str, expected: int, there: _Mark, last: list[bytes]) -> None:
        """What the snapshot speaks of is not kept any more."""
        if last and (fields := _decode(last[0])).get("topic_seq") == there.seq:
            self._deliver(topic, expected, there.seq, fields)
            return
        lost, stream = there.seq + 1 - expected, unquote(topic.partition("/")[2].removesuffix("/"))
        self.counts["lost"] += lost
        told = {"stream": stream, "state": "lost", "topic_seq": there.seq, "lost": lost}
        self._ready.append(Message(topic, told, lost, topic in self._old))
        self._old.discard(topic)
        self._at[topic] = there if topic not in DATED else _Mark(there.seq, self._at.get(topic, there).age)

    def _take(self, name: bytes, body: bytes) -> None:
        """One message of the SUB."""
        if self._early is not None and name != STATUS.encode():
            self._early.append((name, body))
            return
        topic, fields = name.decode(errors="replace"), _decode(body)
        if topic == STATUS:
            self._follow(fields)
            if fields.get("retained"):
                self._settle()
            if not STATUS.startswith(self._topics):
                return
        self._place(topic, fields)

    def _place(self, topic: str, fields: dict[str, Any]) -> None:
        """Deliver a message behind those of its topic that came before it, or drop one that came already."""
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
            try:
                for between, missed in self._between(topic, mark or _Mark(0, 0), seq):
                    expected = self._deliver(topic, expected, between, missed).seq + 1
                    self.counts["recovered"] += 1
            except _NoAnswerError:
                pass
        self._deliver(topic, expected, seq, fields)

    def _follow(self, told: dict[str, Any]) -> None:
        """Who the daemon is, as a status or a head tells; numbers of another incarnation say nothing about ours."""
        incarnation, session = told.get("incarnation", ""), told.get("session", "")
        if session != self._session:
            self._session = session
            if self._at.pop(DEAD_LETTER, None):
                self._old.add(DEAD_LETTER)
        if incarnation == self.incarnation:
            return
        first, self.incarnation, self._began = not self.incarnation, incarnation, told.get("began", 0)
        if not first:
            self.counts["incarnations"] += 1
            self._old.update(self._at)
            self._at.clear()
            self._joined = self._joined and self._door is not None

    def _deliver(self, topic: str, expected: int, seq: int, fields: dict[str, Any]) -> _Mark:
        lost = seq - expected
        self.counts["lost"] += lost
        self._ready.append(Message(topic, fields, lost, topic in self._old and topic != DEAD_LETTER))
        self._old.discard(topic)
        mark = self._at[topic] = _Mark(seq, _age(topic, fields))
        return mark

    def _between(self, topic: str, mark: _Mark, before: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """What the daemon still has of a topic behind a mark and before a number, in order."""
        after, more = mark.seq, self._door is not None
        since = 0 if topic in DATED else int(mark.age)
        while more and after < before - 1:
            head, messages = self._answer(replay=topic, after=after, since=since)
            if head.get("incarnation", "") != self.incarnation:
                raise _NoAnswerError  # the daemon is another one: its status is on the way
            for fields in map(_decode, messages.get(topic, [])):
                after = fields["topic_seq"]
                if after >= before:
                    return
                yield after, fields
            more = head.get("more", False)

    def _answer(self, **request: Any) -> tuple[dict[str, Any], dict[str, list[bytes]]]:
        """As `_ask`. Raises _NoAnswerError when nothing came that can be used."""
        answer = self._ask(**request)
        if answer is None:
            raise _NoAnswerError
        return answer

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
    return float(fields.get(DATED.get(topic, "lsn")) or 0)


def _decode(body: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = read(body)
    return fields
