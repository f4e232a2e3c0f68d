"""Why connections end: closed by the peer, cut off by us, or never greeted.

libzmq reports every end by one event, DISCONNECTED, with the number of a descriptor it is about to close. While the
connection lives a duplicate of that descriptor is held; when it ends a look at the duplicate tells who ended it: at the
end of the stream the peer did, otherwise libzmq did (a frame above the limit, a breach of protocol, a missed
heartbeat). A connection that is over before we look at its beginning, within a turn, is counted as unknown.

There are only so many connections, greeted or not: libzmq ends the process when a local peer connects and there is no
descriptor left. One too many is ended at once.
"""

import fcntl
import os
import socket
import stat
import struct
import termios
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import NamedTuple

import structlog
import zmq
from zmq.utils.monitor import recv_monitor_message

from streamrnn.service.ingest.topics import Topics

REASONS = ("closed", "cut", "handshake", "full", "slow", "unknown")
ROOMY = 64 * 1024  # bytes that wait in the system for a peer: one with fewer reads what it is sent

WARN = 60.0  # seconds
FITS = {  # by our type: who may connect, and what to do with others
    int(zmq.PULL): 'this input takes PUSH; for a PUB use kind = "sub", for a Producer (DEALER) kind = "router"',
    int(zmq.ROUTER): 'this input takes a Producer (DEALER, deploy/PROTOCOL.md); for a PUSH use kind = "pull"',
    int(zmq.SUB): 'this input subscribes to a PUB; for a PUSH use kind = "pull"',
    int(zmq.XPUB): "this is the output, which takes SUB; what is sent goes to the endpoint of an [[input]]",
}
_log = structlog.get_logger("streamrnn")

_FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_OPENED = zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED
_EVENTS = _OPENED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | _FAILED
_MOST = 1000  # events taken at a time; libzmq holds as many and then makes new connections wait


class Sent(NamedTuple):
    """What an output has published so far."""

    messages: int
    bytes: int


class Connections:
    """The connections of one socket. Ends are counted into `ended` under one of REASONS; `full` tells whether there are
    more connections, of all sockets, than there may be."""

    def __init__(self, port: zmq.Socket[bytes], ended: Counter[str], full: Callable[[], bool]) -> None:
        self.monitor = port.get_monitor_socket(_EVENTS)
        self._port = port
        self._ended = ended
        self._held: dict[int, int] = {}  # libzmq's descriptor -> ours
        self._full = full
        self._rejected: dict[int, str] = {}  # that we have ended, and why
        self._roomy: dict[int, Sent] = {}  # what had been sent when a connection last had room
        self._failed = False
        self._greeted = 0
        self._greetings = 0  # since the start
        self._before: dict[int, int] = {}  # greetings when a connection began: none since, and it was never greeted
        self._warned = -WARN  # monotonic seconds
        self.keys: dict[int, str] = {}  # libzmq's descriptors, and the key that each has shown
        self.topics = Topics()  # that they are subscribed to

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

    def end(self, keys: Collection[str]) -> int:
        """End all connections that have shown one of these keys, and those that have shown none: whose they are is not
        known. How many there were."""
        theirs = [descriptor for descriptor in self._held if self.keys.get(descriptor, "") in ("", *keys)]
        for descriptor in theirs:
            self.shut(descriptor)
        return len(theirs)

    def end_slow(self, sent: Sent, high_water: int, most: int) -> None:
        """End the connections for which more than about `most` bytes must be waiting, of `high_water` messages at most.

        libzmq does not tell how much waits for a peer; the system tells whether it reads at all.
        """
        for descriptor, held in self._held.items():
            waiting = _waiting(held)
            before = self._roomy.setdefault(descriptor, sent)
            if waiting < ROOMY:
                self._roomy[descriptor] = sent
                continue
            count, size = sent.messages - before.messages, sent.bytes - before.bytes
            if size * min(1.0, high_water / max(1, count)) > most:
                self._rejected[descriptor] = "slow"
                self.shut(descriptor)

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
            self._before[descriptor] = self._greetings
            self._hold(descriptor)
            if event & zmq.EVENT_ACCEPTED and self._full():
                self._rejected[descriptor] = "full"
                self.shut(descriptor)
        elif event & _FAILED:
            self._failed = True  # its DISCONNECTED follows
        elif event & zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._greetings += 1
            self._greeted += 1  # whose it was is not said: the end of one that has not comes right behind its failure
        else:
            silent = not self._failed and self._before.pop(descriptor, -1) == self._greetings
            self._greeted = max(0, self._greeted - (not self._failed))
            self._roomy.pop(descriptor, None)
            self.topics.end(descriptor)
            self.keys.pop(descriptor, None)
            reason, ours = self._end(descriptor), self._rejected.pop(descriptor, "")
            self._ended[ours or ("handshake" if self._failed or silent else reason)] += 1
            if silent and not ours:
                self._warn()
            self._failed = False

    def _warn(self) -> None:
        """Say which peers fit, at most once in WARN seconds: a connection ended before its greeting was over, as one of
        another type does; the peer tries again ten times a second."""
        now = time.monotonic()
        if now - self._warned >= WARN and (hint := FITS.get(int(self._port.type))):
            self._warned = now
            where = self._port.getsockopt_string(zmq.LAST_ENDPOINT)
            _log.warning("a peer of another socket type, or no ZeroMQ, was turned away", endpoint=where, hint=hint)

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


def _waiting(descriptor: int) -> int:
    """Bytes that the system holds for a peer."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))[0])
    except OSError:  # it is gone
        return 0
