"""The daemon: a loop that one thread turns, from what `startup` has opened until a signal stops it."""

import time
from contextlib import ExitStack

from streamrnn.service import operator, startup, stop, turn
from streamrnn.service.chores import Chores
from streamrnn.service.parts import Parts
from streamrnn.service.reload import reload
from streamrnn.service.startup import Started

IDLE = 0.1  # seconds a poll waits; how soon a signal is noticed


class Daemon:
    """What was started, ready to turn. Raises StreamrnnError when the control socket cannot be opened."""

    def __init__(self, started: Started) -> None:
        self.started = started
        self._chores = Chores(started.parts)
        self._stopping = self._reload = False
        with ExitStack() as opened:
            opened.callback(started.opened.close)
            operator.listen(started, self.ask_reload)
            opened.pop_all()

    @property
    def parts(self) -> Parts:
        """The objects it is made of."""
        return self.started.parts

    @property
    def endpoints(self) -> list[str]:
        """Where each input listens or connects to, and last the output."""
        return self.parts.sockets.endpoints

    def announce(self) -> None:
        """Say that we are ready. Signals must be listened to by now."""
        startup.announce(self.started)

    def turn(self, timeout: float) -> None:
        """Serve what is waiting, or wait at most `timeout` seconds for it. Raises StorageError."""
        frames = turn.gather(self.parts, timeout)
        began = time.perf_counter()
        if frames or self.parts.disk_full.due:
            turn.serve(self.parts, frames)
        self._chores.tend(len(frames))
        self.parts.telemetry.observe("streamrnn_turn_seconds", [time.perf_counter() - began])
        self.parts.store.check()  # a command or a reload may have met what a turn would have ended by

    def run(self) -> None:
        """Turn until `stop` is called, then stop cleanly. Raises what makes going on impossible."""
        with self.started.opened:
            while not self._stopping:
                self.turn(IDLE)
                if self._reload:
                    self._reload = False
                    self.reload()
            stop.finish(self.parts)

    def reload(self) -> None:
        """Read the configuration again; what is wrong with it is told, and all stays as it was."""
        reload(self.parts)

    def stop(self) -> None:
        """Ask `run` to end; from any thread or a signal."""
        self._stopping = True

    def ask_reload(self) -> None:
        """Ask `run` to read the configuration again; from any thread or a signal."""
        self._reload = True
