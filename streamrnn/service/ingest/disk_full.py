"""What waits while the disk is full: messages that cannot be asked for again, until there is room."""

from streamrnn.wire.frames import Frame

RETRY = 0.5  # seconds between attempts to go on


class DiskFull:
    """Whether the disk is full, and the messages of `pull` and `sub` inputs that were taken before it was known."""

    def __init__(self) -> None:
        self.full = False
        self._frames: list[Frame] = []
        self._due = 0.0

    def begin(self, frames: list[Frame], now: float) -> bool:
        """The disk is full: keep those of `frames` that nobody sends again. Whether this is news."""
        news, self.full = not self.full, True
        self._frames = [frame for frame in frames if not frame.route] + self._frames
        self._due = now + RETRY
        return news

    def due(self, now: float) -> bool:
        """Whether it is time to try again."""
        return self.full and now >= self._due

    def take(self) -> list[Frame]:
        """What was kept; it is kept no longer."""
        frames, self._frames = self._frames, []
        return frames

    def end(self) -> bool:
        """There is room. Whether this is news."""
        news, self.full = self.full, False
        return news
