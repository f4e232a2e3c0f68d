"""The producer: messages are numbered and kept until they are acknowledged; at most a window of them is under way.

What is not acknowledged in time is sent again from the oldest on, after 250 ms and then twice as long each time, up to
10 s, each with jitter so that a hundred producers do not come back at the same moment. ZeroMQ reconnects by itself, and
a message says who sent it, so a restart of the daemon needs no new greeting. There is no thread, and none is needed,
since an ack that is read late costs nothing but room in the window.

A daemon whose state was replaced (a backup was put back, or it begins anew) may expect a number that was acknowledged
long ago. That is confirmed by a greeting, since an answer may be late, and then told: what was acknowledged and is gone
stands in `lost`, and a new epoch begins behind it. A program that has chosen its epoch can send it again: it gets a
ProducerError, opens a producer anew and goes on behind `accepted`.

`close` (the end of a `with`) returns when everything is on the daemon's disk, or raises. The socket is a DEALER with
IMMEDIATE: nothing is queued for a peer that is not there.
"""

import json
import random
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import msgspec
import zmq

from streamrnn.client.connect import Keys, connected
from streamrnn.errors import StreamrnnError, WireError
from streamrnn.wire.envelope import ACK, DATA, HEADER_BYTES, HELLO, NACK, WELCOME, Envelope, pack, unpack
from streamrnn.wire.incoming.split import divided

FIRST, LONGEST = 0.25, 10.0  # seconds until what is not acknowledged is sent again
PATIENCE = 30.0  # seconds
WINDOW = 256  # messages under way
LOOK = 8  # sends between looks for answers
Observations = Mapping[str, Any] | Sequence[Mapping[str, Any]] | bytes
_NOBLOCK = int(zmq.NOBLOCK)

_encode = msgspec.json.Encoder().encode


class ProducerError(StreamrnnError):
    """The daemon cannot be reached, it does not take a message, or this source has another producer now."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What a daemon refused for good; the rest of the message, if any, was taken."""

    seq: int  # of the message's first observation
    observations: int
    code: str  # one of the reasons of a dead envelope
    detail: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Observations that were acknowledged, and are not in the daemon's state any more, since it was replaced."""

    first: int  # their numbers
    last: int


@dataclass(slots=True)
class _Message:
    seq: int
    count: int
    body: bytes

    @property
    def last(self) -> int:
        return self.seq + self.count - 1


