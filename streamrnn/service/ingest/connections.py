"""Why connections end: closed by the peer, cut off by us, or never greeted.

libzmq reports every end by one event, DISCONNECTED, with the number of a descriptor it is about to close. While the
connection lives a duplicate of that descriptor is held; when it ends a look at the duplicate tells who ended it: at the
end of the stream the peer did, otherwise libzmq did (a frame above the limit, a breach of protocol, a missed
heartbeat). A connection that is over before we look at its beginning, within a turn, is counted as unknown.

There are only so many connections, greeted or not: libzmq ends the process when a local peer connects and there is no
descriptor left. One too many is ended at once.
"""

import os
import socket
import stat
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import zmq
from zmq.utils.monitor import recv_monitor_message

REASONS = ("closed", "cut", "handshake", "full", "unknown")

_FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_OPENED = zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED
_EVENTS = _OPENED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | _FAILED
_MOST = 1000  # events taken at a time; libzmq holds as many and then makes new connections wait


class Connections:
    """The connections of one socket. Ends are counted into `ended` under one of REASONS; `full` tells whether there are
    more connections, of all sockets, than there may be."""

    def __init__(self, port: zmq.Socket[bytes], ended: Counter[str], full: Callable[[], bool]) -> None:
        self.monitor = port.get_monitor_socket(_EVENTS)
        self._port = port
        self._ended = ended
        self._held: dict[int, int] = {}  # libzmq's descriptor -> ours
        self._full = full
        self._rejected: set[int] = set()
        self._failed = False
        self._greeted = 0
        self.keys: dict[int, str] = {}  # libzmq's descriptors, and the key that each has shown

    def __len__(self) -> int:
        """Connections, greeted or not."""
        return len(self._held)

    @property
    def greeted(self) -> int:
        """Connections that are through with their handshake, of those that are held."""
        return min(self._greeted, len(self._held))

    @property
    def any(self) -> bool:
        """Whether there is one. Either tells: one that was not held for want of a descriptor has greeted."""
        return bool(self._held or self._greeted)

    def show(self, descriptor: int, key: str) -> None:
        """A connection has shown this key."""
        self.keys[descriptor] = key

    def end(self, key: str) -> int:
        """End all connections that have shown a key; how many there were."""
        theirs = [descriptor for descriptor, shown in self.keys.items() if shown == key]
        for descriptor in theirs:
            self.shut(descriptor)
        return len(theirs)

    def shut(self, descriptor: int) -> None:
        """End one connection."""
        self.keys.pop(descriptor, None)
        if descriptor in self._held:
            with suppress(OSError), socket.socket(fileno=os.dup(self._held[descriptor])) as connection:
                connection.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        """Take the events that are waiting."""
        for _ in range(_MOST):
            try:
                event = recv_monitor_message(self.monitor, zmq.NOBLOCK)
            except zmq.Again:
                return
            self._take(int(event["event"]), int(event["value"]))

    def close(self) -> None:
        """Stop listening and let go of the descriptors."""
        self._port.disable_monitor()
        self.monitor.close(linger=0)
        self.monitor.close(0)  # pyzmq lets go of it only when it is collected, and the context waits for it
        for held in self._held.values():
            os.close(held)
        self._held.clear()

    def _take(self, event: int, descriptor: int) -> None:
        if event & _OPENED:
            self._hold(descriptor)
            if event & zmq.EVENT_ACCEPTED and self._full():
                self._rejected.add(descriptor)
                self.shut(descriptor)
        elif event & _FAILED:
            self._failed = True  # its DISCONNECTED follows
        elif event & zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._greeted += 1  # whose it was is not said: the end of one that has not comes right behind its failure
        else:
            self._greeted = max(0, self._greeted - (not self._failed))
            self.keys.pop(descriptor, None)
            reason = self._end(descriptor)
            if descriptor in self._rejected:
                self._rejected.discard(descriptor)
                reason = "full"
            self._ended["handshake" if self._failed and reason != "full" else reason] += 1
            self._failed = False

    def _hold(self, descriptor: int) -> None:
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):  # it may be gone already, and its number used again
                self._held[descriptor] = os.dup(descriptor)
        except OSError:  # gone, or no descriptors left: the end is then counted as unknown
            self._held.pop(descriptor, None)

    def _end(self, descriptor: int) -> str:
        held = self._held.pop(descriptor, None)
        if held is None:
            return "unknown"
        with socket.socket(fileno=held) as peer:
            try:
                return "cut" if peer.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) else "closed"
            except BlockingIOError:
                return "cut"
            except OSError:
                return "closed"  # reset
