"""Who is at the other end: whether anybody answers there, and whether what answers is what was looked for.

ZeroMQ connects in the background and says nothing of a peer that is not there or speaks another pattern; the events of
the socket's monitor do.
"""

import time
from enum import StrEnum

import zmq
from zmq.utils.monitor import recv_monitor_message

from streamrnn.errors import StreamrnnError

SECONDS = 1.0  # to wait for a peer: nobody waits longer than two for an answer

_MET = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
_OTHER = int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
_DENIED = int(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
_CONNECTED, _ENDED = int(zmq.EVENT_CONNECTED), int(zmq.EVENT_DISCONNECTED)


class Meeting(StrEnum):
    """What came of it."""

    MET = "met"
    OTHER = "ends the connection: it is a socket of another kind, or asks for a key"
    DENIED = "does not let this key in"
    SILENT = "says nothing: it is no ZeroMQ"
    NOBODY = "is not there"


_FOUND = {_MET: Meeting.MET, _OTHER: Meeting.OTHER, _DENIED: Meeting.DENIED, _ENDED: Meeting.OTHER}


def meet(socket: zmq.Socket[bytes], endpoint: str, seconds: float = SECONDS) -> Meeting:
    """Connect, and say within `seconds` who is there. Raises StreamrnnError for an endpoint that is none."""
    monitor = socket.get_monitor_socket(_MET | _OTHER | _DENIED | _CONNECTED | _ENDED)
    try:
        socket.connect(endpoint)
        return _watch(monitor, seconds)
    except zmq.ZMQError as error:
        raise StreamrnnError(f"cannot connect to {endpoint}: {error}", "write it like tcp://127.0.0.1:5555") from None
    finally:
        socket.disable_monitor()
        monitor.close(0)


def _watch(monitor: zmq.Socket[bytes], seconds: float) -> Meeting:
    found, deadline = Meeting.NOBODY, time.monotonic() + seconds
    while monitor.poll(max(0, int(1000 * (deadline - time.monotonic())))):
        event = int(recv_monitor_message(monitor)["event"])
        if event in _FOUND:
            return _FOUND[event]
        found = Meeting.SILENT
    return found