class Producer:
    """Sends observations to a `router` input and knows which of them are on the daemon's disk.

    `source` names the program for ever: one at a time. `epoch` is its life: by default a new one, in which numbers
    begin at 1. A program that can repeat itself (a file, a queue) passes the same epoch every time, and skips the first
    `accepted` observations. `keys` where the daemon asks for them. Raises ProducerError when no daemon answers within
    `patience` seconds.
    """

    def __init__(
        self,
        endpoint: str,
        source: str,
        *,
        keys: Keys | None = None,
        epoch: int | None = None,
        window: int = WINDOW,
        patience: float = PATIENCE,
    ) -> None:
        self.accepted = 0  # observations of this epoch that are settled: on the disk, or refused for good
        self.refused: deque[Refused] = deque(maxlen=1000)  # the latest
        self.lost: deque[Lost] = deque(maxlen=1000)  # the latest
        self.counts: Counter[str] = Counter()  # messages sent again, NACKs by their code, observations `lost`
        self.window = window
        self.limits: Mapping[str, Any] = {}  # what the daemon takes
        self._source = source.encode()
        self._own = epoch is None
        self._epoch = time.time_ns() if epoch is None else epoch
        self._base = 0  # our number of what the daemon numbers 0: what was lost is not counted again
        self._patience = patience
        self._next = 1
        self._kept: deque[_Message] = deque()  # not acknowledged, oldest first
        self._unsent = 0  # of those, at the end
        self._delay = self._least = FIRST
        self._due = self._rewound = 0.0  # when to send again what is late; when a gap may be told next
        self._sends = 0
        self._socket = connected(zmq.DEALER, endpoint, keys, ProducerError, {zmq.IMMEDIATE: 1, zmq.SNDHWM: 1000})
        try:
            self._greet()
        except BaseException:
            self._socket.close(0)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: TracebackType | BaseException | None) -> None:
        if kind is None:
            self.close()
        else:
            self.leave()

    @property
    def pending(self) -> int:
        """Messages that are not acknowledged yet."""
        return len(self._kept)

    @property
    def incarnation(self) -> str:
        """Of the daemon's state: another one after a backup was put back, or the state was begun anew."""
        return str(self.limits.get("incarnation", ""))

    def send(self, observations: Observations, count: int | None = None) -> int:
        """Send an observation, several, columns, or bytes that are any of these; waits while the window is full.

        Returns the number of its first observation: it is settled when `accepted` has reached the last one. `count`:
        how many observations bytes hold, by default one. Raises ProducerError for a message that is larger than the
        daemon takes, which is not sent, and as `flush` does.
        """
        body = observations if isinstance(observations, bytes) else _encode(observations)
        count = count or _count(observations)
        self._fits(body)
        if len(self._kept) >= self.window:
            self._until(lambda: len(self._kept) < self.window)
        seq, self._next = self._next, self._next + count
        self._kept.append(_Message(seq, count, body))
        self._unsent += 1
        self._push()
        self._sends += 1
        if self._sends % LOOK == 0:
            self._take()
        return seq

    def serve(self, seconds: float = 0.0) -> None:
        """Take what the daemon has answered, and send again what is due; waits at most `seconds` for an answer."""
        self._push()
        left = min(seconds, self._due - time.monotonic()) if self._kept else seconds
        if self._socket.poll(max(0, int(1000 * left))):
            self._take()
        if self._kept and time.monotonic() >= self._due:
            self._again()

    def flush(self) -> None:
        """Wait until everything is acknowledged. Raises ProducerError after `patience` seconds without any progress."""
        self._until(lambda: not self._kept)

    def close(self) -> None:
        """Flush, and let go of the socket; what is not acknowledged then is in the error's hint, counted."""
        try:
            self.flush()
        finally:
            self._socket.close(0)

    def leave(self) -> None:
        """Let go of the socket at once, whatever is pending."""
        self._socket.close(0)

    def _fits(self, body: bytes) -> None:
        """Raise ProducerError for a body that the daemon would end the connection for."""
        most = int(self.limits["max_bytes"]) - HEADER_BYTES - len(self._source)
        if len(body) > most:
            hint = "send fewer observations in a message, or raise limits.max_frame_bytes"
            raise ProducerError(f"a message of {len(body)} bytes; the daemon takes {most}", hint)

    def _greet(self) -> None:
        """Say hello until somebody answers."""
        deadline, delay = time.monotonic() + self._patience, FIRST
        while True:
            if self._socket.poll(1000, zmq.POLLOUT):
                self._hello()
                if self._socket.poll(int(1000 * delay)):
                    envelope = unpack(self._socket.recv())
                    if envelope.kind == WELCOME:
                        break
            delay = min(2 * delay, LONGEST)
            if time.monotonic() > deadline:
                raise ProducerError("no daemon answers", "is it running, and is its input of kind `router`?")
        self._learn(envelope)
        self._delay = self._least
        if envelope.epoch > self._epoch:
            if not self._own:
                raise ProducerError(f"epoch {envelope.epoch} of this source has begun, {self._epoch} is over")
            self._epoch = envelope.epoch + 1  # the clock was set back
        elif envelope.epoch == self._epoch:
            self.accepted = envelope.seq
            self._next = envelope.seq + 1

    def _hello(self) -> None:
        with suppress(zmq.Again):
            self._socket.send(pack(HELLO, self._source, self._epoch, 0), _NOBLOCK)

    def _learn(self, envelope: Envelope) -> None:
        """What the daemon takes, from its WELCOME."""
        self.limits = json.loads(envelope.body)
        self.window = min(self.window, int(self.limits["window"]))
        self._least = max(FIRST, 2 * float(self.limits["ack_seconds"]))

    def _until(self, true: Any) -> None:
        """Serve until `true()`."""
        mark, deadline = self.accepted, time.monotonic() + self._patience
        while not true():
            self.serve(0.1)
            if self.accepted != mark:
                mark, deadline = self.accepted, time.monotonic() + self._patience
            elif time.monotonic() > deadline:
                hint = f"{len(self._kept)} messages are not acknowledged; the source's numbers go on at {mark + 1}"
                raise ProducerError(f"no progress within {self._patience:g} s", hint)

    def _push(self) -> None:
        """Hand to ZeroMQ what is to be sent, as long as it takes it: not while no daemon is there, or reads."""
        if self._unsent == len(self._kept):
            self._due = time.monotonic() + self._delay * random.uniform(0.75, 1.25)
        send, source, epoch, base = self._socket.send, self._source, self._epoch, self._base
        with suppress(zmq.Again):
            while self._unsent:
                message = self._kept[-self._unsent]
                send(pack(DATA, source, epoch, message.seq - base, message.count, message.body), _NOBLOCK)
                self._unsent -= 1

    def _again(self) -> None:
        """Send everything once more, oldest first, and wait longer for it if it went out.

        The greeting before it asks whether the daemon is what it was: it may have been restarted with other limits.
        """
        self.counts["again"] += len(self._kept) - self._unsent
        self._unsent = len(self._kept)
        self._hello()
        self._push()
        if self._unsent < len(self._kept):
            self._delay = min(2 * self._delay, max(LONGEST, self._least))

    def _take(self) -> None:
        """Read the answers that are there."""
        try:
            while True:
                try:
                    self._hear(unpack(self._socket.recv(_NOBLOCK)))
                except WireError:
                    self.counts["unreadable"] += 1
        except zmq.Again:
            return

    def _hear(self, envelope: Envelope) -> None:
        if envelope.kind == ACK and envelope.epoch == self._epoch:
            self._settled(envelope.seq + self._base)
        elif envelope.kind == WELCOME:
            self._learn(envelope)
            if envelope.epoch == self._epoch and envelope.seq + self._base < self.accepted:
                self._gone(envelope.seq + self._base)
            for message in self._kept:
                self._fits(message.body)
        elif envelope.kind == NACK:
            told = json.loads(envelope.body)
            code = told["code"]
            self.counts[code] += 1
            if told["final"]:
                base = self._base if envelope.epoch == self._epoch else 0
                self.refused.append(Refused(envelope.seq + base, envelope.numbers, code, told["detail"]))
            elif envelope.epoch == self._epoch:
                self._turned_away(code, told)

    def _settled(self, seq: int) -> None:
        """Everything up to `seq` is kept by the daemon."""
        if seq <= self.accepted:
            return
        self.accepted = seq
        while self._kept and self._kept[0].last <= seq:
            self._kept.popleft()
        self._unsent = min(self._unsent, len(self._kept))
        if self._kept and self._kept[0].seq <= seq:
            self._cut(self._kept[0], seq)
        self._delay = self._least
        self._due = time.monotonic() + self._delay * random.uniform(0.75, 1.25)

    def _cut(self, message: _Message, seq: int) -> None:
        """Keep what a message holds behind `seq`: an earlier life of this program had sent what is before.

        The daemon does the same with what it gets, so nothing is to be done where the message cannot be divided here.
        """
        parts = divided(message.body, message.count, seq + 1 - message.seq)
        if parts is not None:
            self._kept[0] = _Message(seq + 1, message.last - seq, parts[1])
            self._unsent = len(self._kept)

    def _turned_away(self, code: str, told: Mapping[str, Any]) -> None:
        """The daemon did not take a message that it may take yet."""
        if code == "epoch":
            raise ProducerError(f"another producer of this source has begun: {told['detail']}", "use a name of its own")
        if code != "gap" or time.monotonic() < self._rewound:
            return
        self._rewound = time.monotonic() + self._least
        expected = told["expected"] + self._base
        if expected <= self.accepted:
            self._hello()  # its state may have been replaced; or this answer is an old one
        else:  # it waits for one that was lost on the way
            self._divide(expected)
            self._unsent = sum(message.seq >= expected for message in self._kept)

    def _divide(self, expected: int) -> None:
        """The daemon has the beginning of a message, not yet on its disk perhaps, and could not divide it itself."""
        for place, message in enumerate(self._kept):
            if message.seq < expected <= message.last:
                parts = divided(message.body, message.count, expected - message.seq)
                if parts is None:
                    raise ProducerError(
                        f"a message holds the numbers {message.seq} to {message.last}, {expected} is expected",
                        "the daemon has its beginning, and nobody can divide it: send it again in parts",
                    )
                self._kept[place] = _Message(message.seq, expected - message.seq, parts[0])
                self._kept.insert(place + 1, _Message(expected, message.last + 1 - expected, parts[1]))
                return

    def _gone(self, seq: int) -> None:
        """The daemon holds no more than up to `seq` of what it had acknowledged: its state was replaced."""
        lost = Lost(seq + 1, self.accepted)
        self.lost.append(lost)
        self.counts["lost"] += self.accepted - seq
        if not self._own:
            self.accepted = seq
            raise ProducerError(
                f"{lost.last - lost.first + 1} acknowledged observations are gone: the daemon's state was replaced",
                f"open the producer anew, with the same epoch, and send again from number {lost.first} on",
            )
        self.counts["renumbered"] += 1
        self._epoch = max(time.time_ns(), self._epoch + 1)
        self._base = self.accepted
        if self._kept and self._kept[0].seq <= self.accepted:  # its beginning was acknowledged
            self._base = self._kept[0].seq - 1
            self.accepted = self._base
        self._unsent = len(self._kept)


def _count(observations: Observations) -> int:
    """How many they are."""
    if isinstance(observations, bytes):
        return 1
    if not isinstance(observations, Mapping):
        return len(observations)
    values = observations.get("values")
    columns = [observations.get("time"), *(values.values() if isinstance(values, Mapping) else ())]
    return next((len(column) for column in columns if isinstance(column, list)), 1)
