"""Telling the service manager how we are: READY, STATUS, WATCHDOG, RELOADING, STOPPING (sd_notify).

Without a service manager every call does nothing.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress


class ServiceManager:
    """The service manager, if there is one. Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # an abstract socket
            self._address = "\0" + self._address[1:]
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        period = int(environment.get("WATCHDOG_USEC", "0") or 0) / 1e6 if ours else 0.0
        self.interval = period / 3 if self._address else 0.0  # seconds between signs of life; 0: none are wanted
        self._due = 0.0

    def tell(self, *lines: str) -> None:
        """Send one notification, e.g. `tell("READY=1", "STATUS=serving")`."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.settimeout(1.0)
            with suppress(OSError):  # it is gone or restarting; that is no reason to stop
                manager.sendto("\n".join(lines).encode(), self._address)

    def reloading(self) -> None:
        """Say that a reload begins; READY=1 ends it."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def alive(self, now: float) -> None:
        """Feed the watchdog when it is due; `now` in monotonic seconds. Called after a completed turn."""
        if self.interval and now >= self._due:
            self._due = now + self.interval
            self.tell("WATCHDOG=1")
