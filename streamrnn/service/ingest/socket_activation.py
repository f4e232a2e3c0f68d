"""Listening sockets that the service manager has opened for us and handed over (sd_listen_fds(3)).

With them a daemon needs no network of its own: the unit can take it away, and while the daemon restarts the connections
that come meanwhile wait in the socket. A descriptor serves the endpoint whose address it is bound to.
"""

import os
import socket
from collections.abc import Mapping

FIRST = 3  # SD_LISTEN_FDS_START


def inherited(environment: Mapping[str, str], first: int = FIRST) -> dict[str, int]:
    """Endpoint -> descriptor, of all that were handed to this process."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return {}
    found = {}
    for descriptor in range(first, first + int(environment.get("LISTEN_FDS", "0") or 0)):
        with socket.socket(fileno=os.dup(descriptor)) as listening:
            address = listening.getsockname()
            if listening.family == socket.AF_UNIX:
                found[f"ipc://{address}"] = descriptor
            elif listening.family == socket.AF_INET:
                found[f"tcp://{address[0]}:{address[1]}"] = descriptor
    return found
