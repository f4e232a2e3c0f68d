"""What follows a turn: signs of life, commits, parts of a checkpoint, and what time alone brings about."""

import time
from collections import Counter
from contextlib import suppress

from streamrnn.errors import FullError
from streamrnn.service.ingest.disk_full import RETRY
from streamrnn.service.parts import Parts

ROUND = 0.1  # seconds between rounds of what need not be done every turn
STATUS = 10.0  # seconds between lines for `systemctl status`
PARTS = 0.2  # seconds a turn may write parts of a checkpoint that is behind


class Chores:
    """Done for these parts, each when it is due."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._round = self._told = time.monotonic()  # when each was last done
        self._again = 0.0  # when a checkpoint is tried while the disk is full

    def tend(self, waiting: int) -> None:
        """After a turn that took `waiting` frames. Raises StorageError."""
        parts, now = self._parts, time.monotonic()
        parts.telemetry.alive_at(now)
        queued = parts.config.limits.max_batch if parts.sockets.laden else waiting
        parts.telemetry.set("streamrnn_queue_frames", queued)
        parts.journal.tick(now)
        if len(parts.producers):
            parts.acknowledge()
        with suppress(FullError):  # the next commit will tell
            parts.store.fold()
        if not parts.backlog and parts.schedule.due(now, waiting > 0, parts.checkpoint.progress):
            self._save(now)
        if now - self._round > ROUND:
            self._round = now
            self.do(now)
        parts.manager.alive(now)

    def do(self, now: float) -> None:
        """A round of what need not be done every turn. Raises StorageError."""
        parts = self._parts
        refuse_malformed(parts)
        parts.sockets.end_slow()
        parts.telemetry.gather()
        parts.dead_letters.sum_up(now)
        parts.schedule.press(parts.journal.stats.bytes, parts.reserve.free + parts.store.free_bytes)
        if not parts.disk_full.full:
            parts.reserve.keep()
            with parts.disk_full.waited_out():
                parts.commands.forget_idle()
                parts.publisher.send(parts.commands.tell_silence())
        if now - self._told > STATUS:
            self._told = now
            parts.manager.tell(f"STATUS=serving {len(parts.streams)} streams, lsn {parts.journal.last}")

    def _save(self, now: float) -> None:
        """The next part of a checkpoint; of one that is behind, several.

        While the disk is full too, at every attempt to go on: it is what makes room.
        """
        parts = self._parts
        if parts.disk_full.full and now < self._again:
            return
        self._again = now + RETRY
        until = now + PARTS
        if parts.disk_full.full:
            with suppress(FullError):
                parts.store.fold(1)  # then the log is written from its beginning again
        with parts.disk_full.waited_out():
            while True:
                parts.schedule.begin()
                more = parts.checkpoint.write(parts.engine, parts.journal.last)
                began, now = now, time.monotonic()
                parts.schedule.wrote(began, now, more)
                if now > until or not parts.schedule.behind(parts.checkpoint.progress):
                    break


def refuse_malformed(parts: Parts) -> None:
    """Count and tell what the sockets could not make a frame of."""
    malformed = parts.sockets.take_malformed()
    if malformed:
        counts = Counter(origin for origin, _ in malformed)
        parts.telemetry.received(counts, counts, malformed[-1][1].received)
        parts.publisher.refuse([(origin, refusal, 1) for origin, refusal in malformed])
