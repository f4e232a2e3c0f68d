"""Binding: a socket in the file system is for its owner and group, and is never taken from who listens there.

libzmq takes the umask as it is, and binds to the path of a live socket without a word, after which the one that was
there gets nothing more. Connecting first tells the two apart. What the service manager listens on for us is taken over.
"""

import errno
import functools
import os
import socket as plain
import stat
from contextlib import suppress
from pathlib import Path

import zmq

from streamrnn.errors import ConfigError
from streamrnn.service.ingest.socket_activation import inherited

handed = functools.cache(lambda: inherited(os.environ))
UMASK = 0o117  # leaves rw-rw----
_STICKY = stat.S_ISVTX


def bind(socket: zmq.Socket[bytes], endpoint: str) -> None:
    """Bind. Raises ZMQError, EADDRINUSE where somebody listens already, and ConfigError for a directory open to all."""
    if endpoint in handed():
        socket.setsockopt(zmq.USE_FD, os.dup(handed()[endpoint]))  # libzmq closes what it is given
        socket.bind(endpoint)
        return
    if not endpoint.startswith("ipc://"):
        socket.bind(endpoint)
        return
    path = Path(endpoint.removeprefix("ipc://"))
    _private(path.parent)
    if _live(path):
        raise zmq.ZMQError(errno.EADDRINUSE)
    before = os.umask(UMASK)
    try:
        socket.bind(endpoint)
    finally:
        os.umask(before)


def _private(directory: Path) -> None:
    """Where everybody may write and remove, everybody may put another socket in the place of ours."""
    with suppress(OSError):
        mode = directory.stat().st_mode
        if mode & stat.S_IWOTH and not mode & _STICKY:
            raise ConfigError(f"{directory} can be written by everybody", f"chmod 0750 {directory}")


def _live(path: Path) -> bool:
    """Whether somebody listens on a socket in the file system."""
    with plain.socket(plain.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError as error:
            return isinstance(error, TimeoutError | BlockingIOError)  # its queue is full
    return True
