"""The desk where producers of `router` inputs are answered: nothing twice, nothing out of order, acks for what is kept.

A source has one *mark*: the epoch it lives in and the number of its last observation that is settled, taken or refused
for good. A message is taken when it begins with the next number; what is at or below the mark is a duplicate,
acknowledged and passed over; what is above is a gap, told and not taken. A message that begins at or below the mark
and ends above it (a program that came back cuts otherwise) is taken from the mark on. The mark moves in the transaction
that journals the message (`also`), so after a crash it says exactly what the journal holds. Answers go out behind the
commit (`settle`), one ack a source and turn; a refusal moves the mark too, or its sender would wait for ever.

- Who it is: the user that the connection has proved, and the source that the message names. The routing id of a
  connection only says where to answer.
- A later epoch of a source ends the earlier one, as with Kafka's producers: two programs under one name cannot mix.
- With durability "interval" messages are applied before they are kept, and acknowledged when they are. A producer then
  has them still, so a crash loses nothing of it either.
"""

import json
import sqlite3
import struct
import time
import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from streamrnn.config.schema import Limits
from streamrnn.errors import WireError
from streamrnn.service.ingest.admission import Refused
from streamrnn.service.storage.blame import damaged
from streamrnn.service.storage.journal import Write
from streamrnn.service.storage.store import Store, digest
from streamrnn.wire.envelope import ACK, CODES, DATA, HELLO, NACK, WELCOME, Envelope, pack, unpack
from streamrnn.wire.frames import Frame
from streamrnn.wire.incoming.rows import checked_name
from streamrnn.wire.incoming.split import divided

Reply = tuple[int, bytes, bytes]  # input, routing id, frame

RESULTS = ("taken", "refused", "duplicate", *CODES)
IDLE = 7 * 86_400.0  # seconds of silence after which a source makes room for another

_INSERT = "INSERT OR REPLACE INTO producer VALUES (?, ?, ?, ?, ?, ?, ?)"
_SELECT = "SELECT id, user, source, epoch, seq, seen, crc FROM producer ORDER BY seen"


@dataclass(slots=True, eq=False)
class Mark:
    """Where a source is. `kept` is the (epoch, seq) that a crash cannot take back."""

    user: str
    source: bytes
    epoch: int = 0
    seq: int = 0
    kept: tuple[int, int] = (0, 0)
    seen: float = 0.0  # seconds since the epoch
    route: tuple[int, bytes] = (0, b"")  # input and routing id of its latest message

    def heard(self, origin: int, route: bytes) -> None:
        """Its latest message came from there."""
        self.route = (origin, route)

    def move(self, epoch: int, seq: int, seen: float | None = None) -> None:
        """It stands there now; `seen`: because of a message received then."""
        self.epoch, self.seq = epoch, seq
        self.seen = self.seen if seen is None else seen

    def keep(self) -> None:
        """Where it stands is on the disk."""
        self.kept = (self.epoch, self.seq)


