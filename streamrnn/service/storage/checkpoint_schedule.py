"""When the parts of a checkpoint are written.

Two wishes are at odds. A part holds up the messages that wait, so the daemon serves three times as long as the last
part took before it writes the next one. And what was done since the rows of a round were begun has to be done again
after a crash: no more than `replay` seconds of it. A round begins when half of that is used up, and where the rest is
being used up faster than the round is being written, its parts come one after the other: throughput gives way. The
same holds where the journal is about to fill the disk: bytes are not work, and the sender chooses them.
"""

from streamrnn.config.schema import State

MOST_BYTES = 1 << 30  # of the journal: what is ignored of a message is no work, and yet it is kept
PAUSE = 3.0  # times as long as a part took, the turns are left to the messages that wait


class CheckpointSchedule:
    """The work since the last checkpoint, in seconds of serving, and the round under way."""

    def __init__(self, state: State, now: float) -> None:
        self.state = state
        self.work = 0.0  # that a crash would have to do again
        self._covered = 0.0  # of it, what the round under way will have covered
        self.round = False
        self.next_part = 0.0  # when it may hold up messages that wait
        self._saved = now
        self.pressed = False  # by the size of the journal

    def follow(self, state: State) -> None:
        """Keep to these settings from now on."""
        self.state = state

    def worked(self, seconds: float) -> None:
        """So much was done that a crash would have to do again."""
        self.work += seconds

    def press(self, journal: float, free: float) -> None:
        """The journal has so many bytes, and the disk so many left: a round is forced by either."""
        self.pressed = journal > min(MOST_BYTES, free / 2)

    def due(self, now: float, waiting: bool, progress: float) -> bool:
        """Whether to write a part now; `progress`: how much of the round is written, from 0 to 1."""
        if self.round:
            return not waiting or now >= self.next_part or self.behind(progress)
        return self.pressed or self.work > self.state.replay / 2 or now - self._saved > self.state.checkpoint

    def behind(self, progress: float) -> bool:
        """Whether the round has used up more of the work that is left to it than it has written of its rows."""
        if self.pressed and self.round:
            return True  # nobody is served meanwhile: that is what holds the senders back
        room = self.state.replay - self._covered
        return self.round and progress < 1.0 and self.work - self._covered > progress * room

    def begin(self) -> None:
        """A part is written next."""
        if not self.round:
            self._covered = self.work

    def wrote(self, began: float, ended: float, more: bool) -> None:
        """A part was written, and whether there are more; in monotonic seconds."""
        self.round, self.next_part = more, ended + PAUSE * (ended - began)
        if not more:
            self._saved, self.work = began, self.work - self._covered
