"""What follows a turn: signs of life, commits, parts of a checkpoint, and what time alone brings about."""

import time
from collections import Counter

from streamrnn.errors import FullError
from streamrnn.service.ingest.disk_full import RETRY
from streamrnn.service.parts import Parts
from streamrnn.service.storage.store import FOLD_COMMITS, LOG_BYTES

ROUND = 0.1  # seconds between rounds of what need not be done every turn
STATUS = 10.0  # seconds between lines for `systemctl status`
PARTS = 0.2  # seconds a turn may write parts of a checkpoint that is behind


class Chores:
    """Done for these parts, each when it is due."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._round = self._told = time.monotonic()  # when each was last done
        self._again = 0.0  # when a checkpoint is tried while the disk is full
        self._look_at_room()

    def tend(self, waiting: int) -> None:
        """After a turn that took `waiting` frames. Raises StorageError."""
        parts, now = self._parts, time.monotonic()
        parts.telemetry.alive_at(now)
        queued = parts.config.limits.max_batch if parts.sockets.laden else waiting
        parts.telemetry.set("streamrnn_queue_frames", queued)
        parts.journal.tick(now)
        if len(parts.producers):
            parts.acknowledge()
        self._fold()
        if not parts.backlog and parts.schedule.due(now, waiting > 0, parts.checkpoint.progress):
            self._save(now)
        if now - self._round > ROUND:
            self._round = now
            self.do(now)
        parts.manager.alive(now)

    def _look_at_room(self) -> None:
        """How much the disk has left decides how long the database's log may grow and when a checkpoint is forced."""
        parts = self._parts
        if not parts.disk_full.full:
            parts.reserve.keep()
        free = parts.reserve.free
        self._low = free < LOG_BYTES
        parts.schedule.press(parts.journal.stats.bytes, 0.0 if parts.disk_full.full else free + parts.store.free_bytes)

    def _fold(self) -> None:
        """Fold the database's log in. Where there is no room for that, nothing more may come into the log."""
        parts = self._parts
        try:
            parts.store.fold(1 if self._low else FOLD_COMMITS)
        except FullError as error:
            if parts.store.durability == "commit":  # else the next commit will tell
                parts.disk_full.begin([], error)

    def do(self, now: float) -> None:
        """A round of what need not be done every turn. Raises StorageError."""
        parts = self._parts
        refuse_malformed(parts)
        parts.sockets.end_slow()
        parts.telemetry.gather()
        parts.dead_letters.sum_up(now)
        self._look_at_room()
        if not parts.disk_full.full:
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
        with parts.disk_full.waited_out():
            while True:
                parts.schedule.begin()
                more = parts.checkpoint.write(parts.engine, parts.journal.last)
                began, now = now, time.monotonic()
                parts.schedule.wrote(began, now, more)
                if not more:
                    parts.disk_full.made_room()
                if now > until or not parts.schedule.behind(parts.checkpoint.progress):
                    break


def refuse_malformed(parts: Parts) -> None:
    """Count and tell what the sockets could not make a frame of."""
    malformed = parts.sockets.take_malformed()
    if malformed:
        counts = Counter(origin for origin, _ in malformed)
        parts.telemetry.received(counts, counts, malformed[-1][1].received)
        parts.publisher.refuse([(origin, refusal, 1) for origin, refusal in malformed])
