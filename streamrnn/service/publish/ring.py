"""The latest messages of a kind, bounded in number and bytes, and found by topic and number without a scan.

Of each topic the messages stand in *runs* in which the number grows, as does the place in the journal; a stream that
comes anew after it was forgotten begins another run. What is asked for is found by bisection in each run.
"""

import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from operator import attrgetter
from typing import NamedTuple

from msgspec import Struct

from streamrnn.wire.formats import read

_NUMBER, _LSN = attrgetter("number"), attrgetter("lsn")
_JSON = re.compile(rb'"topic_seq":(\d+)(?:,"lsn":(\d+))?[,}]')  # quotes in texts are escaped
COMPACT = 64  # entries that have left a run before its list is cut


class Entry(NamedTuple):
    """One message."""

    number: int  # topic_seq
    lsn: float  # infinite for what has no place in the journal
    body: bytes


class _Place(Struct):
    topic_seq: int = 0
    lsn: int | None = None


class _Run:
    """Messages of a topic whose numbers grow; those before `start` have left."""

    __slots__ = ("entries", "start")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.start = 0

    def drop(self) -> int:
        """The oldest leaves; its bytes."""
        size = len(self.entries[self.start].body)
        self.start += 1
        if self.start >= COMPACT and 2 * self.start >= len(self.entries):
            del self.entries[: self.start]
            self.start = 0
        return size


class Ring:
    """At most so many messages and bytes, given with each message."""

    def __init__(self) -> None:
        self.bytes = 0
        self._order: deque[bytes] = deque()  # the topic of each message, oldest first
        self._runs: dict[bytes, list[_Run]] = {}

    def __len__(self) -> int:
        return len(self._order)

    def keep(self, topic: bytes, body: bytes, most: int, most_bytes: int) -> None:
        """Remember a message; the oldest ones leave."""
        number, lsn = place(body)
        runs = self._runs.setdefault(topic, [])
        if not runs or (runs[-1].entries and runs[-1].entries[-1].number >= number):
            runs.append(_Run())
        runs[-1].entries.append(Entry(number, float("inf") if lsn is None else lsn, body))
        self._order.append(topic)
        self.bytes += len(body)
        while len(self._order) > most or self.bytes > most_bytes:
            self._drop(self._order.popleft())

    def last(self, topic: bytes) -> Entry | None:
        """The latest message of a topic."""
        runs = self._runs.get(topic)
        return runs[-1].entries[-1] if runs else None

    def behind(self, topic: bytes, number: int, since: int) -> Iterator[bytes]:
        """Messages of a topic with a higher number and no earlier place in the journal, oldest first."""
        for run in self._runs.get(topic, ()):
            first = bisect_right(run.entries, number, run.start, key=_NUMBER)
            first = bisect_left(run.entries, since, first, key=_LSN)
            for at in range(first, len(run.entries)):
                yield run.entries[at].body

    def _drop(self, topic: bytes) -> None:
        runs = self._runs[topic]
        self.bytes -= runs[0].drop()
        if runs[0].start >= len(runs[0].entries):
            runs.pop(0)
            if not runs:
                del self._runs[topic]


def place(body: bytes) -> tuple[int, int | None]:
    """The number of a message in its topic and its place in the journal, in whatever format it was published."""
    if body[:1] == b"{" and (found := _JSON.search(body)):
        return int(found[1]), int(found[2]) if found[2] else None
    told = read(body, _Place)
    return told.topic_seq, told.lsn