class ProducerSessions:
    """The marks of all sources, and what is to be answered. Raises SnapshotError for a damaged mark."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self.counts: Counter[str] = Counter()  # messages by RESULTS, since they were last taken
        self.passed: Counter[int] = Counter()  # messages by input that were answered and not served
        self._store = store
        self._written = store.generation  # when the marks that moved were written
        self._waits = store.durability != "off"  # for what moved to be kept
        self._interval = store.interval if store.durability == "interval" else 0.0
        self._marks: OrderedDict[tuple[str, bytes], Mark] = OrderedDict()  # the one silent longest comes first
        self._moved: dict[Mark, tuple[int, int] | None] = {}  # not yet kept -> where it was; None: it was not
        self._owed: dict[Mark, None] = {}  # to be acknowledged
        self._replies: list[Reply] = []
        self._gone: list[tuple[int]] = []  # rows to delete
        self.follow(limits)
        for row in store.read(_SELECT):
            mark = _read(row)
            if mark is None:
                raise damaged(store.file, "the mark of a producer is damaged")
            self._marks[mark.user, mark.source] = mark

    def __len__(self) -> int:
        return len(self._marks)

    def take_counts(self) -> Counter[str]:
        """`counts`, which begin anew."""
        taken, self.counts = self.counts, Counter()
        return taken

    def take_passed(self) -> Counter[int]:
        """`passed`, which begins anew."""
        taken, self.passed = self.passed, Counter()
        return taken

    @property
    def also(self) -> Write | None:
        """What puts down the marks that have moved, inside the transaction of what moved them."""
        return self._write if self._moved else None

    def marks(self) -> list[tuple[str, str, int, int]]:
        """User, source, epoch and number of every source, sorted."""
        return sorted((m.user, m.source.decode(), m.epoch, m.seq) for m in self._marks.values() if m.epoch or m.seq)

    def follow(self, limits: Limits, incarnation: str = "") -> None:
        """Keep to these limits from now on, and tell who asks which incarnation of the state this is."""
        self._most = limits.max_producers
        welcome = {
            "window": limits.window,
            "max_bytes": limits.max_frame_bytes,
            "max_observations": limits.max_observations,
            "ack_seconds": self._interval,
            "incarnation": incarnation,
        }
        self._welcome = json.dumps(welcome).encode()

    def sort(self, frames: list[Frame]) -> list[Frame]:
        """The frames to serve, those of producers without what stood around them; the others are answered."""
        if not any(frame.route for frame in frames):
            return frames
        served: list[Frame] = []
        gaps: set[Mark] = set()
        for frame in frames:
            if not frame.route:
                served.append(frame)
                continue
            try:
                envelope = unpack(frame.body)
            except WireError as error:
                self._reject(frame, Envelope(0, 0, 0, 0, b"", b""), "corrupt", str(error), 0)
                continue
            if envelope.kind == DATA:
                taken = self._take(frame, envelope, gaps)
                if taken is not None:
                    served.append(Frame(frame.origin, frame.received, b"", taken.body, frame.route, frame.user, taken))
            elif envelope.kind == HELLO:
                self._greet(frame, envelope)
            else:
                self._reject(frame, envelope, "corrupt", "neither HELLO nor DATA", 0)
        return served

    def refuse(self, frames: Sequence[Frame], refused: Iterable[Refused]) -> None:
        """Tell the producers what of their messages was refused for good."""
        told: dict[int, list[Refused]] = {}
        for one in refused:
            if frames[one[1].frame].envelope is not None:
                told.setdefault(one[1].frame, []).append(one)
        for index, several in told.items():
            envelope, first = frames[index].envelope, several[0][1]
            assert envelope is not None
            count = sum(observations for _, _, observations in several)
            self._nack(frames[index], envelope, first.reason, first.detail, count)
        self.counts["refused"] += len(told)
        self.counts["taken"] -= len(told)

    def settle(self) -> list[Reply]:
        """The answers to send. What moved is acknowledged when the store has kept it."""
        if self._waits and self._moved and not self._store.kept(self._written):
            return self.replies()
        for mark in self._moved:
            mark.keep()
        self._gone.clear()
        self._owed.update(dict.fromkeys(self._moved))
        self._moved.clear()
        return self.replies()

    def replies(self) -> list[Reply]:
        """The answers that wait for nothing: of what was kept before, and what is not taken."""
        replies, self._replies = self._replies, []
        for mark in [mark for mark in self._owed if mark not in self._moved]:
            del self._owed[mark]
            replies.append((*mark.route, pack(ACK, mark.source, *mark.kept)))
        return replies

    def give_back(self, frames: Iterable[Frame]) -> None:
        """Nothing of a batch could be kept: its messages are to come again."""
        for mark, before in self._moved.items():
            if before is None:
                del self._marks[mark.user, mark.source]
            else:
                mark.move(*before)
        self._moved.clear()
        for frame in frames:
            if frame.envelope is not None:
                self.counts["taken"] -= 1
                self._reject(frame, frame.envelope, "busy", "the disk is full", frame.envelope.seq)

    def _write(self, connection: sqlite3.Connection) -> None:
        self._written = self._store.generation
        connection.executemany("DELETE FROM producer WHERE id = ?", self._gone)
        connection.executemany(_INSERT, [_row(mark) for mark in self._moved])

    def _take(self, frame: Frame, envelope: Envelope, gaps: set[Mark]) -> Envelope | None:
        """What is to be served of a message: all, when it is the next one of its source, what is behind the mark, or
        nothing. The mark then stands behind it."""
        mark = self._marks.get((frame.user, envelope.source)) or self._enter(frame, envelope)
        if mark is None:
            return None
        mark.heard(frame.origin, frame.route)
        epoch, seq = mark.epoch, mark.seq
        if envelope.epoch != epoch:
            if envelope.epoch < epoch:
                self._reject(frame, envelope, "epoch", "a later one has been heard", mark.kept[1], epoch)
                return None
            seq = 0
        if envelope.seq <= seq < envelope.seq + envelope.numbers - 1:
            envelope = _behind(envelope, seq)
        if envelope.seq == seq + 1 and envelope.numbers:
            self._moved.setdefault(mark, (epoch, mark.seq) if epoch else None)
            mark.move(envelope.epoch, seq + envelope.numbers, frame.received)
            self._marks.move_to_end((mark.user, mark.source))
            self.counts["taken"] += 1
            return envelope
        if envelope.seq + envelope.numbers <= seq + 1:
            self.counts["duplicate"] += 1
            self.passed[frame.origin] += 1
            self._owed[mark] = None
        elif mark in gaps:
            self.counts["gap"] += 1
            self.passed[frame.origin] += 1
        else:
            gaps.add(mark)
            self._reject(frame, envelope, "gap", f"{seq + 1} is expected", seq + 1)
        if not mark.epoch and mark not in self._moved:  # nothing is known of it
            del self._marks[mark.user, mark.source]
        return None

    def _enter(self, frame: Frame, envelope: Envelope) -> Mark | None:
        """The mark of a new source."""
        try:
            checked_name(envelope.source.decode(errors="surrogateescape"))
        except WireError as error:
            self._reject(frame, envelope, "corrupt", f"source: {error}", 0)
            return None
        if len(self._marks) >= self._most and not self._make_room():
            self._reject(frame, envelope, "sources", f"all {self._most} are taken (limits.max_producers)", 0)
            return None
        mark = self._marks[frame.user, envelope.source] = Mark(frame.user, envelope.source)
        return mark

    def _make_room(self) -> bool:
        """Forget the source that has been silent longest, if that is long and nothing of it is under way."""
        oldest = next(iter(self._marks.values()))
        if oldest in self._moved or oldest.seen > time.time() - IDLE:
            return False
        del self._marks[oldest.user, oldest.source]
        self._gone.append((digest(oldest.user.encode(), oldest.source),))
        return True

    def _greet(self, frame: Frame, envelope: Envelope) -> None:
        mark = self._marks.get((frame.user, envelope.source))
        epoch, seq = mark.kept if mark else (0, 0)
        if envelope.epoch > epoch:
            epoch, seq = envelope.epoch, 0
        answer = pack(WELCOME, envelope.source, epoch, seq, 0, self._welcome)
        self._replies.append((frame.origin, frame.route, answer))

    def _reject(
        self, frame: Frame, envelope: Envelope, code: str, detail: str, expected: int, epoch: int | None = None
    ) -> None:
        """Answer a message that is not taken."""
        self.counts[code] += 1
        self.passed[frame.origin] += 1
        self._nack(frame, envelope, code, detail, envelope.numbers, expected=expected, epoch=epoch)

    def _nack(self, frame: Frame, envelope: Envelope, code: str, detail: str, count: int, **more: int | None) -> None:
        told = {"code": code, "detail": detail, "final": code not in CODES}
        told |= {key: value for key, value in more.items() if value is not None}
        body = json.dumps(told).encode()
        answer = pack(NACK, envelope.source, envelope.epoch, envelope.seq, count, body)
        self._replies.append((frame.origin, frame.route, answer))


def _behind(envelope: Envelope, seq: int) -> Envelope:
    """What a message holds behind `seq`; the whole message where that cannot be told."""
    at = seq + 1 - envelope.seq
    parts = divided(envelope.body, envelope.numbers, at)
    if parts is None:
        return envelope
    return envelope._replace(seq=seq + 1, numbers=envelope.numbers - at, body=parts[1])


def _row(mark: Mark) -> tuple[Any, ...]:
    """A mark as it is stored."""
    key = digest(mark.user.encode(), mark.source)
    place = (mark.epoch, mark.seq, mark.seen)
    return (key, mark.user, mark.source.decode(), *place, _crc(key, mark.user, mark.source, *place))


def _read(row: tuple[Any, ...]) -> Mark | None:
    """A stored mark, or None when it is damaged."""
    key, user, source, epoch, seq, seen, crc = row
    name = user.decode(errors="replace")
    if key != digest(user, source) or crc != _crc(key, name, source, epoch, seq, seen):
        return None
    return Mark(name, source, epoch, seq, (epoch, seq), seen)


def _crc(key: int, user: str, source: bytes, epoch: int, seq: int, seen: float) -> int:
    names = b"%d:%s%s" % (len(user), user.encode(), source)
    return zlib.crc32(names, zlib.crc32(struct.pack("<qqqd", key, epoch, seq, seen)))
