"""Where a copy of the process puts the streams that rest: into its memory, over the store, which is only read.

A copy shares the database's file with the process that it is a copy of, and must not write to it.
"""

from typing import TYPE_CHECKING

from streamrnn.service.storage.checkpoint import Checkpoint, Stored

if TYPE_CHECKING:
    from streamrnn.engine.engine import Engine


class ForkStore:
    """Takes the place of `Checkpoint` for streams that rest. Raises StorageError."""

    def __init__(self, below: Checkpoint) -> None:
        self._below = below
        self._rows: dict[str, Stored] = {}

    def put(self, engine: "Engine", names: list[str], applied_lsn: int) -> None:
        """Keep the rows of these streams as they are now."""
        layout = engine.layout
        for name in names:
            self._rows[name] = Stored(name, applied_lsn, layout, engine.export(name), (0, 0))

    def fetch(self, name: str) -> Stored | None:
        """The row of a stream, wherever it is; None when it is not usable."""
        return self._rows.pop(name) if name in self._rows else self._below.fetch(name)
