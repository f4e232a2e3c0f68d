"""Room on the disk that is kept for the checkpoint which frees the journal's: a file that is given up when it is full.

Without it a daemon that fills its own disk never gets out: what would free everything finds no room.
"""

import math
import os
from contextlib import suppress
from pathlib import Path

FILE = "reserve"
BYTES = 4 * 1024 * 1024  # some transactions of a checkpoint, with what the log of the database needs for them
SHARE = 1 / 32  # of a small file system, at most
LEAST = 4  # times its size that have to be free before it is taken again


class Reserve:
    """The file, in a state directory. No error of the disk leaves this: room that cannot be kept is not kept."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE

    def keep(self) -> None:
        """Take the room, if it is not taken and there is enough."""
        with suppress(OSError):
            size, free = self._sizes()
            if self._held() >= size or free < LEAST * size:
                return
            descriptor = os.open(self._file, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, max(1, size))
            finally:
                os.close(descriptor)

    def give_up(self) -> None:
        """Let the database have the room."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    @property
    def roomy(self) -> bool:
        """Whether there is room enough to keep some; true where the system does not say."""
        try:
            size, free = self._sizes()
        except OSError:
            return True
        return free >= LEAST * size

    @property
    def free(self) -> float:
        """Bytes that the database may have, the reserve among them; infinite where the system does not say."""
        try:
            return self._sizes()[1] + self._held()
        except OSError:
            return math.inf

    def _sizes(self) -> tuple[int, float]:
        """Its size in bytes, and how many are free."""
        found = os.statvfs(self._file.parent)
        return int(min(BYTES, SHARE * found.f_blocks * found.f_frsize)), float(found.f_bavail * found.f_frsize)

    def _held(self) -> int:
        return self._file.stat().st_size if self._file.exists() else 0
