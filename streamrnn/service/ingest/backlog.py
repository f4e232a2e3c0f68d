"""What is journaled and acknowledged, and waits to be applied: on a full disk no stream can make room for another.

Nothing else is journaled, stored or ordered meanwhile, so the order of the journal is kept.
"""

from collections import deque
from collections.abc import Iterable

from streamrnn.errors import FullError
from streamrnn.messages import Batch


class Backlog:
    """Parts of the latest turn, with the lsn of each run; true while there are some."""

    def __init__(self) -> None:
        self.lsn = 0  # when all is applied, everything up to it is
        self.received = 0.0  # when the turn's first frame was
        self._parts: deque[tuple[Batch, list[int]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._parts)

    @property
    def first(self) -> tuple[Batch, list[int]] | None:
        """The part to apply next."""
        return self._parts[0] if self._parts else None

    def add(self, parts: Iterable[tuple[Batch, list[int]]], lsn: int, received: float) -> None:
        """A turn has journaled these, up to `lsn`; nothing may wait when it does."""
        self._parts.extend(parts)
        self.lsn, self.received = lsn, received

    def done(self) -> None:
        """The first part has been applied, or is about to be."""
        self._parts.popleft()

    def refuse(self) -> None:
        """Raise FullError while there is something: what would have to come behind it cannot be done."""
        if self._parts:
            raise FullError("what has been received cannot be applied: the disk is full", "free some space on it")
