"""While the disk is full: producers are told to come again, other inputs are left unread, the rest works on.

There is one state, entered by the first FullError and left by the first transaction that goes through. The reserve is
given up then, so that the checkpoint may be written which frees the journal's room. What was taken of `pull` and `sub`
inputs before it was known cannot be asked for again and waits here.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from streamrnn.errors import FullError
from streamrnn.service.ingest.producers import ProducerSessions
from streamrnn.service.ingest.sockets import Sockets
from streamrnn.service.storage.reserve import Reserve
from streamrnn.service.storage.store import Store
from streamrnn.wire.frames import Frame

RETRY = 0.5  # seconds between attempts to go on

_log = structlog.get_logger("streamrnn")


class DiskFull:
    """Whether the disk is full; `tell` is called when that changes."""

    def __init__(
        self,
        store: Store,
        producers: ProducerSessions,
        sockets: Sockets,
        reserve: Reserve,
        tell: Callable[[bool], None],
    ) -> None:
        self.full = False
        self._reserve = reserve
        self._store, self._producers, self._sockets, self._tell = store, producers, sockets, tell
        self._frames: list[Frame] = []
        self._due = 0.0
        self._room = False  # a checkpoint has been completed since nothing went any more

    @property
    def due(self) -> bool:
        """Whether it is time to try again: the reserve is for the checkpoint, and no message may take it."""
        return self.full and time.monotonic() >= self._due and (self._room or self._reserve.roomy)

    def begin(self, frames: list[Frame], error: FullError) -> None:
        """Nothing of these frames could be journaled. Raises the error where it cannot be waited out."""
        if self._store.durability != "commit":
            raise error  # what was applied since the last commit cannot be taken back
        self._producers.give_back(frames)
        for reply in self._producers.replies():
            self._sockets.reply(*reply)
        self._frames = [frame for frame in frames if not frame.route] + self._frames
        self._due = time.monotonic() + RETRY
        self._room = False
        if not self.full:
            self.full = True
            self._reserve.give_up()
            self._sockets.pause(True)
            self._tell(True)
            _log.error("the disk is full", error=error.args[0], hint=error.hint)

    @contextmanager
    def waited_out(self) -> Iterator[None]:
        """Around work that can be done later. Raises the error where it cannot be waited out."""
        try:
            yield
        except FullError as error:
            self.begin([], error)

    def made_room(self) -> None:
        """A checkpoint is complete: there is room inside the database, if nowhere else."""
        self._room = True

    def take(self) -> list[Frame]:
        """What waited; it waits no longer."""
        frames, self._frames = self._frames, []
        return frames

    def end(self) -> None:
        """A transaction went through: there is room."""
        if self.full:
            self.full = False
            self._sockets.pause(False)
            self._tell(False)
            _log.info("there is room on the disk again")
